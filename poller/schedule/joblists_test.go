package schedule

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"farmwire/diff"
)

// burst is a play of idle workers on which sessions of one job begin at once.
type burst struct {
	*play
	job   Job
	begun time.Time                 // zero until they do
	open  func(diff.WorkerKey) bool // a session begins on the worker
	seen  map[diff.WorkerKey]bool
}

func newBurst(workers int, rate float64) *burst {
	b := &burst{play: newPlay(15*time.Second, rate, 1).add(0, workers).allIdle(), job: Job{"farm-1", "queue-1", "job-1"}, seen: make(map[diff.WorkerKey]bool)}
	b.open = func(w diff.WorkerKey) bool { return number(w) < workers }
	b.answer = b.shows
	b.known = func(w diff.WorkerKey) Known {
		if !b.seen[w] {
			return Known{}
		}
		return Known{Open: []diff.Session{b.session(w)}}
	}
	b.own()
	b.run(time.Duration(3*float64(workers)/rate) * time.Second)
	return b
}

func (b *burst) session(w diff.WorkerKey) diff.Session {
	x := openSession(w, 1)
	x.StartedAt = b.begun
	return x
}

func (b *burst) begin() {
	b.begun = b.now
	for f, workers := range b.workers {
		for i := range workers {
			if b.open(diff.WorkerKey{FarmID: f.farm, FleetID: f.fleet, WorkerID: workers[i].ID}) {
				workers[i].Status.Status = "RUNNING"
			}
		}
	}
}

// shows answers as the service does. What is shown counts as committed from then on.
func (b *burst) shows(c Call) Answer {
	a := lookedUp(c)
	show := func(w diff.WorkerKey) {
		if !b.begun.IsZero() && b.open(w) {
			a.Sessions = append(a.Sessions, b.session(w))
			b.seen[w] = true
		}
	}
	switch c.Kind {
	case ListSessionsForWorker:
		show(c.Worker)
	case ListSessions:
		for f, workers := range b.workers {
			for _, w := range workers {
				show(diff.WorkerKey{FarmID: f.farm, FleetID: f.fleet, WorkerID: w.ID})
			}
		}
	}
	return a
}

// found returns after how long all sessions were observed, and how many listings of workers and jobs it took.
func (b *burst) found(want int) (took time.Duration, listings, jobs int) {
	before := len(b.calls)
	for len(b.seen) < want && b.now.Sub(b.begun) < 10*time.Minute {
		b.run(100 * time.Millisecond)
	}
	for _, c := range b.calls[before:] {
		listings += one(c.Kind == ListSessionsForWorker)
		jobs += one(c.Kind == ListSessions)
	}
	return b.now.Sub(b.begun), listings, jobs
}

// The sessions of a burst are found by a few listings of their job, and where these are denied by those of the workers. That is
// noted once. ListSessions is tried again after an hour.
func TestBurst(t *testing.T) {
	for _, denied := range []bool{false, true} {
		b := newBurst(80, 2)
		if denied {
			b.answer = func(c Call) Answer {
				if c.Kind == ListSessions {
					return refused(Denied)
				}
				return b.shows(c)
			}
		}
		b.begin()
		took, listings, jobs := b.found(80)
		b.check(t)
		t.Logf("denied %v: all are found after %v by %d listings of workers and %d of jobs", denied, took, listings, jobs)
		switch {
		case !denied && (took > 45*time.Second || listings > 50 || jobs == 0):
			t.Errorf("found after %v by %d listings of workers and %d of jobs", took, listings, jobs)
		case denied && (jobs != 1 || listings < 80 || b.countNotes(BatchFails) != 1):
			t.Errorf("denied: %d listings of workers, %d of jobs, %d notes", listings, jobs, b.countNotes(BatchFails))
		case denied:
			b.answer = b.shows
			f := b.schedule.farms["farm-1"]
			if until := f.off[ListSessions]; until.Sub(b.begun) < time.Hour {
				t.Errorf("tried again after %v", until.Sub(b.begun))
			}
			o := Outcome{}
			b.schedule.judgeBatch(ListSessions, "farm-1", "", b.now, &o)
			if len(o.Notes) != 1 || o.Notes[0].Kind != BatchWorks || !f.off[ListSessions].IsZero() {
				t.Errorf("%+v", o.Notes)
			}
		}
	}
}

// pageOfJob lets the schedule take in a page that shows a session of the worker.
func (b *burst) pageOfJob(x diff.Session) Outcome {
	t := &task{kind: ListSessions, farm: b.schedule.farms["farm-1"], job: b.job, page: 1, limit: maxPages}
	b.schedule.jobLists = append(b.schedule.jobLists, t)
	var o Outcome
	b.schedule.jobDone(t, Answer{Sessions: []diff.Session{x}, Sent: b.now}, b.now, &o)
	return o
}

// A page of a job is an observation of the workers of owned shards in known fleets of which it shows something new, and that are
// in no other call.
func TestObservationsOfAJobPage(t *testing.T) {
	ended := func(x diff.Session) diff.Session { x.LifecycleStatus = diff.StatusEnded; return x }
	for what, c := range map[string]struct {
		change   func(b *burst, x *diff.Session)
		observed bool
	}{
		"a new session":      {func(*burst, *diff.Session) {}, true},
		"a known one":        {func(b *burst, x *diff.Session) { b.schedule.workers[key(7)].Open = []diff.Session{*x} }, false},
		"a known one ended":  {func(b *burst, x *diff.Session) { b.schedule.workers[key(7)].Open = []diff.Session{*x}; *x = ended(*x) }, true},
		"while it is listed": {func(b *burst, _ *diff.Session) { b.schedule.workers[key(7)].activity = inCall }, false},
		"while an observation is not committed": {func(b *burst, _ *diff.Session) {
			b.schedule.workers[key(7)].activity = uncommittedListing
		}, false},
		"a deleted worker": {func(_ *burst, x *diff.Session) { x.WorkerID = key(500).WorkerID }, true},
		"another shard":    {func(_ *burst, x *diff.Session) { x.WorkerID = "worker-of-another-shard" }, false},
		"a fleet unknown":  {func(_ *burst, x *diff.Session) { x.FleetID = "fleet-x" }, false},
		"a farm unknown":   {func(_ *burst, x *diff.Session) { x.FarmID = "farm-x" }, false},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBurst(20, 1)
			b.schedule.config.Shard = func(id string) int { return one(id == "worker-of-another-shard") }
			b.begun = b.now
			for w := range b.busy {
				t.Logf("%v is busy", w)
			}
			x := b.session(key(7))
			c.change(b, &x)
			before := len(b.schedule.workers)
			o := b.pageOfJob(x)
			if got := slices.Contains(o.Workers, x.WorkerKey); got != c.observed || len(o.Workers) > one(c.observed) {
				t.Errorf("observed: %v, want %v", o.Workers, c.observed)
			}
			w := b.schedule.workers[x.WorkerKey]
			switch {
			case c.observed && (w == nil || w.activity != uncommittedLookup):
				t.Error("it does not wait for its commit")
			case x.WorkerKey == key(500) && (len(b.schedule.workers) != before+1 || w.presence != presenceMissing):
				t.Error("the deleted worker is not known")
			case !c.observed && len(b.schedule.workers) != before:
				t.Error("a worker was added")
			case what == "while it is listed" && !w.urgent:
				t.Error("it is not listed again")
			}
		})
	}
}

// A job that does not exist any more is not asked for again, which says nothing about the operation.
func TestDeletedJob(t *testing.T) {
	b := newBurst(80, 2)
	b.answer = func(c Call) Answer {
		if c.Kind == ListSessions {
			return Answer{Reason: ResourceNotFound, NotFound: "job"}
		}
		return b.shows(c)
	}
	b.begin()
	_, _, jobs := b.found(80)
	b.check(t)
	if jobs == 0 || jobs > 2 || b.countNotes(BatchFails) != 0 || !b.schedule.farms["farm-1"].off[ListSessions].IsZero() {
		t.Errorf("%d listings of the job, %d notes", jobs, b.countNotes(BatchFails))
	}
}

// A job's listing of several pages goes on while it shows something new. It ends with the last shard, because its page token
// may be too old when one is owned again.
func TestJobListsEndWithTheLastShard(t *testing.T) {
	b := newBurst(80, 2)
	b.answer = func(c Call) Answer {
		a := b.shows(c)
		if c.Kind == ListSessions {
			a.Next = fmt.Sprint("page ", c.Page+1)
		}
		return a
	}
	b.begin()
	isPage := func(c made) bool { return c.Kind == ListSessions && c.Page == 1 }
	for b.count(isPage) == 0 && b.now.Sub(b.begun) < time.Minute {
		b.run(20 * time.Millisecond)
	}
	b.disown(0)
	b.check(t)
	b.run(time.Second) // the page is answered
	b.check(t)
	b.own()
	from := b.now
	b.run(time.Minute)
	b.check(t)
	first := make(map[uint64]bool)
	for _, c := range b.calls {
		if first[c.List] = first[c.List] || c.Page == 1 && !c.at.Before(from); !c.at.Before(from) && c.Kind == ListSessions && !first[c.List] {
			t.Errorf("the listing goes on with page %d", c.Page)
		}
	}
	if b.count(isPage) == 0 {
		t.Error("no job was listed")
	}
}

// New sessions of a farm in which jobs cannot be listed, or that is forgotten, do not keep the jobs of others from being listed.
func TestUnusableJobDelaysNoOther(t *testing.T) {
	b := newBurst(80, 2)
	b.begin()
	for range 300 {
		b.schedule.jobs.found(Job{"farm-9", "queue-9", "job-9"}, b.now)
		b.run(100 * time.Millisecond)
	}
	b.check(t)
	if n := b.count(func(c made) bool { return c.Kind == ListSessions && !c.at.Before(b.begun) }); n == 0 {
		t.Error("no job is listed")
	}
}

// A listing of a job is not read on when the rest is not worth its requests: how much that is depends on what a listing of a worker
// costs, and where the newest sessions do not come first, they may be on any page.
func TestJobsAreReadAsFarAsItPays(t *testing.T) {
	s := newPlay(15*time.Second, 1, 1).schedule
	sessions := func(n int) (all []diff.Session) {
		for i := range n {
			all = append(all, diff.Session{SessionID: fmt.Sprint(i)})
		}
		return all
	}
	for _, tt := range []struct {
		page   int
		hoped  float64
		saved  float64 // pages of a listing of a worker
		answer Answer
		want   bool
	}{
		{1, 1, 1, Answer{NewestFirst: true, Settled: true, Sessions: sessions(50)}, true},
		{1, 1, 1, Answer{NewestFirst: true, Sessions: sessions(50)}, false},
		{1, 1, 1, Answer{NewestFirst: true}, true},
		{1, 5, 1, Answer{NewestFirst: true}, false},
		{3, 1, 1, Answer{NewestFirst: true, Sessions: sessions(2)}, true},
		{3, 1, 30, Answer{NewestFirst: true, Sessions: sessions(2)}, false},
		{1, 1, 1, Answer{Unordered: true, Settled: true}, false},
		{unorderedPages - 1, 1, 1, Answer{Unordered: true}, false},
		{unorderedPages, 1, 1, Answer{Unordered: true}, true},
	} {
		s.jobs.saved = tt.saved
		if got := s.isJobRead(&task{page: tt.page, hoped: tt.hoped}, tt.answer); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
