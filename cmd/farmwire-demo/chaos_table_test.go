package main

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

var inTable = []trial{
	{name: "one", caught: true, seed: 2, found: "duplicate id 3, hole 1", took: 48 * time.Second, right: clean},
	{name: "two", seed: 3, found: "nothing", took: 50 * time.Second},
}

// What was tried is still known when the table is opened again, and nothing is written twice.
func TestTable(t *testing.T) {
	root, path := inGit(t), filepath.Join(t.TempDir(), "table.md")
	for n := range inTable {
		table, err := openTable(t.Context(), path, root)
		if err != nil {
			t.Fatal(err)
		}
		if err := table.add(inTable[n]); err != nil {
			t.Fatal(err)
		}
	}
	table, err := openTable(t.Context(), path, root)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range inTable {
		got, ok := table.of(want.name)
		if d := cmp.Diff(want, got, cmp.AllowUnexported(trial{})); d != "" || !ok {
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
	if _, err := openTable(t.Context(), path, root); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "b"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openTable(t.Context(), path, root); err == nil || !strings.Contains(err.Error(), "commit or remove") {
		t.Errorf("something is changed: %v", err)
	}
	if err := os.Remove(filepath.Join(root, "b")); err != nil {
		t.Fatal(err)
	}
	commit(t, root, "y")
	if _, err := openTable(t.Context(), path, root); err == nil || !strings.Contains(err.Error(), "begin another table") {
		t.Errorf("another commit: %v", err)
	}
	for _, broken := range []string{"| a |", "| `a` | yes | x | y | 1s | clean |", "| `a` | yes | 1 | y | z | clean |"} {
		if _, err := parseRow(broken); err == nil {
			t.Errorf("no error for %q", broken)
		}
	}
}

// What the table tells is not tried again: neither the wrong publisher nor the right one in the same run.
func TestTrialsInTheTable(t *testing.T) {
	ts := &trials{root: "/nowhere", right: true, rights: map[string]string{}, table: &table{rows: map[string]trial{"one": inTable[0], "two": inTable[1]}}}
	one := wrong{name: "one", run: []string{"--kills", "1"}, edits: []edit{{file: "a", old: "b"}}}
	got, err := ts.try(t.Context(), one)
	if err != nil || got != inTable[0] || !got.good() {
		t.Errorf("%v %v", got, err)
	}
	other := wrong{name: "other", run: one.run, edits: []edit{{file: "c", old: "d"}}}
	if got := ts.rights[ts.runOf(other, 2)]; got != clean {
		t.Errorf("of another wrong one with the same run: %q", got)
	}
	other.edits[0].pace = true
	if ts.rights[ts.runOf(other, 2)] != "" || ts.rights[ts.runOf(one, 1)] != "" {
		t.Error("another pace or seed is another run")
	}
	if _, err := ts.try(t.Context(), wrong{name: "two", edits: one.edits}); err == nil {
		t.Error("the right one was to be tried, and cannot be here")
	}
	ts.right = false
	if got, err := ts.try(t.Context(), wrong{name: "two"}); err != nil || got.good() {
		t.Errorf("%v %v", got, err)
	}
}
