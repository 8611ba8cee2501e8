package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"farmwire/cmd/farmwire-demo/check"
)

// verdict is what a run came to.
type verdict struct {
	report *check.Report
	alone  int   // how often instances ended by themselves
	graces []int // exit codes of graceful stops
}

// good reports whether nothing is wrong.
func (v verdict) good() bool { return v.report != nil && v.report.Total() == 0 }

func (v verdict) print(out io.Writer) error {
	failed := slices.DeleteFunc(slices.Clone(v.graces), func(code int) bool { return code == 0 })
	fmt.Fprintf(out, "instances ended by themselves %d times; graceful stops %d, of them not with exit code 0: %d %v\n", v.alone, len(v.graces), len(failed), failed)
	const each = 5
	return v.report.Print(out, each)
}

// awaitFollowed waits until every shard was acquired by somebody.
func (a *arena) awaitFollowed(ctx context.Context) error {
	deadline := time.Now().Add(time.Minute)
	for {
		n := 0
		for _, i := range a.instances {
			if err := i.broken(); err != nil {
				return err
			}
			n += len(a.owners.shards(i.number))
		}
		switch {
		case n == shards:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("after a minute %d of %d shards are followed; the last words of an instance: %s", n, shards, a.instances[0].lastWords())
		case ctx.Err() != nil:
			return ctx.Err()
		}
		pause(ctx, 20*time.Millisecond)
	}
}

func (i *instance) lastWords() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.last
}

// finish lets everything come to rest, stops the farm and the instances, reads back and checks.
func (a *arena) finish(ctx context.Context, c *chaosCmd, out io.Writer) (verdict, error) {
	a.farm.SetFaults()
	// A restart also ends back-offs that the faults have left behind.
	for _, i := range a.instances {
		i.terminate(false)
	}
	if err := a.awaitReady(ctx); err != nil {
		fmt.Fprintln(out, err) // what is not published is found by the check
	}
	until := time.Now()
	pause(ctx, c.Settle)
	if err := a.farm.Close(); err != nil {
		return verdict{}, err
	}
	pause(ctx, time.Second)
	v := a.stopInstances(ctx)
	if err := errors.Join(a.dump(ctx), a.harms.write(a.dir)); err != nil {
		return v, err
	}
	var err error
	v.report, err = checkDumps(a.dir, c.JudgeListings, check.Input{Region: region, Partitions: shards, Until: until, Grace: c.Grace * 9 / 10})
	return v, err
}

func (a *arena) awaitReady(ctx context.Context) error {
	deadline := time.Now().Add(time.Minute)
	for {
		missing := ""
		for _, i := range a.instances {
			if ok, text := i.ready(ctx); !ok {
				missing = fmt.Sprintf("instance %d: %s", i.number, text)
			}
		}
		switch {
		case missing == "" || ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return errors.New("not ready within a minute: " + missing)
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// stopInstances asks all for a graceful stop, and waits.
func (a *arena) stopInstances(ctx context.Context) verdict {
	for _, i := range a.instances {
		i.terminate(true)
	}
	v := verdict{}
	for _, i := range a.instances {
		select {
		case <-i.done:
		case <-time.After(15 * time.Second):
		case <-ctx.Done():
		}
		i.end()
		v.alone += i.alone
		v.graces = append(v.graces, i.graces...)
	}
	return v
}

// checkDumps checks the dumps and the truth of a folder; byListings judges starts by the listings that showed them.
func checkDumps(dir string, byListings bool, in check.Input) (*check.Report, error) {
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	inputs := map[string]*io.Reader{"events.txt": &in.Events, "ended.txt": &in.Ended, "state.txt": &in.State, "truth.jsonl": &in.Truth}
	if byListings {
		inputs[harmFile] = &in.Harm
	}
	for name, to := range inputs {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		files, *to = append(files, f), f
	}
	return check.Run(in)
}
