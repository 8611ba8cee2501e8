package farmwire_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// may lists which of our packages each package may import. A package that is not here may import none.
var may = map[string][]string{
	"farmwire":                  {"farmwire/coverage", "farmwire/diff", "farmwire/event", "farmwire/poller", "farmwire/poller/plan", "farmwire/publisher", "farmwire/status"},
	"farmwire/coverage":         {"farmwire/diff"},
	"farmwire/event":            {"farmwire/coverage", "farmwire/diff"},
	"farmwire/poller":           {"farmwire/diff", "farmwire/poller/awserr", "farmwire/poller/paginator", "farmwire/poller/schedule"},
	"farmwire/poller/paginator": {"farmwire/diff", "farmwire/poller/awserr"},
	"farmwire/publisher":        {"farmwire/cluster", "farmwire/coverage", "farmwire/diff", "farmwire/event"},

	"farmwire/poller/schedule":            {"farmwire/diff"},
	"farmwire/poller/schedule/simulation": {"farmwire/diff", "farmwire/poller/schedule"},
	"farmwire/poller/schedule/simulate":   {"farmwire/cmd/command", "farmwire/poller/plan", "farmwire/poller/schedule", "farmwire/poller/schedule/simulation"},

	"farmwire/consumer":                 {"farmwire/cluster", "farmwire/event"},
	"farmwire/consumer/audit":           {"farmwire/cluster", "farmwire/consumer", "farmwire/coverage", "farmwire/diff", "farmwire/event"},
	"farmwire/consumer/audit/audittest": {"farmwire/coverage", "farmwire/diff", "farmwire/event", "farmwire/publisher/kafkatest"},
	"farmwire/consumer/trigger":         {"farmwire/cluster", "farmwire/consumer", "farmwire/diff", "farmwire/event", "farmwire/status"},

	"farmwire/examples/go": {"farmwire/cluster", "farmwire/consumer", "farmwire/diff", "farmwire/event"},

	"farmwire/publisher/kafkatest": {"farmwire/internal/leaks", "farmwire/publisher/kafkatest/process"},

	"farmwire/cmd/view":                    {"farmwire/diff", "farmwire/event"},
	"farmwire/cmd/farmwire":                {"farmwire", "farmwire/cluster", "farmwire/cmd/view", "farmwire/consumer", "farmwire/consumer/audit", "farmwire/consumer/trigger", "farmwire/coverage", "farmwire/diff", "farmwire/event", "farmwire/event/schema", "farmwire/poller", "farmwire/poller/paginator", "farmwire/poller/plan", "farmwire/publisher", "farmwire/status"},
	"farmwire/cmd/farmwire-demo":           {"farmwire", "farmwire/cluster", "farmwire/cmd/command", "farmwire/cmd/view", "farmwire/consumer", "farmwire/diff", "farmwire/event", "farmwire/poller", "farmwire/poller/farmtest", "farmwire/publisher", "farmwire/publisher/kafkatest"},
	"farmwire/cmd/farmwire-chaos":          {"farmwire/cmd/command", "farmwire/cmd/farmwire-chaos/check", "farmwire/cmd/farmwire-chaos/instance", "farmwire/cmd/farmwire-chaos/proxy", "farmwire/cmd/farmwire-chaos/receipts", "farmwire/cmd/farmwire-chaos/receiver", "farmwire/cmd/farmwire-chaos/wrong", "farmwire/diff", "farmwire/event", "farmwire/poller/farmtest", "farmwire/publisher/kafkatest"},
	"farmwire/cmd/farmwire-chaos/instance": {"farmwire/publisher/kafkatest/process"},
	"farmwire/cmd/farmwire-chaos/receiver": {"farmwire/cmd/farmwire-chaos/receipts"},
	"farmwire/cmd/farmwire-chaos/wrong":    {"farmwire/cmd/farmwire-chaos/check"},
}

// Imports point inwards: cmd → farmwire → poller, publisher → event → diff. No product code links a test server.
func TestImportsPointInwards(t *testing.T) {
	eachFile(t, func(path string) error { return checkImports(t, path) })
}

// A library package names no command-line flag of Farmwire, because a program that imports it has other flags, or none.
func TestLibraryNamesNoFlags(t *testing.T) {
	flag := regexp.MustCompile(`(^|[^-\w])--[a-z]`)
	otherTool := regexp.MustCompile(`\baws [a-z ]*--[a-z]|kafka-[a-z]+\.sh .*--[a-z]`)
	eachFile(t, func(path string) error {
		text, err := os.ReadFile(path)
		if slashed := filepath.ToSlash(path); strings.HasPrefix(slashed, "cmd/") || strings.HasPrefix(slashed, "poller/schedule/simulate/") || strings.HasPrefix(slashed, "publisher/kafkatest/") || strings.HasPrefix(slashed, "docs/") || strings.HasPrefix(slashed, "examples/") {
			return err
		}
		for n, line := range strings.Split(string(text), "\n") {
			if flag.MatchString(line) && !otherTool.MatchString(line) {
				t.Errorf("%s:%d names a flag: %s", path, n+1, line)
			}
		}
		return err
	})
}

// eachFile calls f for every product file.
func eachFile(t *testing.T, f func(path string) error) {
	t.Helper()
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
		return f(path)
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
