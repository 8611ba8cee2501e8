package docs

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// contributing.md has a line for every package, or for the one that it lies in, and none for a package that is not there.
func TestLayout(t *testing.T) {
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z/-]+)` \\|").FindAllStringSubmatch(pages(t)["contributing.md"], -1) {
		listed[row[1]] = true
	}
	found := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") && entry.Name() != "..") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			name := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
			if name == ".." {
				name = "farmwire" // the root
			}
			found[name] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range listed {
		if !found[name] {
			t.Errorf("contributing.md lists %s, and there is no such package", name)
		}
	}
	for name := range found {
		if !listed[name] && !listed[filepath.ToSlash(filepath.Dir(name))] {
			t.Errorf("contributing.md does not list %s", name)
		}
	}
}
