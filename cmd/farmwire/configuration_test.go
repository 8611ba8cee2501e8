package main

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the flags into docs/configuration.md, and what commands print into the scripts that compare it")

const configurationPage = "../../docs/configuration.md"

// The tables of flags in docs/configuration.md stand between these two lines. The rest of the page is written by hand.
const (
	flagsBegin = "<!-- The tables below are generated: go test ./cmd/farmwire -run TestConfigurationPage -update -->\n"
	flagsEnd   = "<!-- The end of the generated tables. -->\n"
)

func TestConfigurationPage(t *testing.T) {
	page := readPage(t, configurationPage)
	head, rest, found := strings.Cut(page, flagsBegin)
	have, tail, ended := strings.Cut(rest, flagsEnd)
	if !found || !ended {
		t.Fatalf("%s lacks the lines that the tables stand between", configurationPage)
	}
	want := flagTables(grammar(t, &fileResolver{}).Model)
	if *update {
		if err := os.WriteFile(configurationPage, []byte(head+flagsBegin+want+flagsEnd+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("%s differs from the flags (-want +got); run this test with -update:\n%s", configurationPage, diff)
	}
}

// grammar is the command line, with the configuration file that file reads.
func grammar(t *testing.T, file *fileResolver) *kong.Kong {
	t.Helper()
	parser, err := kong.New(&commands{},
		kong.Name("farmwire"),
		kong.DefaultEnvars("FARMWIRE"),
		kong.Resolvers(file),
		kong.Bind(&streams{strings.NewReader(""), io.Discard, io.Discard}),
		kong.Writers(io.Discard, io.Discard),
		kong.Exit(func(int) { panic(helpShown{}) }),
	)
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

func readPage(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// flagTables are the flags of all commands. Flags that several commands share are in one table.
func flagTables(app *kong.Application) string {
	users := map[string][]string{} // the commands that have a flag, by its row
	var rows []string              // in the order of the help
	for _, command := range app.Leaves(true) {
		for _, group := range command.AllFlags(true) {
			for _, f := range group {
				if f.Name == "help" {
					continue
				}
				row := flagRow(f)
				if users[row] == nil {
					rows = append(rows, row)
				}
				users[row] = append(users[row], "`"+strings.TrimPrefix(command.FullPath(), "farmwire ")+"`")
			}
		}
	}
	var titles []string
	tables := map[string]string{}
	for _, row := range rows {
		title := strings.Join(users[row], ", ")
		if len(users[row]) == len(app.Leaves(true)) {
			title = "All commands"
		}
		if _, known := tables[title]; !known {
			titles = append(titles, title)
		}
		tables[title] += row
	}
	var b strings.Builder
	for _, title := range titles {
		fmt.Fprintf(&b, "\n### %s\n\n| flag | environment variable | key in the file | default | meaning |\n| --- | --- | --- | --- | --- |\n%s", title, tables[title])
	}
	return b.String() + "\n"
}

func flagRow(f *kong.Flag) string {
	key, preset := "`"+f.Name+"`", ""
	if f.Name == "config" {
		key = ""
	}
	switch {
	case f.Default != "":
		preset = "`" + f.Default + "`"
	case f.IsBool():
		preset = "off"
	}
	name := "`--" + f.Name + "`"
	if f.Required {
		name += " (required)"
	}
	meaning := strings.NewReplacer("|", `\|`, "<", `\<`).Replace(f.Help)
	return fmt.Sprintf("| %s | `%s` | %s | %s | %s |\n", name, strings.Join(f.Envs, "`, `"), key, preset, meaning)
}

// The example of a configuration file can be used as it is.
func TestConfigurationExample(t *testing.T) {
	found := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(readPage(t, configurationPage), -1)
	if len(found) == 0 {
		t.Fatal("the page has no example")
	}
	for _, example := range found {
		path := filepath.Join(t.TempDir(), "farmwire.yaml")
		if err := os.WriteFile(path, []byte(example[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		var file fileResolver
		if _, err := parse(grammar(t, &file), []string{"run", "--config", path}); err != nil || file.err != nil {
			t.Errorf("%v %v:\n%s", err, file.err, example[1])
		}
		if len(file.values) == 0 {
			t.Error("the example sets nothing")
		}
	}
}

// Each command line of farmwire in the documentation has only commands and flags that exist.
func TestCommandLinesInDocumentation(t *testing.T) {
	pages := []string{"../../README.md"}
	err := filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, path := range pages {
		page := strings.ReplaceAll(readPage(t, path), "\\\n", " ")
		for _, line := range regexp.MustCompile(`(?m)^    ([A-Z_]+=\S+ )*farmwire (.*)$`).FindAllStringSubmatch(page, -1) {
			lines++
			words, _, _ := strings.Cut(line[2], "#")
			words, _, _ = strings.Cut(words, "|")
			words, _, _ = strings.Cut(words, " >")
			if err := parses(t, strings.Fields(words)); err != nil {
				t.Errorf("%s: farmwire %s: %v", path, line[2], err)
			}
		}
	}
	if lines < 5 {
		t.Errorf("only %d command lines were found", lines)
	}
}

func parses(t *testing.T, args []string) error {
	_, err := parse(grammar(t, &fileResolver{}), slices.DeleteFunc(args, func(a string) bool { return a == "" }))
	return err
}
