package schedule

import (
	"slices"
	"testing"
	"time"

	"farmwire/diff"
)

// A worker awaits a listing from the status that asks for it until the listing is committed, and no other worker does.
func TestAwaitingWorkers(t *testing.T) {
	type step struct {
		do   func(*Schedule, *worker, time.Time)
		show string // the status that a look then shows; empty for none
		want bool   // whether the worker awaits a listing
	}
	show := func(status string, want bool) step { return step{show: status, want: want} }
	list := step{do: func(s *Schedule, w *worker, now time.Time) {
		s.listingDone(s.beginListing(w, now), Answer{}, now, &Outcome{Stage: Complete})
	}}
	begin := step{do: func(s *Schedule, w *worker, now time.Time) { s.beginListing(w, now) }}
	end := step{do: func(s *Schedule, w *worker, now time.Time) {
		t := s.listings[slices.IndexFunc(s.listings, func(t *task) bool { return t.worker == w })]
		s.removeListing(t)
		s.listingDone(t, Answer{}, now, &Outcome{Stage: Complete})
	}}
	fail := step{do: func(s *Schedule, w *worker, now time.Time) {
		s.listingDone(s.beginListing(w, now), Answer{Reason: Malformed}, now, &Outcome{Stage: Discarded})
	}}
	commit := step{do: func(s *Schedule, w *worker, now time.Time) { s.Committed(Known{Worker: w.Worker}, now) }}
	commitOpen := step{do: func(s *Schedule, w *worker, now time.Time) {
		s.Committed(Known{Worker: w.Worker, Open: openSessions(w.Worker, 1)}, now)
	}}
	busy := step{do: func(s *Schedule, w *worker, now time.Time) { w.activity = uncommittedListing }}
	byJob := step{do: func(s *Schedule, w *worker, now time.Time) {
		s.jobPage(&task{kind: ListSessions}, Answer{Sessions: openSessions(w.Worker, 1)}, now, new(Outcome))
	}}
	throttle := step{do: func(s *Schedule, w *worker, now time.Time) {
		s.listingDone(s.beginListing(w, now), Answer{Reason: Throttled}, now, &Outcome{Stage: Discarded})
	}}
	forget := step{do: func(s *Schedule, w *worker, now time.Time) { w.answer = notListed }}
	isUnlisted := step{do: func(s *Schedule, w *worker, _ time.Time) { w.fleet.farm.isSwept, s.isTight = false, true }}
	isGone := step{do: func(s *Schedule, w *worker, now time.Time) {
		s.statusesDone(&task{kind: BatchGetWorker, farm: w.fleet.farm, workers: []*worker{w}}, Answer{Sent: now, Gone: []diff.WorkerKey{w.Worker}}, now, new(Outcome))
	}}
	for what, steps := range map[string][]step{
		"idle":                               {show("IDLE", false), list, show("IDLE", false)},
		"announced":                          {show("RUNNING", true), show("IDLE", true), list, show("IDLE", true), commit, show("IDLE", false)},
		"announced, its listing failed":      {show("RUNNING", true), fail, show("RUNNING", true), list, commit, show("IDLE", false)},
		"leaving":                            {show("STOPPING", true), show("STOPPED", true), begin, show("STOPPED", true), end, show("STOPPED", true), commit, show("STOPPED", false)},
		"leaving during its listing":         {show("RUNNING", true), begin, show("STOPPING", true), end, commit, show("STOPPED", true), list, commit, show("STOPPED", false)},
		"leaving, its listing was throttled": {show("STOPPING", true), throttle, show("STOPPED", true), list, commit, show("STOPPED", false)},
		"a job's page shows the session of a worker that was never listed": {forget, show("RUNNING", true), byJob, commit, show("IDLE", false)},
		"gone":                                         {isGone, show("IDLE", true), list, commit, show("IDLE", false)},
		"RUNNING during a call asks for nothing":       {busy, show("RUNNING", true), show("IDLE", false)},
		"a job's page shows the session":               {show("RUNNING", true), byJob, show("RUNNING", true), commitOpen, show("RUNNING", false)},
		"the strategy does not list it for its status": {isUnlisted, show("RUNNING", false)},
	} {
		t.Run(what, func(t *testing.T) {
			for _, byList := range []bool{false, true} {
				p := swept(60, 2)
				s, w := p.schedule, p.schedule.workers[key(7)]
				w.endedAt, w.rested = p.now.Add(-time.Minute), true
				for n, x := range steps {
					p.now = p.now.Add(time.Second)
					if x.do != nil {
						x.do(s, w, p.now)
						continue
					}
					if got := slices.Equal(p.awaitingAfter(w, x.show, byList), []diff.WorkerKey{w.Worker}); got != x.want {
						t.Errorf("ListWorkers %v, step %d, %s: awaiting %v", byList, n, x.show, got)
					}
				}
			}
		})
	}
}

// awaitingAfter returns the workers that await a listing according to an answer of ListWorkers or BatchGetWorker about one worker.
func (p *play) awaitingAfter(w *worker, status string, byList bool) []diff.WorkerKey {
	var o Outcome
	shown := diff.WorkerStatus{Status: status}
	if byList {
		t := &task{kind: ListWorkers, target: &target{targetKey: targetKey(w.fleet.fleetKey)}, sent: p.now}
		p.schedule.showPage(t, Answer{Workers: []Worker{{ID: w.Worker.WorkerID, Status: shown}}}, p.now, &o)
		return o.Awaiting
	}
	t := &task{kind: BatchGetWorker, farm: w.fleet.farm, workers: []*worker{w}}
	p.schedule.statusesDone(t, Answer{Sent: p.now, Statuses: map[diff.WorkerKey]diff.WorkerStatus{w.Worker: shown}}, p.now, &o)
	return o.Awaiting
}

// New workers await their first listing. While a shard has just been owned this is so for all of its workers, and later for those
// whose status does not say that they are at rest.
func TestNewWorkersAwaitTheirFirstListing(t *testing.T) {
	p := newPlay(15*time.Second, 2, 1).add(0, 60).allIdle().own()
	p.run(10 * time.Second)
	all := func() (awaiting int) {
		for _, o := range p.outcomes {
			awaiting += len(o.Awaiting)
		}
		p.outcomes = nil
		return awaiting
	}
	if n := all(); n < 55 {
		t.Errorf("%d workers of a new shard await a listing", n)
	}
	p.run(3 * time.Minute)
	p.outcomes = nil
	p.run(10 * time.Minute)
	if n := all(); n != 0 {
		t.Errorf("%d await one when all were listed and are idle", n)
	}
	p.add(60, 61)
	p.run(10 * time.Minute)
	if n := all(); n == 0 {
		t.Error("a new worker that is RUNNING awaits no listing")
	}
	p.check(t)
}

// A job's page that shows a session which is over does not show what the status of its worker has announced since.
func TestOldSessionOfAJobIsNotWhatWasAnnounced(t *testing.T) {
	p := swept(60, 2)
	s, w := p.schedule, p.schedule.workers[key(7)]
	w.endedAt, w.rested, w.answer = p.now.Add(-time.Hour), true, listed
	if len(p.awaitingAfter(w, "RUNNING", false)) != 1 {
		t.Fatal("RUNNING announces nothing")
	}
	old := openSessions(w.Worker, 1)
	old[0].LifecycleStatus, old[0].StartedAt, old[0].EndedAt = diff.StatusEnded, p.now.Add(-2*time.Minute), p.now.Add(-time.Minute)
	p.now = p.now.Add(time.Second)
	s.jobPage(&task{kind: ListSessions}, Answer{Sessions: old}, p.now, new(Outcome))
	s.Committed(Known{Worker: w.Worker}, p.now)
	p.now = p.now.Add(time.Second)
	if !w.urgent {
		t.Error("the worker is not listed for what its status has announced")
	}
	if len(p.awaitingAfter(w, "IDLE", false)) != 1 {
		t.Error("the announcement is forgotten")
	}
}
