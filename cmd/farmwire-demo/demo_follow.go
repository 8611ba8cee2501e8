package main

import (
	"context"
	"time"

	"farmwire/poller/farmtest"
)

// catchUpTime is how long the end waits for what happened before it to be told.
const catchUpTime = 10 * time.Second

// demo is one showing: who lives, who reads and who prints. It keeps all events for the account.
type demo struct {
	farm   *farmtest.Server
	reader *reader
	view   *view
	begin  time.Time
	ended  time.Time // the account's end
	events []event
}

// follow prints the events until ctx ends, the duration (0: for ever) has passed, or Farmwire has stopped running.
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

// catchUp goes on until all that happened before the end is told, but not for long.
func (d *demo) catchUp(running context.Context) error {
	deadline := time.Now().Add(catchUpTime)
	for running.Err() == nil && time.Now().Before(deadline) && !d.account().complete() {
		ctx, cancel := context.WithTimeout(running, 100*time.Millisecond)
		err := d.show(ctx)
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
	d.events = append(d.events, events...)
	delays := d.delays(events)
	for i, e := range events {
		d.view.event(e, delays[i])
	}
	return nil
}

// delays gives for each of the events how long after the change could be seen it came, -1 if it tells none.
func (d *demo) delays(events []event) []time.Duration {
	happened := map[string][]transition{}
	for _, t := range record(d.farm) {
		happened[t.SessionID] = t.Transitions
	}
	var delays []time.Duration
	for _, e := range events {
		delay := time.Duration(-1)
		i := match(happened[e.Session.SessionID], []event{e})[0]
		if i >= 0 && e.Change != "discovered" {
			delay = max(0, e.Arrived.Sub(happened[e.Session.SessionID][i].Shown))
		}
		delays = append(delays, delay)
	}
	return delays
}

// account compares what was read so far with what happened until the demo's end.
func (d *demo) account() account {
	return settle(record(d.farm), d.events, d.reader.watched, d.ended)
}

// record is the farm's own record of what happened, in the terms of the events.
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
			l.Ended = st.EndedAt != nil || st.LifecycleStatus == "ENDED"
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

// both is a context that ends when either does.
func both(a, b context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(a)
	stop := context.AfterFunc(b, cancel)
	return ctx, func() { stop(); cancel() }
}
