package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"farmwire/cmd/farmwire-demo/check"
)

// The wrong publishers: each is told as edits of the product's files, which are made at build time
// (go build -overlay), so that nothing of it is in the product. An edit that does not fit any more is an error.
//
//go:embed testdata/wrong
var wrongFiles embed.FS

// wrong is a farmwire with one thing done wrong.
type wrong struct {
	name   string
	text   string       // what is wrong
	expect []check.Kind // one of them must be found
	run    []string     // flags of the chaos run that finds it
	edits  []edit
}

// edit replaces a piece of a file that is in it exactly once.
type edit struct {
	file, old, new string
	pace           bool // not what is wrong: it only makes it come sooner
}

// right is the right publisher at the pace of the wrong one.
func (w wrong) right() wrong {
	w.edits = slices.DeleteFunc(slices.Clone(w.edits), func(e edit) bool { return !e.pace })
	return w
}

// wrongs are all wrong publishers, by name.
func wrongs() ([]wrong, error) {
	files, err := fs.Glob(wrongFiles, "testdata/wrong/*/edit.txt")
	if err != nil {
		return nil, err
	}
	var all []wrong
	for _, file := range files {
		text, err := wrongFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		w, err := parseWrong(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		w.name = path.Base(path.Dir(file))
		all = append(all, w)
	}
	return all, nil
}

// parseWrong reads a description: what is wrong, "expect:" and "run:", and pairs of sections
// "-- file: old --" and "-- file: new --", each up to the next section. "-- file: old, pace --" begins an edit that is
// not what is wrong.
func parseWrong(text string) (wrong, error) {
	var w wrong
	var section *string
	for line := range strings.Lines(text) {
		name, isSection := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		name, closed := strings.CutSuffix(name, " --")
		switch {
		case isSection && closed && name == "end":
			section = nil
		case isSection && closed && (strings.HasSuffix(name, ": old") || strings.HasSuffix(name, ": old, pace")):
			file, what, _ := strings.Cut(name, ": ")
			w.edits = append(w.edits, edit{file: file, pace: what != "old"})
			section = &w.edits[len(w.edits)-1].old
		case isSection && closed && strings.HasSuffix(name, ": new") && len(w.edits) > 0:
			section = &w.edits[len(w.edits)-1].new
		case section != nil:
			*section += line
		case strings.HasPrefix(line, "expect: "):
			for kind := range strings.SplitSeq(strings.TrimSpace(line[len("expect: "):]), ", ") {
				w.expect = append(w.expect, check.Kind(kind))
			}
		case strings.HasPrefix(line, "run: "):
			w.run = strings.Fields(line[len("run: "):])
		default:
			w.text += line
		}
	}
	w.text = strings.TrimSpace(w.text)
	for i := range w.edits {
		w.edits[i].old, w.edits[i].new = strings.Trim(w.edits[i].old, "\n"), strings.Trim(w.edits[i].new, "\n")
	}
	for _, kind := range w.expect {
		if !slices.Contains(check.Kinds(), kind) {
			return w, fmt.Errorf("there is no kind %q", kind)
		}
	}
	if len(w.expect) == 0 || len(w.edits) == 0 {
		return w, errors.New("needs expect: and an edit")
	}
	return w, nil
}

// overlay writes the edited files of the module at root into dir and returns the file for go build -overlay.
func (w wrong) overlay(root, dir string) (string, error) {
	edited := map[string]string{}
	for _, e := range w.edits {
		text, ok := edited[e.file]
		if !ok {
			current, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return "", err
			}
			text = string(current)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("the edit of %s does not fit: it is there %d times, not once:\n%s", e.file, n, e.old)
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

// moduleRoot is the folder of this module's sources.
func moduleRoot(ctx context.Context) (string, error) {
	said, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "farmwire").Output()
	if err != nil {
		return "", fmt.Errorf("find the sources of farmwire (run this inside of them): %w", err)
	}
	return strings.TrimSpace(string(said)), nil
}

// build builds the wrong farmwire into dir and returns its path.
func (w wrong) build(ctx context.Context, root, dir string) (string, error) {
	overlay, err := w.overlay(root, dir)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "farmwire")
	return binary, buildFarmwire(ctx, binary, "-overlay", overlay)
}

// chaosOf reads flags of a chaos run.
func chaosOf(flags []string) (*chaosCmd, error) {
	var one struct {
		Chaos chaosCmd `cmd:""`
	}
	parser, err := kong.New(&one, kong.Exit(func(int) {}))
	if err != nil {
		return nil, err
	}
	_, err = parser.Parse(append([]string{"chaos"}, flags...))
	return &one.Chaos, err
}
