package main

import (
	"context"
	"time"

	"farmwire/cmd/view"
	"farmwire/diff"
	"farmwire/poller/farmtest"
)

const (
	// catchUpTime is how long the demo waits at its end for events that are missing.
	catchUpTime = 10 * time.Second

	// patience is how long the demo waits at its end for events that are late.
	patience = time.Minute
)

// demo is the state of a running demo. It keeps all events for the account.
type demo struct {
	farm   *farmtest.Server
	looks  *looks
	reader *reader
	view   *view.View
	begin  time.Time
	ended  time.Time // what happens later does not count
	events []arrival

	lastRead time.Time     // when the consumer last had an event
	lag      time.Duration // the age of that event, from when Farmwire handed it to Kafka
}

// follow prints the events until ctx ends, the duration has passed (0 is no limit), or Farmwire has stopped running.
func (d *demo) follow(ctx, running context.Context, duration time.Duration) error {
	if duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, duration)
		defer cancel()
	}
	ctx, stop := both(ctx, running)
	defer stop()
	for ctx.Err() == nil {
		if err := d.show(ctx); err != nil {
			return err
		}
	}
	return nil
}

// catchUp goes on reading until everything that happened before the end is told. It waits for catchUpTime, or up to patience
// while events are only late.
func (d *demo) catchUp(running context.Context) error {
	for running.Err() == nil {
		began := time.Now()
		a, waited := d.account(), time.Since(d.ended)
		if a.Late == 0 && (!a.missed() || waited > catchUpTime) || waited > patience {
			return nil
		}
		// The account of a large farm takes long, and most of the time is for reading.
		ctx, cancel := context.WithTimeout(running, max(100*time.Millisecond, 4*time.Since(began)))
		err := d.follow(ctx, running, 0)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// show waits until ctx ends for events and prints them.
func (d *demo) show(ctx context.Context) error {
	events, err := d.reader.read(ctx)
	if err != nil || len(events) == 0 {
		return err
	}
	newest := events[len(events)-1]
	d.lastRead, d.lag = newest.Arrived, newest.Arrived.Sub(newest.RecordedTime)
	d.events = append(d.events, events...)
	delays := d.delays(events)
	for i, e := range events {
		if err := d.view.Event(e.Event, delays[i]); err != nil {
			return err
		}
	}
	return nil
}

// delays returns how long after its change became visible each event arrived, if it tells a change.
func (d *demo) delays(events []arrival) []view.Delay {
	happened := map[string][]transition{}
	for _, t := range record(d.farm) {
		happened[t.SessionID] = t.Transitions
	}
	var delays []view.Delay
	for _, e := range events {
		delay := view.NoDelay()
		i := match(happened[e.Session.SessionID], []arrival{e})[0]
		if i >= 0 && e.Kind != diff.Discovered {
			late := max(0, e.Arrived.Sub(happened[e.Session.SessionID][i].Shown))
			delay = view.Delay{Least: late, Most: late}
		}
		delays = append(delays, delay)
	}
	return delays
}

// account compares the events read so far with what happened until the end of the demo.
func (d *demo) account() account {
	now := time.Now()
	// A consumer that lags has not read yet what was published some seconds ago.
	behind := d.lag > readTime && now.Sub(d.lastRead) < readTime
	// If Farmwire sends no requests at all, it is broken and not slow.
	silent := now.Sub(d.ended) > patience && d.looks.silentSince(now.Add(-patience/2))
	return settle(record(d.farm), d.events, rules{
		since: d.reader.watched,
		until: d.ended,
		due: func(t truth, shown time.Time) bool {
			return silent || !behind && d.looks.hadTurn(t.WorkerID, shown, now)
		},
	})
}

// record returns the farm's own record of what happened, as transitions that can be compared with events.
func record(farm *farmtest.Server) []truth {
	var all []truth
	for _, s := range farm.Cloud().Truth() {
		t := truth{SessionID: s.SessionID, FleetID: s.FleetID, WorkerID: s.WorkerID, Forgotten: s.Forgotten}
		if s.EndedAt != nil {
			t.EndedAt = *s.EndedAt
		}
		var states []lifecycle
		for _, st := range s.States {
			l := lifecycle{Status: st.LifecycleStatus, Shown: st.Shown}
			l.Ended = st.EndedAt != nil || st.LifecycleStatus == diff.StatusEnded
			if st.TargetLifecycleStatus != nil {
				l.Target = *st.TargetLifecycleStatus
			}
			states = append(states, l)
		}
		t.Transitions = transitions(states)
		all = append(all, t)
	}
	return all
}

// both returns a context that ends when either of two contexts does.
func both(a, b context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(a)
	stop := context.AfterFunc(b, cancel)
	return ctx, func() { stop(); cancel() }
}
