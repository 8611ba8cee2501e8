package main

import (
	"context"
	"fmt"
	"time"
)

// awaitOwners waits until every shard has an owner.
func (t *testbed) awaitOwners(ctx context.Context) error {
	deadline := time.Now().Add(time.Minute)
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
			return fmt.Errorf("after a minute only %d of %d shards are followed; the last line of an instance's log: %s", n, t.partitions, t.instances[0].LastLine())
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
