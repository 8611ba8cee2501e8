package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// runWrong tries the wrong publishers that are asked for, and says which are caught, or the right one in their runs.
func (c *chaosCmd) runWrong(ctx context.Context, out io.Writer) error {
	all, err := wrongs()
	if err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	good, bad, sum := "caught", "NOT CAUGHT", "wrong publishers caught"
	if c.Right {
		good, bad, sum = "clean", "NOT CLEAN", "runs of right publishers clean"
	}
	tried, caught := 0, 0
	for _, w := range all {
		if !slices.Contains(c.Wrong, "all") && !slices.Contains(c.Wrong, w.name) {
			continue
		}
		tried++
		ok, found, err := c.catch(ctx, w, root)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		verdict := bad
		if ok {
			caught++
			verdict = good
		}
		fmt.Fprintf(out, "%-10s %-24s %s\n", verdict, w.name, found)
		if err != nil {
			fmt.Fprintf(out, "           %v\n", err)
		}
	}
	fmt.Fprintf(out, "%d of %d %s\n", caught, tried, sum)
	if tried == 0 {
		return fmt.Errorf("there is no wrong publisher %s", strings.Join(c.Wrong, ", "))
	}
	if caught < tried {
		return errAnomalies
	}
	return nil
}

// catch runs a wrong publisher with up to three seeds, until it is caught; or the right one once, which must not be.
func (c *chaosCmd) catch(ctx context.Context, w wrong, root string) (bool, string, error) {
	dir, err := os.MkdirTemp("", "farmwire-wrong-")
	if err != nil {
		return false, "", err
	}
	defer os.RemoveAll(dir)
	if c.Right {
		w = w.right()
	}
	binary, err := w.build(ctx, root, dir)
	if err != nil {
		return false, "", err
	}
	const seeds = 3
	found := ""
	for n := range uint64(seeds) {
		one, err := chaosOf(w.run)
		if err != nil {
			return false, "", err
		}
		one.Seed, one.Farmwire, one.Settle = c.Seed+n, binary, c.Settle
		report, err := one.once(ctx)
		if err != nil {
			return false, "", err
		}
		found = fmt.Sprintf("seed %d: %s", one.Seed, foundText(report))
		if c.Right {
			return report.Total() == 0, found, nil
		}
		if report.Has(w.expect...) {
			return true, found, nil
		}
	}
	return false, found, nil
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

// once runs quietly and leaves nothing behind.
func (c *chaosCmd) once(ctx context.Context) (*check.Report, error) {
	dir, err := os.MkdirTemp("", "farmwire-chaos-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var said bytes.Buffer
	v, err := c.run(ctx, &said, dir)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, said.String())
	}
	return v.report, nil
}

func foundText(r *check.Report) string {
	var parts []string
	for _, kind := range check.Kinds() {
		if n := r.Found[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", kind, n))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
