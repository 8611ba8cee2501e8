package farmwire_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// may lists which of our packages each package may import. A package that is not here may import none.
var may = map[string][]string{
	"farmwire":                  {"farmwire/diff", "farmwire/event", "farmwire/poller", "farmwire/publisher", "farmwire/status"},
	"farmwire/event":            {"farmwire/diff"},
	"farmwire/poller":           {"farmwire/diff", "farmwire/poller/awserr", "farmwire/poller/paginator"},
	"farmwire/poller/paginator": {"farmwire/diff", "farmwire/poller/awserr"},
	"farmwire/publisher":        {"farmwire/cluster", "farmwire/diff", "farmwire/event"},

	"farmwire/publisher/kafkatest": {"farmwire/publisher/kafkatest/process"},

	"farmwire/cmd/view":                    {"farmwire/diff", "farmwire/event"},
	"farmwire/cmd/farmwire":                {"farmwire", "farmwire/cluster", "farmwire/cmd/view", "farmwire/diff", "farmwire/event", "farmwire/poller", "farmwire/poller/paginator", "farmwire/publisher", "farmwire/status"},
	"farmwire/cmd/farmwire-demo":           {"farmwire", "farmwire/cluster", "farmwire/cmd/command", "farmwire/cmd/view", "farmwire/diff", "farmwire/event", "farmwire/poller", "farmwire/poller/farmtest", "farmwire/publisher", "farmwire/publisher/kafkatest"},
	"farmwire/cmd/farmwire-chaos":          {"farmwire/cmd/command", "farmwire/cmd/farmwire-chaos/check", "farmwire/cmd/farmwire-chaos/instance", "farmwire/cmd/farmwire-chaos/proxy", "farmwire/cmd/farmwire-chaos/wrong", "farmwire/poller/farmtest", "farmwire/publisher/kafkatest"},
	"farmwire/cmd/farmwire-chaos/instance": {"farmwire/publisher/kafkatest/process"},
	"farmwire/cmd/farmwire-chaos/wrong":    {"farmwire/cmd/farmwire-chaos/check"},
}

// Imports point inwards: cmd → farmwire → poller, publisher → event → diff. No product code links a test server.
func TestImportsPointInwards(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || path != "." && strings.HasPrefix(entry.Name(), ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		return checkImports(t, path)
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("only %d files were looked at", files)
	}
}

func checkImports(t *testing.T, path string) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		return err
	}
	from := filepath.ToSlash(filepath.Join("farmwire", filepath.Dir(path)))
	for _, spec := range parsed.Imports {
		to, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if to != "farmwire" && !strings.HasPrefix(to, "farmwire/") {
			continue
		}
		if !slices.Contains(may[from], to) {
			t.Errorf("%s imports %s", path, to)
		}
	}
	return nil
}
