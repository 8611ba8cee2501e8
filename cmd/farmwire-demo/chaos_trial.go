package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"farmwire/cmd/farmwire-demo/check"
)

// trial is what became of a wrong publisher, and of the right one in the same run.
type trial struct {
	name   string
	caught bool
	seed   uint64
	found  string
	took   time.Duration
	right  string // what the right one came to; "": it was not tried
}

// clean is what the right publisher must come to.
const clean = "clean"

// good reports whether the wrong one was caught, and nothing was found of the right one, if it was tried.
func (t trial) good() bool { return t.caught && (t.right == "" || t.right == clean) }

func (t trial) String() string {
	verdict := "caught"
	if !t.caught {
		verdict = "NOT CAUGHT"
	}
	text := fmt.Sprintf("%-10s %-28s seed %d: %s (%s)", verdict, t.name, t.seed, t.found, t.took.Round(time.Second))
	if t.right != "" {
		text += "; the right one: " + t.right
	}
	return text
}

// trials tries wrong publishers one after the other.
type trials struct {
	seed   uint64
	settle time.Duration
	root   string            // of the module
	right  bool              // try the right publisher in the same runs, too
	rights map[string]string // what it came to, by run
	table  *table            // nil: none is kept
}

// runWrong tries the wrong publishers that are asked for, and says which are caught.
func (c *chaosCmd) runWrong(ctx context.Context, out io.Writer) error {
	all, err := wrongs()
	if err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	// What is found must be wrong and not only late, and a run of a minute catches up within a few seconds.
	const enough = 10 * time.Second
	t := &trials{seed: c.Seed, settle: min(c.Settle, enough), root: root, right: c.Right, rights: map[string]string{}}
	if c.Table != "" {
		if t.table, err = openTable(ctx, c.Table, root); err != nil {
			return err
		}
	}
	tried, good := 0, 0
	for _, w := range all {
		if !slices.Contains(c.Wrong, "all") && !slices.Contains(c.Wrong, w.name) {
			continue
		}
		tried++
		one, err := t.try(ctx, w)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			fmt.Fprintf(out, "%-10s %-28s %v\n", "FAILED", w.name, err)
			continue
		case one.good():
			good++
		}
		fmt.Fprintln(out, one)
	}
	fmt.Fprintf(out, "%d of %d as they ought to be\n", good, tried)
	if tried == 0 {
		return fmt.Errorf("there is no wrong publisher %s", strings.Join(c.Wrong, ", "))
	}
	if good < tried {
		return errAnomalies
	}
	return nil
}

// try tries a wrong publisher, unless the table tells of it. The right one has the seed with which the wrong one was
// caught, and one run for all wrong ones that differ in nothing that it does.
func (t *trials) try(ctx context.Context, w wrong) (trial, error) {
	if one, ok := t.table.of(w.name); ok && (one.right != "" || !t.right) {
		t.rights[t.runOf(w, one.seed)] = one.right
		return one, nil
	}
	one, err := t.catch(ctx, w)
	if err != nil {
		return one, err
	}
	if t.right {
		run := t.runOf(w, one.seed)
		if t.rights[run] == "" {
			if t.rights[run], err = t.clear(ctx, w, one.seed); err != nil {
				return one, err
			}
		}
		one.right = t.rights[run]
	}
	return one, t.table.add(one)
}

// runOf names all that the run of a right publisher depends on.
func (t *trials) runOf(w wrong, seed uint64) string {
	return fmt.Sprintf("%d %q %+v", seed, w.run, w.right().edits)
}

// catch runs a wrong publisher with up to three seeds, until it is caught.
func (t *trials) catch(ctx context.Context, w wrong) (trial, error) {
	const seeds = 3
	one := trial{name: w.name}
	for n := range uint64(seeds) {
		begun := time.Now()
		one.seed = t.seed + n
		report, err := t.run(ctx, w, one.seed)
		if err != nil {
			return one, err
		}
		one.found, one.took, one.caught = foundText(report), time.Since(begun), report.Has(w.expect...)
		if one.caught {
			break
		}
	}
	return one, nil
}

// clear runs the right publisher at the pace of a wrong one, and says what it came to.
func (t *trials) clear(ctx context.Context, w wrong, seed uint64) (string, error) {
	report, err := t.run(ctx, w.right(), seed)
	switch {
	case err != nil:
		return "", err
	case report.Total() > 0:
		return "NOT CLEAN: " + foundText(report), nil
	}
	return clean, nil
}

// run builds and runs quietly, and leaves nothing behind.
func (t *trials) run(ctx context.Context, w wrong, seed uint64) (*check.Report, error) {
	dir, err := os.MkdirTemp("", "farmwire-wrong-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	c, err := chaosOf(w.run)
	if err != nil {
		return nil, err
	}
	if c.Farmwire, err = w.build(ctx, t.root, dir); err != nil {
		return nil, err
	}
	c.Seed, c.Settle = seed, t.settle
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
