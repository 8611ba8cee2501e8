package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"farmwire/cmd/command"
	"farmwire/poller/schedule/simulation"
)

// table is the command that makes the page.
type table struct {
	Out     string           `default:"docs/schedule" help:"The directory to write README.md and the plots to." placeholder:"DIR"`
	Cache   string           `default:"" help:"The file of the runs that are finished, which are not played again. After a change of the code, remove it or the lines of what was changed. Default: runs.jsonl in the directory." placeholder:"FILE"`
	Mix     []simulation.Mix `enum:"${mixes}" help:"Only these mixes. Default: all."`
	Workers []int            `default:"${sizes}" help:"Only these numbers of workers."`
	Rate    []float64        `default:"${rates}" help:"Only these numbers of requests a second."`
}

// Run plays what is not finished, and writes the page. An interrupted run keeps what is finished, and writes no page.
func (t *table) Run(ctx context.Context, std command.Streams) (err error) {
	if len(t.Mix) == 0 {
		t.Mix = simulation.Mixes()
	}
	if t.Cache == "" {
		t.Cache = filepath.Join(t.Out, "runs.jsonl")
	}
	if err := os.MkdirAll(t.Out, 0o777); err != nil {
		return fmt.Errorf("make the directory of the table: %w", err)
	}
	finished, err := openCache(t.Cache)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, finished.file.Close()) }()
	cells, left := grid(t.Mix, t.Workers, t.Rate)
	if err := playAll(ctx, cells, finished, std.Err); err != nil {
		return err
	}
	return writePage(t.Out, newPage(t.Mix, cells, left, finished))
}

// done is a run that has ended.
type done struct {
	trial   trial
	figures figures
	err     error
}

// playAll plays the runs of the cells that are not finished, as many at a time as there are processors. The first error ends
// it, when the others under way have ended too.
func playAll(ctx context.Context, cells []cell, finished *cache, progress io.Writer) error {
	var todo []trial
	for _, c := range cells {
		for _, p := range c.policies() {
			for _, r := range c.runs(p) {
				if _, ok := finished.known[r]; !ok {
					todo = append(todo, r)
				}
			}
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next, ended := make(chan trial), make(chan done)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for r := range next {
				f, err := r.play(ctx)
				ended <- done{r, f, err}
			}
		}()
	}
	began, all, underWay := time.Now(), len(todo), 0
	var failed error
	for n := 0; underWay > 0 || failed == nil && len(todo) > 0; {
		var to chan<- trial // nil if there is nothing to begin
		var first trial
		if failed == nil && len(todo) > 0 {
			to, first = next, todo[0]
		}
		select {
		case to <- first:
			todo, underWay = todo[1:], underWay+1
		case d := <-ended:
			underWay--
			n++
			if d.err == nil {
				d.err = finished.add(d.trial, d.figures)
			}
			if d.err != nil && failed == nil {
				failed = d.err
				cancel()
				continue
			}
			fmt.Fprintf(progress, "%d of %d, after %v: %s: mean %.1f s, p99 %.1f s, took %.1f s\n",
				n, all, time.Since(began).Round(time.Second), d.trial, d.figures.Mean, d.figures.P99, d.figures.Took)
		}
	}
	close(next)
	return failed
}
