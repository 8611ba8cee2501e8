package wrong

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Table keeps the trials of one commit in a file, as a table in Markdown. Delete a row to have its publisher tried again.
// A nil table is empty and keeps nothing.
type Table struct {
	path string
	rows map[string]Trial
}

const (
	tableOf     = "Wrong publishers at commit "
	tableHead   = "| wrong publisher | caught | seed | found | took | the right one in the same run |"
	tableColumn = "| --- | --- | --- | --- | --- | --- |"
)

// OpenTable opens the table of the commit of the sources at root, or begins it. Nothing there may differ from the commit.
func OpenTable(ctx context.Context, path, root string) (*Table, error) {
	commit, err := cleanCommit(ctx, root)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		text = []byte(tableOf + commit + "\n\n" + tableHead + "\n" + tableColumn + "\n")
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		return nil, err
	}
	t := &Table{path: path, rows: map[string]Trial{}}
	return t, t.read(string(text), commit)
}

// cleanCommit is the commit of a work tree, which must have no changes.
func cleanCommit(ctx context.Context, root string) (string, error) {
	git := func(args ...string) (string, error) {
		output, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
		if err != nil {
			return "", fmt.Errorf("git %s: %w", args[0], err)
		}
		return strings.TrimSpace(string(output)), nil
	}
	changed, err := git("status", "--porcelain")
	if err != nil {
		return "", err
	}
	if changed != "" {
		return "", fmt.Errorf("a table belongs to one commit: commit or remove what git status shows, and keep the table outside the work tree:\n%s", changed)
	}
	return git("rev-parse", "HEAD")
}

func (t *Table) read(text, commit string) error {
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case n == 1 && line != tableOf+commit:
			return fmt.Errorf("%s begins with %q, but this is commit %s: begin another table", t.path, line, commit)
		case n == 1, line == "", line == tableHead, line == tableColumn:
			continue
		}
		one, err := parseRow(line)
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", t.path, n, err)
		}
		t.rows[one.name] = one
	}
	return lines.Err()
}

func (t *Table) find(name string) (Trial, bool) {
	if t == nil {
		return Trial{}, false
	}
	one, ok := t.rows[name]
	return one, ok
}

// add appends a row.
func (t *Table) add(one Trial) error {
	if t == nil {
		return nil
	}
	file, err := os.OpenFile(t.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := fmt.Fprintln(file, one.row()); err != nil {
		return err
	}
	return file.Sync()
}
