package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// table keeps trials of one commit in a file, as a table in Markdown. What is in it is not tried again; delete a row to
// have it tried. A nil table is empty and keeps nothing.
type table struct {
	path string
	rows map[string]trial
}

const (
	tableOf     = "Wrong publishers at commit "
	tableHead   = "| wrong publisher | caught | seed | found | took | the right one in the same run |"
	tableColumn = "| --- | --- | --- | --- | --- | --- |"
)

// openTable opens or begins the table of the commit that the module's sources at root are of.
func openTable(ctx context.Context, path, root string) (*table, error) {
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
	t := &table{path: path, rows: map[string]trial{}}
	return t, t.read(string(text), commit)
}

// cleanCommit is the commit of a work tree in which nothing is changed.
func cleanCommit(ctx context.Context, root string) (string, error) {
	git := func(args ...string) (string, error) {
		said, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
		if err != nil {
			return "", fmt.Errorf("git %s: %w", args[0], err)
		}
		return strings.TrimSpace(string(said)), nil
	}
	changed, err := git("status", "--porcelain")
	if err != nil {
		return "", err
	}
	if changed != "" {
		return "", fmt.Errorf("a table is of one commit: commit or remove what git status shows, and keep the table outside of the work tree:\n%s", changed)
	}
	return git("rev-parse", "HEAD")
}

func (t *table) read(text, commit string) error {
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case n == 1 && line != tableOf+commit:
			return fmt.Errorf("%s begins with %q, and this is commit %s: begin another table", t.path, line, commit)
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

func (t *table) of(name string) (trial, bool) {
	if t == nil {
		return trial{}, false
	}
	one, ok := t.rows[name]
	return one, ok
}

// add appends a row.
func (t *table) add(one trial) error {
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

func (t trial) row() string {
	caught, right := "no", t.right
	if t.caught {
		caught = "yes"
	}
	if right == "" {
		right = "not tried"
	}
	return fmt.Sprintf("| `%s` | %s | %d | %s | %s | %s |", t.name, caught, t.seed, t.found, t.took.Round(time.Second), right)
}

func parseRow(line string) (trial, error) {
	cells := strings.Split(strings.Trim(line, "|"), "|")
	if len(cells) != 6 {
		return trial{}, fmt.Errorf("%d columns, not 6", len(cells))
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	one := trial{name: strings.Trim(cells[0], "`"), caught: cells[1] == "yes", found: cells[3], right: cells[5]}
	if one.right == "not tried" {
		one.right = ""
	}
	var err error
	if one.seed, err = strconv.ParseUint(cells[2], 10, 64); err != nil {
		return one, err
	}
	one.took, err = time.ParseDuration(cells[4])
	return one, err
}
