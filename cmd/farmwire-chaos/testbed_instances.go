package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"farmwire/poller/farmtest"
)

// awaitOwners waits until every shard has an owner.
func (t *testbed) awaitOwners(ctx context.Context) error {
	const most = 3 * time.Minute
	deadline := time.Now().Add(most)
	for {
		for _, i := range t.instances {
			if err := i.Broken(); err != nil {
				return err
			}
		}
		n := t.shards.Owned()
		switch {
		case n == t.partitions:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("after %s only %d of %d shards are followed; the last line of an instance's log: %s", most, n, t.partitions, t.instances[0].LastLine())
		case ctx.Err() != nil:
			return ctx.Err()
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// awaitReady waits until every instance says that it is ready, which with a low rate takes long.
func (t *testbed) awaitReady(ctx context.Context) error {
	const most = 3 * time.Minute
	deadline := time.Now().Add(most)
	for {
		missing := ""
		for _, i := range t.instances {
			if ready, text := i.Ready(ctx); !ready {
				missing = fmt.Sprintf("instance %d: %s", i.Number, text)
			}
		}
		switch {
		case missing == "" || ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("not ready within %s: %s", most, missing)
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// awaitListed waits until every worker that has sessions since before a time was listed after it. With a low rate that is long after
// all instances are ready. What a process saw and did not live to publish, and what has ended meanwhile, only such a listing shows.
func (t *testbed) awaitListed(ctx context.Context, since time.Time) error {
	const most = 6 * time.Minute
	left := map[string]bool{}
	isListed := func() bool {
		clear(left)
		for _, s := range t.farm.Cloud().Truth() {
			if !s.Forgotten && s.WorkerDeleted == nil && s.States[0].Shown.Before(since) && !t.listings.after(s.WorkerID, since) {
				left[s.WorkerID] = true
			}
		}
		pause(ctx, time.Second) // because the truth about a whole farm is long
		return len(left) == 0
	}
	if !await(ctx, most, isListed) {
		return errors.Join(ctx.Err(), fmt.Errorf("%d workers were not listed within %s", len(left), most))
	}
	return nil
}

// listings knows when each worker was listed last. Its methods may be called from any goroutine.
type listings struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// observe takes in a call to the farm.
func (l *listings) observe(c farmtest.Call) {
	if c.Operation != farmtest.ListSessionsForWorker || c.Outcome != farmtest.OutcomeOK {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		l.last = map[string]time.Time{}
	}
	l.last[c.WorkerID] = c.Arrived
}

// after reports whether a worker was listed after a time.
func (l *listings) after(worker string, t time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last[worker].After(t)
}

// restart restarts all instances gracefully, and waits until their next processes run.
func (t *testbed) restart(ctx context.Context) {
	const most = 30 * time.Second
	for _, i := range t.instances {
		before := i.Key()
		i.Restart()
		await(ctx, most, func() bool { return i.Key() != before })
	}
}

// stopInstances asks all instances to stop gracefully, and kills those that take more than 15 seconds. It tells how often
// instances have ended by themselves, and all exit codes of graceful stops.
func (t *testbed) stopInstances(ctx context.Context) (ownEnds int, exitCodes []int) {
	for _, i := range t.instances {
		i.Stop()
	}
	for _, i := range t.instances {
		select {
		case <-i.Done():
		case <-time.After(15 * time.Second):
		case <-ctx.Done():
		}
		i.End()
		n, codes := i.Ends()
		ownEnds, exitCodes = ownEnds+n, append(exitCodes, codes...)
	}
	return ownEnds, exitCodes
}
