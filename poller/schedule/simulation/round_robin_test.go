package simulation

import (
	"testing"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

// Sessions of deleted workers are looked up once, wait while their worker is in a call, and are dropped with their worker.
func TestRoundRobinLookups(t *testing.T) {
	now := timeOf(0)
	r := NewRoundRobin(1, 24*time.Hour, now)
	r.discovery.round, r.discovery.began = 1, now
	a, b := diff.WorkerKey{WorkerID: "worker-a"}, diff.WorkerKey{WorkerID: "worker-b"}
	next := func() schedule.Call {
		t.Helper()
		now = now.Add(time.Minute)
		c, wake := r.Next(now)
		if c.Kind == 0 && !wake.IsZero() && !wake.After(now) {
			t.Fatalf("no call, and wants to be asked again %v ago", now.Sub(wake))
		}
		return c
	}
	expect := func(c schedule.Call, kind schedule.Kind, w diff.WorkerKey, sessions int) {
		t.Helper()
		if c.Kind != kind || c.Worker != w || len(c.Sessions) != sessions {
			t.Fatalf("%+v, want %v of %v", c, kind, w)
		}
	}
	r.shown(a)
	r.shown(b)
	open := []diff.Session{{WorkerKey: a, SessionID: "session-1"}}
	gone := schedule.Known{Worker: a, Open: open, Unresolved: open}
	r.Committed(gone, now)
	r.Committed(gone, now)
	lookup := next()
	expect(lookup, schedule.BatchGetSession, diff.WorkerKey{}, 1)
	r.Done(lookup, schedule.Answer{Reason: schedule.Timeout}, now)
	r.lookedUp = now.Add(time.Hour)
	expect(next(), schedule.ListSessionsForWorker, a, 0)
	expect(next(), schedule.ListSessionsForWorker, b, 0)
	r.lookedUp = timeOf(0)
	expect(next(), 0, diff.WorkerKey{}, 0) // the lookup is due, and both workers are in a call
	r.Committed(gone, now)
	expect(next(), schedule.BatchGetSession, diff.WorkerKey{}, 1)
	r.Committed(gone, now)
	delete(r.turns, a)
	r.order, r.next = r.order[1:], 0
	expect(next(), 0, diff.WorkerKey{}, 0)
	if len(r.lookups) > 0 {
		t.Errorf("%v are still to be looked up", r.lookups)
	}
}
