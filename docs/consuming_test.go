package docs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"farmwire/diff"
	"farmwire/event"
)

// The program in consuming.md counts an ended session once, however often it reads its event, and no other event.
func TestSQLiteExample(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	program := regexp.MustCompile("(?s)```python\n(#!.*?)```").FindStringSubmatch(pages(t)["consuming.md"])
	if program == nil {
		t.Fatal("consuming.md has no program")
	}
	folder := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(input string, arguments ...string) string {
		command := exec.CommandContext(t.Context(), python, arguments...)
		command.Dir, command.Stdin = folder, strings.NewReader(input)
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		return string(output)
	}
	write("example.py", program[1])
	write("show.py", `import sqlite3; print(sqlite3.connect("render-time.db").execute("SELECT seconds FROM render_time").fetchall())`)
	open, ended := exampleLines(t)
	run(open+ended+ended, "example.py")
	run(open+ended, "example.py")
	if d := cmp.Diff("[(330.25,)]\n", run("", "show.py")); d != "" { // from 10:00:00.000 to 10:05:30.250
		t.Errorf("the seconds of each job (-want +got):\n%s", d)
	}
}

// exampleLines are the examples of events.md as lines of JSON: of an open session, and of one that has ended.
func exampleLines(t *testing.T) (open, ended string) {
	t.Helper()
	for _, example := range regexp.MustCompile("(?s)```record\n(.*?)```").FindAllStringSubmatch(pages(t)["events.md"], -1) {
		head, value, _ := strings.Cut(example[1], "\n\n")
		change, envelope := changeOf(t, []byte(value), headerLines(head))
		line, err := json.Marshal(event.Encode(&change, envelope))
		if err != nil {
			t.Fatal(err)
		}
		if change.Kind == diff.Ended {
			ended += string(line) + "\n"
		} else {
			open += string(line) + "\n"
		}
	}
	if open == "" || ended == "" {
		t.Fatal("events.md lacks an example")
	}
	return open, ended
}
