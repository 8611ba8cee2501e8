package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"farmwire/consumer/trigger"
	"farmwire/diff"
	"farmwire/event"
)

type triggerTestCmd struct {
	targetFlags
}

// Run delivers a made-up event once, and prints what came of it.
func (c *triggerTestCmd) Run(ctx context.Context, std *streams) error {
	if err := c.check(); err != nil {
		return usageError{err}
	}
	target, err := c.target(std)
	if err != nil {
		return err
	}
	d, err := madeUp(time.Now())
	if err != nil {
		return err
	}
	r := target.Deliver(ctx, d)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if r.Outcome != trigger.Delivered {
		return fmt.Errorf("%s did not take the event: %s", target, cmp.Or(r.Reason, "no reason is known"))
	}
	_, err = fmt.Fprintf(std.out, "%s took the event %s\n", target, d.Event.ID)
	return err
}

// madeUp returns the end of a session that does not exist. Its ids consist of zeros, and its region is "test", so that nobody
// mistakes the event for a real one.
func madeUp(now time.Time) (trigger.Delivery, error) {
	const zeros = "00000000000000000000000000000000"
	now = now.UTC().Truncate(time.Millisecond)
	started, ended := now.Add(-10*time.Minute), now.Add(-2*time.Second)
	open := diff.Session{
		WorkerKey: diff.WorkerKey{FarmID: "farm-" + zeros, FleetID: "fleet-" + zeros, WorkerID: "worker-" + zeros},
		QueueID:   "queue-" + zeros, JobID: "job-" + zeros, SessionID: "session-" + zeros,
		LifecycleStatus: "STARTED", TargetLifecycleStatus: "ENDED", StartedAt: started,
	}
	after := open
	after.LifecycleStatus, after.EndedAt = diff.StatusEnded, ended
	change := diff.Change{Kind: diff.Ended, Sequence: 3, Session: after, Previous: &open,
		Observed: diff.Bounds{After: ended.Add(-time.Second), Before: now, Exact: true}}
	record := event.Encode(&change, event.Envelope{Region: "test", Recorded: now})
	e, err := event.Decode(record.Key, record.Value, record.Headers)
	return trigger.Delivery{Record: record, Event: e, Attempt: 1}, err
}
