package schedule

import (
	"testing"
	"time"

	"farmwire/diff"
)

// unresolved is a play of one worker with open sessions that its listings lack.
func unresolved(staleness time.Duration, sessions int) *play {
	p := newPlay(staleness, 100, 1).add(0, 1)
	p.known = func(w diff.WorkerKey) Known {
		s := openSessions(w, sessions)
		return Known{Open: s, Unresolved: s}
	}
	return p
}

func (p *play) kinds() map[Kind]int {
	n := make(map[Kind]int)
	for _, c := range p.calls {
		n[c.Kind]++
	}
	return n
}

// notes returns the notes of all outcomes.
func (p *play) notes() (all []NoteKind) {
	for _, o := range p.outcomes {
		for _, n := range o.Notes {
			all = append(all, n.Kind)
		}
	}
	return all
}

func (p *play) countNotes(k NoteKind) (n int) {
	for _, x := range p.notes() {
		if x == k {
			n++
		}
	}
	return n
}

// Sessions that listings lack are swept like any others. If they are not found, they are looked up about once in a staleness.
func TestUnresolvedSessionsAreLookedUp(t *testing.T) {
	for what, c := range map[string]struct {
		finding       Finding
		soonest, most time.Duration // between two lookups
	}{
		"found": {Found, leastLook, 3 * time.Second}, "not found": {NotFound, 5 * time.Second, 11 * time.Second},
	} {
		t.Run(what, func(t *testing.T) {
			p := unresolved(10*time.Second, 3)
			p.answer = func(c2 Call) Answer {
				a := lookedUp(c2)
				for id := range a.Findings {
					a.Findings[id] = c.finding
				}
				return a
			}
			p.own()
			lookedUpAgain(t, p, c.soonest, c.most)
		})
	}
}

func lookedUpAgain(t *testing.T, p *play, soonest, most time.Duration) {
	p.run(10 * time.Minute)
	p.check(t)
	var last time.Time
	n := 0
	for _, c := range p.calls {
		if c.Kind != BatchGetSession || isTrial(c.Call) {
			continue
		}
		if gap := c.at.Sub(last); n > 1 && (gap > most || gap < soonest) || len(c.Sessions) != 3 {
			t.Errorf("%d sessions are looked up after %v", len(c.Sessions), gap)
		}
		last = c.at
		n++
	}
	if n < 55 {
		t.Errorf("%d lookups in ten minutes", n)
	}
}

// If BatchGetSession is denied, GetSession is used, and BatchGetSession is tried once an hour.
func TestBatchDenied(t *testing.T) {
	p := unresolved(10*time.Second, 1)
	p.answer = func(c Call) Answer {
		if c.Kind == BatchGetSession {
			return refused(Denied)
		}
		return lookedUp(c)
	}
	p.own(key(0))
	p.run(150 * time.Minute)
	p.check(t)
	if n := p.kinds(); n[BatchGetSession] != 3 || n[GetSession] < 900 {
		t.Errorf("%d calls of BatchGetSession, %d of GetSession", n[BatchGetSession], n[GetSession])
	}
	p.answer = lookedUp
	p.run(time.Hour)
	if p.countNotes(BatchFails) != 1 || p.countNotes(BatchWorks) != 1 {
		t.Errorf("notes: %v", p.notes())
	}
}

// BatchGetSession that fails for a reason that may pass is sent three times for each of three lookups before GetSession is
// used, for ten minutes. Then it is tried again.
func TestBatchFails(t *testing.T) {
	p := unresolved(10*time.Second, 1)
	p.answer = func(c Call) Answer {
		if c.Kind == BatchGetSession {
			return refused(ServerError)
		}
		return lookedUp(c)
	}
	p.own(key(0))
	p.run(9 * time.Minute)
	p.check(t)
	if n := p.kinds(); n[BatchGetSession] < 5 || n[BatchGetSession] > 9 || n[GetSession] < 40 {
		t.Errorf("%d calls of BatchGetSession, %d of GetSession", n[BatchGetSession], n[GetSession])
	}
	p.answer = lookedUp
	p.run(10 * time.Minute)
	before := p.kinds()
	p.run(2 * time.Minute)
	if n := p.kinds(); n[GetSession] != before[GetSession] || n[BatchGetSession] < before[BatchGetSession]+10 {
		t.Errorf("after it works again: %v, %v", before, n)
	}
}

// A transient failure of a lookup is no failure of it if the same request succeeds a little later.
func TestLookupIsSentAgain(t *testing.T) {
	for _, reason := range []Reason{ServerError, Timeout, Connection, Malformed, Throttled} {
		t.Run(string(reason), func(t *testing.T) {
			p := unresolved(10*time.Second, 1)
			fails := 2
			p.answer = func(c Call) Answer {
				if c.Kind == BatchGetSession && !isTrial(c) && fails > 0 {
					fails--
					return refused(reason)
				}
				return lookedUp(c)
			}
			p.own(key(0))
			p.run(2 * time.Second)
			if n := p.schedule.State(p.now); fails > 0 || len(n.Unasked) > 0 || n.LookupsFailing > 0 {
				t.Errorf("%d failures are left; %+v", fails, n)
			}
			p.run(time.Minute)
			p.check(t)
			if n := p.kinds(); n[BatchGetSession] < 6 || n[GetSession] > 0 {
				t.Errorf("calls: %v", n)
			}
		})
	}
}

// If BatchGetSession does not say what it did not find of a session, GetSession is asked about this session, whatever its
// answer, and BatchGetSession about the others.
func TestUnclearAnswers(t *testing.T) {
	for name, answer := range map[string]Answer{
		"found": {Findings: map[string]Finding{openSession(key(0), 0).SessionID: Found}}, "no answer": {}, "denied": refused(Denied),
		"not found": {Reason: ResourceNotFound}, "error": refused(ServerError),
	} {
		t.Run(name, func(t *testing.T) {
			unclear := openSession(key(0), 0).SessionID
			p := unresolved(10*time.Second, 3)
			p.answer = func(c Call) Answer {
				a := lookedUp(c)
				if c.Kind == GetSession {
					return answer
				}
				if _, ok := a.Findings[unclear]; ok {
					a.Findings[unclear] = Unclear
				}
				return a
			}
			p.own(key(0))
			p.run(10 * time.Minute)
			p.check(t)
			singly, others := 0, 0
			for _, c := range p.calls {
				switch {
				case c.Kind == GetSession && c.Sessions[0].SessionID == unclear:
					singly++
				case c.Kind == GetSession:
					t.Errorf("GetSession of %s", c.Sessions[0].SessionID)
				case c.Kind == BatchGetSession && len(c.Sessions) >= 2:
					others++
				}
			}
			if singly < 10 || others < 50 {
				t.Errorf("%d calls of GetSession, %d of BatchGetSession", singly, others)
			}
		})
	}
}

// A pause of BatchGetSession does not delay farms whose sessions are looked up by GetSession, nor one farm another.
func TestPausedBatchDelaysNoOtherFarm(t *testing.T) {
	p := newPlayOf(Config{Staleness: 15 * time.Second, Rate: 10}, 1)
	other := diff.WorkerKey{FarmID: "farm-2", FleetID: "fleet-2", WorkerID: key(2).WorkerID}
	p.workers[fleetKey{"farm-2", "fleet-2"}] = []Worker{{ID: other.WorkerID}}
	p.add(1, 2)
	p.known = func(w diff.WorkerKey) Known {
		s := openSessions(w, 1)
		return Known{Open: s, Unresolved: s}
	}
	p.answer = func(c Call) Answer {
		switch {
		case c.Kind == BatchGetSession && c.Sessions[0].FarmID == "farm-2":
			return refused(Denied)
		case c.Kind == BatchGetSession && p.now.Sub(start) > time.Minute:
			return Answer{Reason: Throttled, RetryAfter: 5 * time.Minute}
		}
		return lookedUp(c)
	}
	p.own(key(1), other)
	p.run(2 * time.Minute)
	from := p.now
	p.run(2 * time.Minute)
	p.check(t)
	n := p.count(func(c made) bool {
		return !c.at.Before(from) && c.Kind == GetSession && c.Sessions[0].WorkerKey == other
	})
	if n < 7 {
		t.Errorf("%d lookups in the other farm in two minutes", n)
	}
}

// When BatchGetSession is denied anew after its pause, restored sessions are left to listings, and are not looked up one by
// one before everything else.
func TestDeniedBatchGivesUpRestoredSessions(t *testing.T) {
	p := newPlayOf(twoShards(10), 1).add(0, 200)
	p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, 5)} }
	p.answer = func(c Call) Answer {
		if c.Kind == BatchGetSession {
			return refused(Denied)
		}
		return lookedUp(c)
	}
	p.schedule.Own(0, p.knownOf([]diff.WorkerKey{key(0)}), p.now)
	p.run(time.Minute)
	p.schedule.farms["farm-1"].off[BatchGetSession] = p.now // the pause is over
	var all []diff.WorkerKey
	for n := 1; n < 200; n += 2 {
		all = append(all, key(n))
	}
	p.schedule.Own(1, p.knownOf(all), p.now)
	from := p.now
	p.run(time.Minute)
	p.check(t)
	if n := p.count(func(c made) bool { return !c.at.Before(from) && c.Kind == GetSession }); n > 10 {
		t.Errorf("%d calls of GetSession", n)
	}
	if s := p.schedule.State(p.now); len(s.Unasked) > 0 {
		t.Errorf("not asked for: %v", s.Unasked)
	}
}

// If sessions must be looked up one by one and the budget is too small for that, each has its turn, also those that were never
// looked up, and listings go on beside.
func TestSingleLookupsTakeTurns(t *testing.T) {
	const workers, late = 300, 20
	p := newPlay(15*time.Second, 10, 1).add(0, workers)
	p.known = func(w diff.WorkerKey) Known {
		if p.now.Sub(start) < 5*time.Minute && number(w) < late {
			return Known{}
		}
		return Known{Open: openSessions(w, 3), Unresolved: openSessions(w, 3)}
	}
	p.answer = func(c Call) Answer {
		if c.Kind == BatchGetSession {
			return refused(Denied)
		}
		return lookedUp(c)
	}
	p.own()
	p.run(5 * time.Minute)
	p.calls = nil
	p.run(20 * time.Minute)
	p.check(t)
	lookups := make(map[string]int)
	for _, c := range p.calls {
		if c.Kind == GetSession {
			lookups[c.Sessions[0].SessionID]++
		}
	}
	for n := range workers {
		for _, s := range openSessions(key(n), 3) {
			if lookups[s.SessionID] < 4 {
				t.Errorf("%s was looked up %d times", s.SessionID, lookups[s.SessionID])
			}
		}
	}
	if n := p.kinds()[ListSessionsForWorker]; n < 4000 {
		t.Errorf("%d listings", n)
	}
}
