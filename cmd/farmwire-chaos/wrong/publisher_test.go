package wrong

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"farmwire/cmd/farmwire-chaos/check"
)

func TestParse(t *testing.T) {
	got, err := parse("One thing\nis wrong.\n\nexpect: hole, lost end\nrun: --kills 1 --seed 2\n\n" +
		"-- a/b.go: old --\n\tx := 1\n\ty := 2\n-- a/b.go: new --\n-- c.go: old, pace --\nz\n-- c.go: new --\nzz\n-- end --\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Publisher{Mistake: "One thing\nis wrong.", Expect: []check.Kind{check.Hole, check.LostEnd}, Flags: []string{"--kills", "1", "--seed", "2"},
		edits: []edit{{file: "a/b.go", old: "\tx := 1\n\ty := 2"}, {file: "c.go", old: "z", new: "zz", pace: true}}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(Publisher{}, edit{})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want.edits[1:], got.right().edits, cmp.AllowUnexported(edit{})); d != "" || len(got.edits) != 2 {
		t.Error("the right publisher differs by the pace alone:", d)
	}
	for _, text := range []string{"expect: nonsense\n-- a: old --\nx\n-- a: new --\ny\n", "-- a: old --\nx\n-- a: new --\ny\n", "expect: hole\n"} {
		if _, err := parse(text); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

// Every edit fits the sources as they are.
func TestWrongPublishersFit(t *testing.T) {
	all, err := Publishers()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Errorf("%d wrong publishers, not 20", len(all))
	}
	root := filepath.Join("..", "..", "..")
	for _, p := range all {
		t.Run(p.Name, func(t *testing.T) {
			if p.Mistake == "" {
				t.Error("it does not say what is wrong")
			}
			if _, err := p.Overlay(root, t.TempDir()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEditThatDoesNotFit(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.go"), []byte("x\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, old := range []string{"x", "y"} {
		p := Publisher{edits: []edit{{file: "a.go", old: old, new: "z"}}}
		if _, err := p.Overlay(root, t.TempDir()); err == nil || !strings.Contains(err.Error(), "does not fit") {
			t.Errorf("%s: %v", old, err)
		}
	}
}
