package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"farmwire/cmd/farmwire-demo/check"
	"farmwire/publisher/kafkatest"
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
	var err error
	v.report, err = a.judge(ctx, check.Input{Region: region, Partitions: shards, Until: until, Grace: c.Grace * 9 / 10})
	return v, err
}

// judge reads back and checks. The reader stops when nothing has come for a while, which on a busy machine can be
// too soon; so where something seems to be missing it reads again, and with more patience.
func (a *arena) judge(ctx context.Context, in check.Input) (*check.Report, error) {
	report, err := a.readBack(ctx, in, 5*time.Second)
	if err == nil && report.Has(check.LostStart, check.LostEnd, check.TornTransaction, check.EndedDiffers, check.Hole, check.BadWatch) {
		return a.readBack(ctx, in, 30*time.Second)
	}
	return report, err
}

func (a *arena) readBack(ctx context.Context, in check.Input, idle time.Duration) (*check.Report, error) {
	if err := a.dump(ctx, idle); err != nil {
		return nil, err
	}
	return checkDumps(a.dir, in)
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

// topicDumps are the topics that are read back.
func topicDumps() []string { return []string{"events", "ended", "state"} }

// dump reads the topics back with Apache's console consumer.
func (a *arena) dump(ctx context.Context, idle time.Duration) error {
	names := topicDumps()
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { errs[i] = a.dumpTopic(ctx, name, idle) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (a *arena) dumpTopic(ctx context.Context, name string, idle time.Duration) error {
	file, err := os.Create(filepath.Join(a.dir, name+".txt"))
	if err != nil {
		return err
	}
	err = kafkatest.Console(ctx, kafkatest.Reading{Brokers: a.kafka.InnerAddrs(), Topic: topicPrefix + "." + name, Idle: idle}, file)
	return errors.Join(err, file.Close())
}

// checkDumps checks the dumps and the truth of a folder.
func checkDumps(dir string, in check.Input) (*check.Report, error) {
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for name, to := range map[string]*io.Reader{"events.txt": &in.Events, "ended.txt": &in.Ended, "state.txt": &in.State, "truth.jsonl": &in.Truth} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		files, *to = append(files, f), f
	}
	return check.Run(in)
}
