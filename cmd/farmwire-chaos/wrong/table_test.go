package wrong

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// inGit is a work tree with one commit.
func inGit(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	commit(t, root, "x")
	return root
}

func commit(t *testing.T, root, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, "a"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "a"}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", text}} {
		if said, err := exec.Command("git", append([]string{"-C", root}, args...)...).CombinedOutput(); err != nil {
			t.Skipf("git: %v\n%s", err, said)
		}
	}
}

var inTable = []Trial{
	{name: "one", caught: true, seed: 2, found: "duplicate id 3, hole 1", took: 48 * time.Second, right: clean},
	{name: "two", seed: 3, found: "nothing", took: 50 * time.Second},
}

// What was tried is still known when the table is opened again, and nothing is written twice.
func TestTable(t *testing.T) {
	root, path := inGit(t), filepath.Join(t.TempDir(), "table.md")
	for n := range inTable {
		table, err := OpenTable(t.Context(), path, root)
		if err != nil {
			t.Fatal(err)
		}
		if err := table.add(inTable[n]); err != nil {
			t.Fatal(err)
		}
	}
	table, err := OpenTable(t.Context(), path, root)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range inTable {
		got, ok := table.find(want.name)
		if d := cmp.Diff(want, got, cmp.AllowUnexported(Trial{})); d != "" || !ok {
			t.Error(d)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rows, _ := strings.Cut(string(text), "\n\n")
	want := tableHead + "\n" + tableColumn + "\n" +
		"| `one` | yes | 2 | duplicate id 3, hole 1 | 48s | clean |\n| `two` | no | 3 | nothing | 50s | not tried |\n"
	if d := cmp.Diff(want, rows); d != "" {
		t.Error(d)
	}
}

// A table is of one commit, of which nothing is changed.
func TestTableOfOneCommit(t *testing.T) {
	root, path := inGit(t), filepath.Join(t.TempDir(), "table.md")
	if _, err := OpenTable(t.Context(), path, root); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "b"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenTable(t.Context(), path, root); err == nil || !strings.Contains(err.Error(), "commit or remove") {
		t.Errorf("something is changed: %v", err)
	}
	if err := os.Remove(filepath.Join(root, "b")); err != nil {
		t.Fatal(err)
	}
	commit(t, root, "y")
	if _, err := OpenTable(t.Context(), path, root); err == nil || !strings.Contains(err.Error(), "begin another table") {
		t.Errorf("another commit: %v", err)
	}
	for _, broken := range []string{"| a |", "| `a` | yes | x | y | 1s | clean |", "| `a` | yes | 1 | y | z | clean |"} {
		if _, err := parseRow(broken); err == nil {
			t.Errorf("no error for %q", broken)
		}
	}
}
