package main

import (
	"context"
	"errors"
	"fmt"
	"time"
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

// awaitListed waits until every instance has listed each worker once. With a low rate an instance is ready long before that. What
// a process saw and did not live to publish may be found by that listing only, if it has ended meanwhile.
func (t *testbed) awaitListed(ctx context.Context) error {
	const most = 6 * time.Minute
	for _, i := range t.instances {
		left := 0.0
		listed := func() bool {
			values := i.Metrics(ctx, "farmwire_workers_never_listed", "go_goroutines")
			left = values[0]
			return left == 0 && values[1] > 0 // without an answer both are 0
		}
		if !await(ctx, most, func() bool { pause(ctx, 100*time.Millisecond); return listed() }) {
			return errors.Join(ctx.Err(), fmt.Errorf("instance %d has never listed %g workers within %s", i.Number, left, most))
		}
	}
	return nil
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
