package trigger

import (
	"time"

	"farmwire/status"
)

// Report returns the state of the trigger. It is safe for concurrent use.
func (t *Trigger) Report() status.Trigger {
	if r := t.snapshot.Load(); r != nil {
		now := *r
		now.At = time.Now()
		now.Group = status.Group(t.membership.State())
		return now
	}
	r := status.Trigger{At: time.Now(), Target: t.config.Target.String(), Opening: true}
	if err := t.waiting.Load(); err != nil {
		r.Waiting = *err
	}
	return r
}

// report makes the report of the moment, and sets the gauges.
func (l *loop) report() {
	now := time.Now()
	r := status.Trigger{
		At: now, Target: l.config.Target.String(), Group: status.Group(l.membership.State()), Stopping: l.stopping,
		Partitions: len(l.partitions), Reason: l.reason,
		Full:      l.queue.size >= mostHeld && len(l.queue.fresh) == 0,
		DeadInRow: l.deadInRow, DeadLetterLimit: l.config.DeadLetterLimit, CommitErr: l.commitErr,
	}
	l.queue.all(func(i *item) {
		if i.failures > 0 {
			// The events may have moved to another instance since the error.
			if r.HeldBack++; i.dead != "" {
				r.DeadLetterErr = l.deadErr
			} else if i.result.Outcome == Unavailable {
				r.Unavailable = l.unavailable
			}
		}
		if at := i.record.Time; r.Oldest.IsZero() || at.Before(r.Oldest) {
			r.Oldest = at
		}
	})
	for _, p := range l.partitions {
		r.Lag += p.lag()
	}
	l.snapshot.Store(&r)
	l.metrics.set(r)
}
