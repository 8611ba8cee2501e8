package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every message that a page quotes is in the code. Quotes stand between backticks in items that begin with Log, Error or
// /readyz, and an ellipsis stands for what differs from case to case.
func TestQuotedMessages(t *testing.T) {
	texts := messages(t)
	quotes := 0
	for path, page := range pages(t) {
		for _, item := range regexp.MustCompile("(?m)^- (?:Log|Error|`/readyz`): (.*(?:\n  .*)*)").FindAllStringSubmatch(page, -1) {
			for _, quote := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(item[1], -1) {
				quotes++
				for piece := range strings.SplitSeq(quote[1], "…") {
					if piece = strings.Join(strings.Fields(piece), " "); len(piece) > 1 && !strings.Contains(texts, piece) {
						t.Errorf("%s quotes %q, and no message has %q", path, quote[1], piece)
					}
				}
			}
		}
	}
	if quotes < 20 {
		t.Errorf("only %d quotes were found", quotes)
	}
}

// messages are all string constants of the product's code, one a line.
func messages(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	files := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == "testdata" || name == "farmwire-demo" || name == "farmwire-chaos" || strings.HasPrefix(name, ".") && name != "..") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, _ := strconv.Unquote(literal.Value) // the parser has accepted it
				all.WriteString(text + "\n")
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
