package schedule

import (
	"slices"
	"testing"
	"time"

	"farmwire/diff"
)

// newLost returns a play of a worker that was deleted together with its queue, its fleet or its farm while a session of it was
// open. Another fleet and another farm exist.
func newLost(part string, config Config) *play {
	config.Staleness, config.Rate = 15*time.Second, 50
	p := newPlayOf(config, 1).add(0, 1)
	p.workers[fleetKey{"farm-1", "fleet-9"}], p.workers[fleetKey{"farm-2", "fleet-2"}] = nil, nil
	p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, 1), Unresolved: openSessions(w, 1)} }
	p.own()
	p.run(3 * time.Minute)
	p.lose(part)
	return p
}

// lose lets the part not exist any more.
func (p *play) lose(part string) {
	finding := map[string]Finding{"queue": NoQueue, "fleet": NoFleet, "farm": NoFarm}[part]
	switch part {
	case "queue":
		p.remove(0, 1)
	case "farm":
		delete(p.workers, fleetKey{"farm-1", "fleet-9"})
		fallthrough
	case "fleet":
		delete(p.workers, fleetKey{"farm-1", "fleet-1"})
	}
	p.answer = func(c Call) Answer {
		switch {
		case c.Kind == ListSessionsForWorker && part == "queue":
			return noSuch
		case c.Kind == ListSessionsForWorker:
			return Answer{Reason: ResourceNotFound, NotFound: part, HasDate: true}
		}
		a := lookedUp(c)
		for id := range a.Findings {
			a.Findings[id] = finding
		}
		return a
	}
}

// asked counts the requests for the worker since then.
func (p *play) asked(from time.Time) int {
	return p.count(func(c made) bool { return !c.at.Before(from) && !c.Kind.IsDiscovery() && !isTrial(c.Call) })
}

// confirmed counts the sessions since the outcome with that number of which discovery confirms that what they belong to does
// not exist.
func (p *play) confirmed(from int) (n int) {
	for _, o := range p.outcomes[from:] {
		n += len(o.Confirmed)
	}
	return n
}

// A session whose queue, fleet or farm does not exist is looked up less and less often, and each time discovery confirms it.
func TestMissingIsAskedForRarely(t *testing.T) {
	for _, part := range []string{"queue", "fleet", "farm"} {
		t.Run(part, func(t *testing.T) {
			p := newLost(part, Config{})
			p.run(10 * time.Hour)
			from, outcomes := p.now, len(p.outcomes)
			p.run(time.Hour)
			p.check(t)
			if n := p.asked(from); n < 1 || n > 4 {
				t.Errorf("%d requests for the worker in an hour", n)
			}
			if p.confirmed(outcomes) == 0 {
				t.Error("discovery did not confirm it")
			}
			if s := p.schedule.State(p.now); s.Missing != 1 || s.UnlistedCount > 0 || s.LookupsFailing > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// An instance that is started again goes on with the pace that it has reached.
func TestMissingIsAskedForRarelyAfterRestarts(t *testing.T) {
	p := newLost("fleet", Config{})
	p.run(10 * time.Hour)
	p.known = func(w diff.WorkerKey) Known {
		open := openSessions(w, 1)
		return Known{Open: open, Unresolved: open, Missed: []string{open[0].SessionID}}
	}
	from := p.now
	for range 10 {
		p.disown(0)
		p.own(key(0))
		p.run(time.Hour)
	}
	p.check(t)
	if n := p.asked(from); n > 60 {
		t.Errorf("%d requests for the worker in ten hours", n)
	}
}

// If what was missing is there again, the worker is listed soon, and its sessions are looked up at the usual pace.
func TestMissingIsFoundAgain(t *testing.T) {
	for _, part := range []string{"queue", "fleet", "farm"} {
		t.Run(part, func(t *testing.T) {
			p := newLost(part, Config{})
			p.run(10 * time.Hour)
			p.workers[fleetKey{"farm-1", "fleet-1"}] = nil
			p.add(0, 1)
			p.answer = lookedUp
			p.run(2 * time.Minute)
			from := p.now
			p.run(time.Minute)
			p.check(t)
			if n := p.asked(from); n < 7 {
				t.Errorf("%d requests for the worker in a minute", n)
			}
			if s := p.schedule.State(p.now); s.Missing != 0 || s.UnlistedCount > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A worker whose fleet was named as not found is listed at once when ListWorkers shows it again, also if its status has
// changed meanwhile.
func TestShownAgainAfterItsFleetWasMissing(t *testing.T) {
	for _, status := range []string{"RUNNING", "IDLE"} {
		p := newLost("fleet", Config{Farms: []string{"farm-1"}, Fleets: []string{"fleet-1"}})
		p.run(10 * time.Hour)
		p.workers[fleetKey{"farm-1", "fleet-1"}] = nil
		p.add(0, 1)
		p.setStatus(0, status)
		p.answer = lookedUp
		before := len(p.calls)
		p.run(time.Minute)
		p.check(t)
		shown := slices.IndexFunc(p.calls[before:], func(c made) bool { return c.Kind == ListWorkers })
		next := p.calls[before+shown+1:]
		listed := slices.IndexFunc(next, func(c made) bool { return c.Kind == ListSessionsForWorker })
		if listed < 0 || next[listed].at.Sub(p.calls[before+shown].at) > time.Second {
			t.Errorf("%s: not listed within a second", status)
		}
	}
}

// Nothing but a complete list of discovery confirms that something does not exist, and an answer without a date does not count.
func TestUnconfirmedAbsence(t *testing.T) {
	denied := func(kind Kind) func(*play) {
		return func(p *play) {
			p.found = func(c Call) Answer {
				if c.Kind == kind {
					return refused(Denied)
				}
				return p.discovered(c)
			}
		}
	}
	named := Config{Farms: []string{"farm-1"}}
	for name, c := range map[string]struct {
		part    string
		config  Config
		break_  func(*play)
		confirm bool
	}{
		"ListFarms is denied, queue":      {"queue", Config{}, denied(ListFarms), false},
		"ListFarms is denied, farm":       {"farm", Config{}, denied(ListFarms), false},
		"ListFleets is denied":            {"fleet", Config{}, denied(ListFleets), false},
		"ListFleets shows the fleet":      {"fleet", Config{}, func(p *play) { p.workers[fleetKey{"farm-1", "fleet-1"}] = nil }, false},
		"ListFarms shows the farm":        {"farm", Config{}, func(p *play) { p.workers[fleetKey{"farm-1", "fleet-9"}] = nil }, false},
		"the farm is the only named one":  {"farm", named, func(*play) {}, false},
		"one of two named farms":          {"farm", Config{Farms: []string{"farm-1", "farm-2"}}, func(*play) {}, true},
		"the fleet is the only named one": {"fleet", Config{Farms: []string{"farm-1"}, Fleets: []string{"fleet-1"}}, func(*play) {}, false},
		"one of two named fleets":         {"fleet", Config{Farms: []string{"farm-1"}, Fleets: []string{"fleet-1", "fleet-9"}}, func(*play) {}, true},
		"no date": {"queue", Config{}, func(p *play) {
			answer := p.answer
			p.answer = func(c Call) Answer { a := answer(c); a.HasDate = false; return a }
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newLost(c.part, c.config)
			c.break_(p)
			p.run(2 * time.Minute) // what was complete before is not any more
			from := len(p.outcomes)
			p.run(3 * time.Hour)
			p.check(t)
			if n := p.confirmed(from); n > 0 != c.confirm {
				t.Errorf("%d sessions are confirmed", n)
			}
			if n := p.schedule.State(p.now).Missing; n != 1 {
				t.Errorf("%d sessions are missing", n)
			}
		})
	}
}

// A worker of which only listings say that it does not exist is listed again soon, also if all its open sessions are missing. If
// discovery lacks it as well, that can wait.
func TestWorkersSaidNotToExistAreListedAgain(t *testing.T) {
	p := newPlay(15*time.Second, 1, 1).add(0, 1).own()
	p.run(time.Minute)
	w := p.schedule.workers[key(0)]
	w.Open, w.answer = openSessions(key(0), 1), noSuchWorker
	w.setLookup(w.Open[0].SessionID).missing = p.now.Add(-10 * time.Hour)
	for presence, soon := range map[presence]bool{presenceShown: true, presenceMissing: false} {
		w.presence = presence
		if wait := p.schedule.nextDue(w, p.now).Sub(p.now); (wait < 2*time.Minute) != soon {
			t.Errorf("presence %d: listed again after %v", presence, wait)
		}
	}
}
