package poller

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"farmwire/diff"

	"pgregory.net/rapid"
)

// play is a simulation of a schedule in virtual time, with a budget and calls that take time.
type play struct {
	schedule *schedule
	now      time.Time
	budget   bucket
	latency  func() time.Duration
	answer   func(call) callOutcome
	sessions func(diff.WorkerKey) committedSessions
	inFlight []flight

	calls  []made
	busy   map[diff.WorkerKey]bool // workers of the calls in flight
	broken error                   // a law that holds for every schedule was broken
}

// flight is a call in flight.
type flight struct {
	call call
	ends time.Time
}

// made is a call that was made.
type made struct {
	call
	at time.Time
}

func newPlay(staleness time.Duration, rate float64, seed uint64) *play {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return &play{
		schedule: newSchedule(staleness, 30*time.Second, rand.New(rand.NewPCG(seed, 1))),
		now:      start,
		budget:   bucket{rate: rate, burst: max(1, rate/10), at: start},
		latency:  func() time.Duration { return 50 * time.Millisecond },
		answer:   func(call) callOutcome { return callOutcome{} },
		sessions: func(diff.WorkerKey) committedSessions { return committedSessions{} },
		busy:     make(map[diff.WorkerKey]bool),
	}
}

func key(n int) diff.WorkerKey {
	return diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: fmt.Sprintf("worker-%05d", n)}
}

// add makes workers known to the schedule, as discovery does.
func (p *play) add(from, to int) {
	for n := from; n < to; n++ {
		p.schedule.workerShown(key(n), 0, &diff.WorkerStatus{Status: "RUNNING"}, p.now)
	}
}

func (p *play) run(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end) && p.broken == nil; {
		p.end()
		var earliest startTimes
		ready := p.budget.ready(p.now)
		for k := range earliest {
			earliest[k] = ready
		}
		c, wake := p.schedule.next(p.now, &earliest)
		if c.kind != noCall {
			p.begin(c)
			continue
		}
		next := end
		if !wake.IsZero() && wake.Before(next) {
			next = wake
		}
		for _, f := range p.inFlight {
			next = soonest(next, f.ends)
		}
		if !next.After(p.now) {
			p.broken = fmt.Errorf("at %v the schedule has no call and does not want to wait", p.now)
		}
		p.now = next
	}
}

func (p *play) begin(c call) {
	if p.budget.take(p.now).After(p.now) {
		p.broken = errors.New("a call began before startTimes allowed it")
	}
	for _, w := range c.workers {
		if p.busy[w.key] {
			p.broken = fmt.Errorf("worker %s is in two calls at a time", w.key.WorkerID)
		}
		p.busy[w.key] = true
	}
	p.calls = append(p.calls, made{c, p.now})
	p.inFlight = append(p.inFlight, flight{c, p.now.Add(p.latency())})
}

// end ends the calls whose time has come.
func (p *play) end() {
	var still []flight
	for _, f := range p.inFlight {
		if f.ends.After(p.now) {
			still = append(still, f)
			continue
		}
		o := p.answer(f.call)
		if f.call.kind >= lookUpBatch && o.err == nil && o.observed == nil {
			o.observed = make(map[diff.WorkerKey]bool)
			for _, w := range f.call.workers {
				o.observed[w.key] = true
			}
		}
		for _, w := range f.call.workers {
			delete(p.busy, w.key)
		}
		p.schedule.callDone(f.call, o, p.now)
		for _, w := range f.call.workers {
			if o.err == nil && (f.call.kind == listSessions || o.observed[w.key]) {
				p.schedule.committed(w.key, p.sessions(w.key), p.now)
			}
		}
	}
	p.inFlight = still
}

// gaps returns the times between the listings of each worker that began at from or later.
func (p *play) gaps(from time.Time) map[diff.WorkerKey][]time.Duration {
	last := make(map[diff.WorkerKey]time.Time)
	gaps := make(map[diff.WorkerKey][]time.Duration)
	for _, c := range p.calls {
		if c.kind != listSessions {
			continue
		}
		w := c.workers[0].key
		if before, ok := last[w]; ok && !before.Before(from) {
			gaps[w] = append(gaps[w], c.at.Sub(before))
		}
		last[w] = c.at
	}
	return gaps
}

func openSession(w diff.WorkerKey, n int) diff.Session {
	return diff.Session{WorkerKey: w, QueueID: "queue-1", JobID: "job-1", SessionID: fmt.Sprintf("session-%s-%d", w.WorkerID, n), LifecycleStatus: diff.StatusStarted}
}

// If the budget suffices, every worker is listed again within the staleness and not much sooner, and the calls are
// spread evenly.
func TestScheduleWithinTheBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(100, 300).Draw(t, "workers")
		staleness := 15 * time.Second
		p := newPlay(staleness, float64(n)/8, rapid.Uint64().Draw(t, "seed"))
		p.add(0, n)
		p.run(45 * time.Second)
		start := p.now
		p.run(5 * time.Minute)
		if p.broken != nil {
			t.Fatal(p.broken)
		}
		for w, gaps := range p.gaps(start) {
			for _, gap := range gaps {
				if gap > staleness+time.Second || gap < staleness*8/10 {
					t.Fatalf("%s was listed again after %v", w.WorkerID, gap)
				}
			}
		}
		perSecond := make(map[int]int)
		for _, c := range p.calls {
			if !c.at.Before(start) {
				perSecond[int(c.at.Sub(start)/(3*time.Second))]++
			}
		}
		mean := float64(n) * 3 / (staleness.Seconds() * 0.9)
		for second, calls := range perSecond {
			if float64(calls) > 1.8*mean {
				t.Fatalf("%d calls from second %d on, %f on average", calls, 3*second, mean)
			}
		}
	})
}

// If the budget is too small, workers with open sessions are listed more often than idle ones, but the time between
// listings of idle ones has a bound, too.
func TestScheduleUnderScarcity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hot := rapid.IntRange(5, 60).Draw(t, "hot")
		idle := rapid.IntRange(5, 200).Draw(t, "idle")
		scarcity := rapid.Float64Range(1.5, 8).Draw(t, "scarcity")
		staleness := 15 * time.Second
		rate := float64(hot+idle) / staleness.Seconds() / scarcity
		p := newPlay(staleness, rate, rapid.Uint64().Draw(t, "seed"))
		p.sessions = func(w diff.WorkerKey) committedSessions {
			if w.WorkerID < key(hot).WorkerID {
				return committedSessions{open: []diff.Session{openSession(w, 0)}}
			}
			return committedSessions{}
		}
		p.add(0, hot+idle)
		// In the long run h/x + i/(4x) = rate, where x is the time between two listings of a
		// worker with open sessions.
		x := time.Duration((float64(hot) + float64(idle)/activeWeight) / rate * float64(time.Second))
		bounds := []time.Duration{max(x, staleness)*13/10 + 3*time.Second, activeWeight*max(x, staleness)*13/10 + 3*time.Second}
		bound := bounds[1]
		p.run(3 * bound)
		start := p.now
		p.run(8 * bound)
		if p.broken != nil {
			t.Fatal(p.broken)
		}
		gaps := p.gaps(start)
		for n := range hot + idle {
			bound := bounds[0]
			if n >= hot {
				bound = bounds[1]
			}
			if len(gaps[key(n)]) == 0 {
				t.Fatalf("worker %d was never listed again", n)
			}
			for _, gap := range gaps[key(n)] {
				if gap > bound {
					t.Fatalf("worker %d was not listed for %v, above %v", n, gap, bound)
				}
			}
		}
	})
}

// Whatever happens in whatever order, a worker is in at most one call, and a worker that is not busy is in the right
// queues.
func TestScheduleKeepsItsLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "workers")
		seed := rapid.Uint64().Draw(t, "seed")
		p := newPlay(10*time.Second, 20, seed)
		random := rand.New(rand.NewPCG(seed, 2))
		p.latency = func() time.Duration { return time.Duration(random.IntN(3000)) * time.Millisecond }
		p.answer = func(c call) callOutcome {
			switch random.IntN(5) {
			case 0:
				return callOutcome{err: &attemptError{ReasonServerError, errors.New("500")}}
			case 1:
				return callOutcome{err: &attemptError{ReasonDenied, errors.New("403")}}
			case 2:
				return callOutcome{noSuchWorker: c.kind == listSessions}
			}
			return callOutcome{}
		}
		p.sessions = func(w diff.WorkerKey) committedSessions {
			c := committedSessions{empty: random.IntN(2) == 0}
			for i := range random.IntN(4) {
				c.open, c.empty = append(c.open, openSession(w, i)), false
			}
			c.unresolved = c.open[:len(c.open)/2]
			return c
		}
		p.add(0, n)
		steps := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 60).Draw(t, "steps")
		for _, step := range steps {
			p.stir(step, random.IntN(n))
			p.run(time.Duration(random.IntN(5000)) * time.Millisecond)
			if p.broken == nil {
				p.broken = consistent(p.schedule)
			}
			if p.broken != nil {
				t.Fatal(p.broken)
			}
		}
	})
}

// stir changes what is known of a worker.
func (p *play) stir(step, n int) {
	switch step {
	case 0:
		p.schedule.workerShown(key(n), 0, &diff.WorkerStatus{Status: "IDLE"}, p.now)
	case 1:
		p.schedule.workerShown(key(n), 0, &diff.WorkerStatus{Status: "RUNNING"}, p.now)
	case 2:
		p.schedule.workerMissing(key(n), p.now)
	case 3:
		p.schedule.committed(key(n), p.sessions(key(n)), p.now)
	case 4:
		p.schedule.disown(0)
		clear(p.busy) // the results of the calls in flight are ignored
		p.add(0, n)
	case 5:
		p.schedule.addKnown(key(n), 0, p.sessions(key(n)), p.now)
	}
}

// consistent checks that every worker is either busy or queued, in the right queues.
func consistent(s *schedule) error {
	listings, lookups, open := 0, 0, 0
	for _, w := range s.workers {
		open += len(w.open)
		if w.isBusy() != (w.listingPlace.in == nil) {
			return fmt.Errorf("%s: busy %v, queued %v", w.key.WorkerID, w.isBusy(), w.listingPlace.in != nil)
		}
		if w.isBusy() && w.lookupPlace.in != nil || !w.isBusy() && (len(w.sessionsToLookUp()) > 0) != (w.lookupPlace.in != nil) {
			return fmt.Errorf("%s: %d sessions to look up, queued %v", w.key.WorkerID, len(w.sessionsToLookUp()), w.lookupPlace.in != nil)
		}
		if w.listingPlace.in != nil {
			listings++
		}
		if w.lookupPlace.in != nil {
			lookups++
		}
	}
	if q := len(s.waiting.places) + len(s.urgent.places) + len(s.active.places) + len(s.idle.places) + len(s.unsure.places) + len(s.spare.places); q != listings || len(s.lookups.places) != lookups || open != s.openCount {
		return fmt.Errorf("%d of %d listings, %d of %d lookups, %d of %d open sessions", q, listings, len(s.lookups.places), lookups, s.openCount, open)
	}
	return nil
}

// Workers whose status has changed go first, failing ones back off, and one call looks up sessions of many workers.
func TestScheduleOrder(t *testing.T) {
	t.Run("status", func(t *testing.T) {
		p := newPlay(10*time.Second, 1, 1)
		p.add(0, 100)
		p.run(400 * time.Second)
		p.schedule.workerShown(key(7), 0, &diff.WorkerStatus{Status: "STOPPING"}, p.now)
		before := len(p.calls)
		p.run(10 * time.Second)
		for i, c := range p.calls[before:] {
			if c.workers[0].key == key(7) {
				if i > 1 {
					t.Errorf("a worker whose status changed came as number %d", i+1)
				}
				return
			}
		}
		t.Error("a worker whose status changed was not listed")
	})
	t.Run("flood of changes", func(t *testing.T) {
		p := newPlay(10*time.Second, 10, 1)
		p.sessions = func(w diff.WorkerKey) committedSessions {
			if w.WorkerID < key(20).WorkerID {
				return committedSessions{open: []diff.Session{openSession(w, 0)}}
			}
			return committedSessions{}
		}
		p.add(0, 20)
		p.run(time.Minute)
		p.add(20, 2000)
		start := p.now
		p.run(time.Minute)
		for n := range 20 {
			if got := len(p.gaps(start)[key(n)]); got < 4 {
				t.Errorf("worker %d was listed %d times while others were new", n, got)
			}
		}
	})
	t.Run("back-off", func(t *testing.T) {
		p := newPlay(10*time.Second, 100, 1)
		p.answer = func(call) callOutcome { return callOutcome{err: errNoList} }
		p.add(0, 1)
		p.run(10 * time.Minute)
		if n := len(p.calls); n < 14 || n > 18 {
			t.Errorf("%d calls in ten minutes", n)
		}
		if last := p.calls[len(p.calls)-1].at.Sub(p.calls[len(p.calls)-2].at); last > maxBackoff+50*time.Millisecond || last < maxBackoff*8/10 {
			t.Errorf("the last back-off was %v", last)
		}
	})
	t.Run("lookups", func(t *testing.T) {
		p := newPlay(10*time.Second, 100, 1)
		p.sessions = func(w diff.WorkerKey) committedSessions {
			s := []diff.Session{openSession(w, 0), openSession(w, 1)}
			return committedSessions{open: s, unresolved: s}
		}
		p.answer = func(c call) callOutcome { return callOutcome{noSuchWorker: c.kind == listSessions} }
		for n := range 70 {
			p.schedule.addKnown(key(n), 0, p.sessions(key(n)), p.now)
		}
		p.run(500 * time.Millisecond)
		if c := p.calls[0]; c.kind != lookUpBatch || len(c.sessions) != batchSize || len(c.workers) != 50 {
			t.Errorf("the first call is of kind %d with %d sessions of %d workers", c.kind, len(c.sessions), len(c.workers))
		}
	})
	t.Run("batch denied", func(t *testing.T) {
		p := newPlay(10*time.Second, 100, 1)
		s := []diff.Session{openSession(key(0), 0)}
		p.sessions = func(diff.WorkerKey) committedSessions { return committedSessions{open: s, unresolved: s} }
		p.answer = func(c call) callOutcome {
			if c.kind == lookUpBatch {
				return callOutcome{err: &attemptError{ReasonDenied, errors.New("403")}}
			}
			return callOutcome{}
		}
		p.schedule.addKnown(key(0), 0, p.sessions(key(0)), p.now)
		p.run(150 * time.Minute)
		var batch, singly int
		for _, c := range p.calls {
			switch c.kind {
			case lookUpBatch:
				batch++
			case lookUpSingle:
				singly++
			}
		}
		if batch != 3 || singly < 900 {
			t.Errorf("%d calls of BatchGetSession, %d of GetSession", batch, singly)
		}
	})
}

// BenchmarkSchedule measures the time to choose a call, which must hardly grow with the number of workers.
func BenchmarkSchedule(b *testing.B) {
	for _, n := range []int{75, 750, 7500, 75000} {
		b.Run(fmt.Sprintf("workers=%d", n), func(b *testing.B) {
			p := newPlay(15*time.Second, 1e6, 1)
			p.add(0, n)
			now := p.now
			var earliest startTimes
			b.ResetTimer()
			for range b.N {
				c, wake := p.schedule.next(now, &earliest)
				if c.kind == noCall {
					now = wake
					continue
				}
				p.schedule.callDone(c, callOutcome{}, now)
				p.schedule.committed(c.workers[0].key, committedSessions{}, now)
			}
		})
	}
}

// A pause of BatchGetSession does not delay farms whose sessions are looked up by GetSession.
func TestPausedBatchDelaysNoOtherFarm(t *testing.T) {
	p := newPlay(15*time.Second, 10, 1)
	a, b := key(1), diff.WorkerKey{FarmID: "farm-2", FleetID: "fleet-2", WorkerID: "worker-2"}
	for _, w := range []diff.WorkerKey{a, b} {
		p.schedule.addKnown(w, 0, committedSessions{open: []diff.Session{openSession(w, 1)}, unresolved: []diff.Session{openSession(w, 1)}}, p.now)
		p.now = p.now.Add(time.Second)
	}
	p.schedule.batches["farm-2"] = batchSupport{off: p.now.Add(time.Hour)}
	var earliest startTimes
	earliest[listSessions], earliest[lookUpBatch] = p.now.Add(time.Minute), p.now.Add(time.Minute)
	c, wake := p.schedule.next(p.now, &earliest)
	if c.kind != lookUpSingle || c.workers[0].key != b {
		t.Errorf("kind %d until %v, want GetSession for the other farm", c.kind, wake)
	}
}
