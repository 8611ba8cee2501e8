// Package wrong has publishers with known mistakes, to find out whether the check notices them. Each is described by
// edits of the product's files, which are made at build time (go build -overlay): the product has no code for them. An
// edit that does not fit the sources any more is an error.
package wrong

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"farmwire/cmd/farmwire-chaos/check"
)

//go:embed testdata
var descriptions embed.FS

// Publisher is farmwire with one mistake.
type Publisher struct {
	Name    string
	Mistake string       // in words
	Expect  []check.Kind // the check must find one of these anomalies
	Flags   []string     // of the campaign that makes the mistake show
	edits   []edit
}

// edit replaces a piece of text that a file has exactly once.
type edit struct {
	file, old, new string
	pace           bool // the edit is no mistake: it only makes the mistake show sooner
}

// right is the right publisher at the pace of the wrong one.
func (p Publisher) right() Publisher {
	p.edits = slices.DeleteFunc(slices.Clone(p.edits), func(e edit) bool { return !e.pace })
	return p
}

// Publishers returns all wrong publishers, sorted by name.
func Publishers() ([]Publisher, error) {
	files, err := fs.Glob(descriptions, "testdata/*/edit.txt")
	if err != nil {
		return nil, err
	}
	var all []Publisher
	for _, file := range files {
		text, err := descriptions.ReadFile(file)
		if err != nil {
			return nil, err
		}
		p, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		p.Name = path.Base(path.Dir(file))
		all = append(all, p)
	}
	return all, nil
}

// parse reads a description. It begins with the mistake in words, a line "expect:" with kinds of anomalies, and a line
// "run:" with flags of the campaign. Pairs of sections follow, "-- FILE: old --" and "-- FILE: new --", each up to the
// next section. A section "-- FILE: old, pace --" begins an edit that is no mistake. "-- end --" ends the last section.
func parse(text string) (Publisher, error) {
	var p Publisher
	var section *string
	for line := range strings.Lines(text) {
		name, isSection := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		name, closed := strings.CutSuffix(name, " --")
		switch {
		case isSection && closed && name == "end":
			section = nil
		case isSection && closed && (strings.HasSuffix(name, ": old") || strings.HasSuffix(name, ": old, pace")):
			file, what, _ := strings.Cut(name, ": ")
			p.edits = append(p.edits, edit{file: file, pace: what != "old"})
			section = &p.edits[len(p.edits)-1].old
		case isSection && closed && strings.HasSuffix(name, ": new") && len(p.edits) > 0:
			section = &p.edits[len(p.edits)-1].new
		case section != nil:
			*section += line
		case strings.HasPrefix(line, "expect: "):
			for kind := range strings.SplitSeq(strings.TrimSpace(line[len("expect: "):]), ", ") {
				p.Expect = append(p.Expect, check.Kind(kind))
			}
		case strings.HasPrefix(line, "run: "):
			p.Flags = strings.Fields(line[len("run: "):])
		default:
			p.Mistake += line
		}
	}
	p.Mistake = strings.TrimSpace(p.Mistake)
	for i := range p.edits {
		p.edits[i].old, p.edits[i].new = strings.Trim(p.edits[i].old, "\n"), strings.Trim(p.edits[i].new, "\n")
	}
	return p, p.validate()
}

func (p Publisher) validate() error {
	for _, kind := range p.Expect {
		if !slices.Contains(check.Kinds(), kind) {
			return fmt.Errorf("the check knows no anomaly %q", kind)
		}
	}
	if len(p.Expect) == 0 || len(p.edits) == 0 {
		return errors.New("a description needs expect: and an edit")
	}
	return nil
}

// Overlay makes the edits of the module's sources at root. It writes the edited files into dir and returns the path of
// the file for go build -overlay.
func (p Publisher) Overlay(root, dir string) (string, error) {
	edited := map[string]string{}
	for _, e := range p.edits {
		text, ok := edited[e.file]
		if !ok {
			current, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return "", err
			}
			text = string(current)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("the edit of %s does not fit: the file has its old text %d times, not once:\n%s", e.file, n, e.old)
		}
		edited[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	replace := map[string]string{}
	for file, text := range edited {
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, file)] = to
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, "overlay.json")
	return to, os.WriteFile(to, text, 0o600)
}
