package schedule

import (
	"slices"
	"testing"
	"time"

	"farmwire/diff"
)

// Open sessions are looked at again and again, a hundred in a request, and none again within two seconds. The statuses of the
// workers without one are asked for, none again within three seconds, and of no others.
func TestSweeps(t *testing.T) {
	const workers, open = 400, 150
	p := newPlay(15*time.Second, 8, 1).add(0, workers).allIdle()
	p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, one(number(w) < open))} }
	p.own()
	p.run(3 * time.Minute)
	from := p.now
	p.run(3 * time.Minute)
	p.check(t)
	looks, statuses := make(map[string]time.Time), make(map[diff.WorkerKey]time.Time)
	gap := func(what string, last time.Time, c made, least, most time.Duration) {
		if d := c.at.Sub(last); !last.IsZero() && (d < least || d > most) {
			t.Errorf("%s: looked at again after %v", what, d)
		}
	}
	for _, c := range p.calls {
		if c.at.Before(from) || isTrial(c.Call) {
			continue
		}
		for _, x := range c.Sessions {
			gap(x.SessionID, looks[x.SessionID], c, leastLook, 20*time.Second)
			looks[x.SessionID] = c.at
		}
		for _, w := range c.Workers {
			gap(w.WorkerID, statuses[w], c, leastStatus, 30*time.Second)
			if statuses[w] = c.at; number(w) < open {
				t.Errorf("the status of %s is asked for, and it has an open session", w.WorkerID)
			}
		}
	}
	if len(looks) != open || len(statuses) != workers-open {
		t.Errorf("%d sessions and %d statuses are swept, want %d and %d", len(looks), len(statuses), open, workers-open)
	}
}

// Where BatchGetWorker is denied it is tried once an hour, which is noted once, and ListWorkers is asked as often as configured.
// In other farms nothing changes.
func TestBatchGetWorkerDenied(t *testing.T) {
	p := newPlayOf(Config{Staleness: 15 * time.Second, Rate: 2}, 1).add(0, 100)
	other := fleetKey{"farm-2", "fleet-2"}
	for n := range 100 {
		p.workers[other] = append(p.workers[other], Worker{ID: key(200 + n).WorkerID})
	}
	isDenied := true
	p.answer = func(c Call) Answer {
		if c.Kind == BatchGetWorker && c.Workers[0].FarmID == "farm-1" && isDenied {
			return refused(Denied)
		}
		return lookedUp(c)
	}
	p.allIdle().own()
	p.run(55 * time.Minute)
	p.check(t)
	n := make(map[string]int)
	for _, c := range p.calls {
		if c.Kind == BatchGetWorker {
			n[c.Workers[0].FarmID]++
		} else if c.Kind == ListWorkers {
			n["lists of "+c.Farm]++
		}
	}
	if n["farm-1"] != 1 || n["farm-2"] < 200 || n["lists of farm-1"] < 90 || n["lists of farm-2"] > n["lists of farm-1"] || p.countNotes(BatchFails) != 1 {
		t.Errorf("%v, %d notes", n, p.countNotes(BatchFails))
	}
	isDenied = false
	p.run(15 * time.Minute)
	p.check(t)
	again := p.count(func(c made) bool { return c.Kind == BatchGetWorker && c.Workers[0].FarmID == "farm-1" })
	if again < 20 || p.countNotes(BatchWorks) != 1 {
		t.Errorf("%d requests, %d notes that it works", again, p.countNotes(BatchWorks))
	}
}

// Where statuses are swept, discovery takes about a twentieth of the budget, and each list is read once in five minutes at least.
func TestDiscoveryIsStretched(t *testing.T) {
	for _, c := range []struct {
		workers     int
		rate        float64
		least, most time.Duration
	}{{100, 10, 26 * time.Second, 35 * time.Second}, {1000, 1, 170 * time.Second, 300 * time.Second}, {3000, 1, 260 * time.Second, 350 * time.Second}} {
		p := newPlay(15*time.Second, c.rate, 1).add(0, c.workers).allIdle().own()
		p.run(40 * time.Minute)
		p.check(t)
		var last time.Time
		for _, x := range p.calls {
			if x.Kind != ListWorkers || x.Page > 1 {
				continue
			}
			if d := x.at.Sub(last); !last.IsZero() && (d < c.least || d > c.most) {
				t.Errorf("%d workers at %v requests/s: listed again after %v", c.workers, c.rate, d)
			}
			last = x.at
		}
	}
}

// The open sessions of a farm in which BatchGetSession is denied are still seen to end, beside another farm that is swept: their
// workers are listed in turn.
func TestUnsweptFarmBesideASweptOne(t *testing.T) {
	p := newPlayOf(Config{Staleness: 15 * time.Second, Rate: 2}, 1).add(0, 20)
	other := fleetKey{"farm-2", "fleet-2"}
	for n := range 200 {
		p.workers[other] = append(p.workers[other], Worker{ID: key(200 + n).WorkerID})
	}
	p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, one(number(w) < 400))} }
	p.answer = func(c Call) Answer {
		if c.Kind == BatchGetSession && c.Sessions[0].FarmID == "farm-1" {
			return refused(Denied)
		}
		return lookedUp(c)
	}
	p.own(key(0))
	p.run(10 * time.Minute)
	from := p.now
	p.run(20 * time.Minute)
	p.check(t)
	if p.schedule.strategy != Sweeping || p.schedule.farms["farm-1"].isSwept || !p.schedule.farms["farm-2"].isSwept {
		t.Fatal(p.schedule.strategy)
	}
	for w, gaps := range p.gaps(from) {
		for _, gap := range gaps {
			if w.FarmID == "farm-1" && gap > time.Minute {
				t.Errorf("%s was not listed for %v", w.WorkerID, gap)
			}
		}
	}
	if n := len(p.gaps(from)[key(3)]); n < 20 {
		t.Errorf("a worker of the farm was listed %d times", n)
	}
}

// An answer of GetSession that has to wait for long does not keep the other sessions of the farm from being looked at.
func TestUnclearSessionDelaysNoSweep(t *testing.T) {
	p := newPlay(15*time.Second, 2, 1).add(0, 100)
	p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, 1)} }
	unclear := false
	p.answer = func(c Call) Answer {
		if c.Kind == GetSession {
			return Answer{Reason: Throttled, RetryAfter: maxRetryAfter}
		}
		a := lookedUp(c)
		if x := openSession(key(5), 0).SessionID; unclear && a.Findings[x] != 0 {
			a.Findings[x] = Unclear
		}
		return a
	}
	p.own()
	p.run(3 * time.Minute)
	unclear = true
	p.run(30 * time.Second)
	from := p.now
	p.run(4 * time.Minute)
	p.check(t)
	n := p.count(func(c made) bool {
		return !c.at.Before(from) && slices.ContainsFunc(c.Sessions, func(x diff.Session) bool { return x.WorkerKey == key(50) })
	})
	if n < 10 {
		t.Errorf("another session was looked at %d times", n)
	}
}

// After a quiet time, neither of the sweeps waits for the other one for long.
func TestSweepsAfterAQuietTime(t *testing.T) {
	for _, quiet := range []int{0, 1} {
		p := newPlay(15*time.Second, 1, 1).add(0, 1000).allIdle()
		open := quiet
		p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, one(number(w) < open))} }
		p.answer = func(c Call) Answer {
			a := lookedUp(c)
			if c.Kind == ListSessionsForWorker && number(c.Worker) < open {
				a.Sessions = openSessions(c.Worker, 1)
				a.Sessions[0].StartedAt = p.now
			}
			return a
		}
		p.own(key(0))
		p.run(time.Hour)
		open = 150
		for n := range open {
			p.setStatus(n, running)
		}
		last := map[Kind]time.Time{BatchGetSession: p.now, BatchGetWorker: p.now}
		longest := make(map[Kind]time.Duration)
		before := len(p.calls)
		p.run(10 * time.Minute)
		p.check(t)
		for _, c := range p.calls[before:] {
			if _, ok := last[c.Kind]; ok {
				longest[c.Kind] = max(longest[c.Kind], c.at.Sub(last[c.Kind]))
				last[c.Kind] = c.at
			}
		}
		for k, d := range longest {
			if d = max(d, p.now.Sub(last[k])); d > 90*time.Second {
				t.Errorf("%d sessions, and then many: no %s for %v", quiet, k.Operation(), d)
			}
		}
	}
}

// Requests of a sweep that hang in a farm do not take the places of others.
func TestHangingSweepsTakeFewPlaces(t *testing.T) {
	for _, kind := range []Kind{BatchGetWorker, BatchGetSession} {
		p := newPlay(15*time.Second, 50, 1).add(0, 4000).allIdle()
		hangs := false
		p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, one(kind == BatchGetSession))} }
		p.latency = func(c Call) time.Duration {
			if hangs && c.Kind == kind {
				return 30 * time.Second
			}
			return 50 * time.Millisecond
		}
		p.own()
		p.run(2 * time.Minute)
		hangs = true
		most := 0
		for range 20 {
			p.run(time.Second)
			n := 0
			for _, f := range p.schedule.flights {
				n += one(f.task.kind == kind)
			}
			most = max(most, n)
		}
		p.check(t)
		if most < 4 || most > 20 {
			t.Errorf("%d requests of %s hang at a time", most, kind.Operation())
		}
	}
}

// Requests for statuses that fail for any reason do not take the budget of the listings.
func TestFailingStatusesCostLittle(t *testing.T) {
	for _, reason := range []Reason{Connection, Other, FieldTooLong, MissingField, ServerError} {
		p := newPlay(15*time.Second, 2, 1).add(0, 300).allIdle().own()
		p.run(10 * time.Minute)
		p.answer = func(c Call) Answer {
			if c.Kind == BatchGetWorker {
				return refused(reason)
			}
			return lookedUp(c)
		}
		from := p.now
		p.run(10 * time.Minute)
		p.check(t)
		if n := p.count(func(c made) bool { return c.Kind == BatchGetWorker && !c.at.Before(from) }); n > 150 {
			t.Errorf("%s: %d requests for statuses", reason, n)
		}
	}
}
