package schedule

import (
	"maps"
	"slices"
	"time"

	"farmwire/diff"
)

const (
	leastFailing = 5                // workers that must have failed since the last success for their scope to fail as a whole
	mostFailing  = 20               // likewise, in a scope with many workers: if only some of them fail, so many never do so in a row
	suspectSlow  = 4                // calls that have become slow since the last success, from which on a scope is suspect
	mostSlow     = 100              // slow calls in a fleet, from which on it gets few places
	crowdedSlow  = 120              // slow calls of all fleets, from which on each with suspectSlow of them gets few places
	fewPlaces    = 2                // for calls that are not slow, in a scope that is suspect or a fleet with very many slow ones
	longestProbe = 30 * time.Second // between two tries of a scope that fails as a whole, apart from how long they take
)

// scope is a fleet, a farm or the whole operation ListSessionsForWorker, as far as its listings may fail as a whole. Then one
// worker at a time is tried, ever more rarely, and the open sessions of all are looked up. It fails as a whole when many of its
// workers have failed and for a staleness none has succeeded.
//
// Until enough listings have failed, a scope is suspect whose calls hang: several of them have become slow and none has
// succeeded meanwhile.
type scope struct {
	above   *scope
	members int                  // workers of the owned shards
	failed  map[*worker]struct{} // since the last success, at most mostFailing
	since   time.Time            // when the first of them failed
	failing bool
	noted   bool      // there was a Note that it fails, and not that it works again
	reason  Reason    // of the last failure
	worked  time.Time // when the last request was sent that succeeded
	began   time.Time // when it began to fail as a whole
	probes  int       // tries that have failed in a row
	probeAt time.Time

	fast, slow int // calls in flight
	slowed     int // calls that have become slow since the last success
}

// fleetKey identifies a fleet.
type fleetKey struct{ farm, fleet string }

// fleet is a fleet with its workers.
type fleet struct {
	fleetKey
	scope
	farm     *farm
	shown    map[string]shownWorker // the workers that ListWorkers shows, of all shards, by id
	workers  map[string]*worker     // those of the owned shards, by id
	byStatus map[string]int         // how many of these have which status
	queues   [classes]lengths
}

// isFailing reports whether nothing of the fleet can be listed.
func (f *fleet) isFailing() bool { return f.first((*scope).isOpen) != nil }

// isSuspect reports whether the fleet, or what it belongs to, fails or hangs as a whole, or many of its calls fail or hang.
func (f *fleet) isSuspect() bool {
	return f.slow >= suspectSlow || len(f.failed) >= leastFailing || f.first(func(sc *scope) bool { return sc.failing || sc.slowed >= suspectSlow }) != nil
}

func (sc *scope) isOpen() bool { return sc.failing }

// first returns the first of the scope and those above for which the condition holds.
func (sc *scope) first(is func(*scope) bool) *scope {
	for ; sc != nil; sc = sc.above {
		if is(sc) {
			return sc
		}
	}
	return nil
}

// admits reports whether a listing may begin in the fleet, as far as its scopes decide.
func (c *choice) admits(f *fleet) bool {
	if (f.slow >= mostSlow || f.slow >= suspectSlow && c.s.operation.slow >= crowdedSlow) && f.fast >= fewPlaces {
		c.waitForSlow()
		return false
	}
	for sc := &f.scope; sc != nil; sc = sc.above {
		switch {
		case sc.failing && (sc.fast+sc.slow > 0 || sc.probeAt.After(c.now)):
			c.wait(sc.probeAt)
			return false
		case sc.slowed >= suspectSlow && sc.fast >= fewPlaces:
			c.waitForSlow()
			return false
		}
	}
	return true
}

// inTurn returns what goes first of what has a turn although others are due. In a scope that fails as a whole, the next try is
// left to the others for some time. Else a worker that can be listed would never be, as long as those with a turn fail.
func (c *choice) inTurn(next func() *task) *task {
	c.isInTurn = true
	t := next()
	c.isInTurn = false
	return t
}

// prefersOthers reports whether a try in the fleet is left to others.
func (c *choice) prefersOthers(f *fleet) bool {
	return f.first(func(sc *scope) bool { return sc.failing && sc.probeAt.Add(longestProbe).After(c.now) }) != nil
}

// add counts workers.
func (sc *scope) add(workers int) {
	for ; sc != nil; sc = sc.above {
		sc.members += workers
	}
}

func (sc *scope) flew() {
	for ; sc != nil; sc = sc.above {
		sc.fast++
	}
}

func (sc *scope) becameSlow() {
	for ; sc != nil; sc = sc.above {
		sc.fast--
		sc.slow++
		sc.slowed++
	}
}

func (sc *scope) landed(wasSlow bool) {
	for ; sc != nil; sc = sc.above {
		if wasSlow {
			sc.slow--
		} else {
			sc.fast--
		}
	}
}

// listingSucceeded takes in that a page of a worker's listing was answered. It returns what works again as a whole.
func (s *Schedule) listingSucceeded(w *worker, sent, now time.Time) (notes []Note) {
	works := false
	for sc := &w.fleet.scope; sc != nil; sc = sc.above {
		clear(sc.failed)
		sc.worked = latest(sc.worked, sent)
		sc.slowed, sc.probes = 0, 0
		works = works || sc.failing
		if sc.failing && sc.noted {
			notes = append(notes, Note{Kind: ScopeWorks, Operation: ListSessions, Worker: s.nameOf(sc, w), Reason: sc.reason})
		}
		sc.failing, sc.noted = false, false
	}
	if works {
		s.requeueOpen(now)
	}
	return notes
}

// listingFailedIn takes in that a worker's listing was discarded for a reason that others of its fleet may share. It returns
// what fails as a whole from now on, if nothing around it does so already. A failure says nothing against a success whose
// request was sent later, because a request that hangs fails late.
func (s *Schedule) listingFailedIn(w *worker, reason Reason, sent, now time.Time) []Note {
	var widest *scope // of those that fail from now on
	for sc := &w.fleet.scope; sc != nil; sc = sc.above {
		sc.reason = reason
		if sc.failing {
			if sent.After(sc.began) { // else it was sent before, and is no try
				sc.probes++
				sc.probeAt = now.Add(min(longestProbe, backoff(sc.probes, s.random)))
			}
			continue
		}
		if len(sc.failed) == 0 {
			sc.since = now
		}
		if len(sc.failed) < mostFailing && sent.After(sc.worked) {
			sc.failed[w] = struct{}{}
		}
		// Others that are due less often may still work, so for a staleness, or a minute, they can show it.
		isTried := now.Sub(sc.since) >= min(s.config.Staleness, maxBackoff)
		if isTried && len(sc.failed) >= min(mostFailing, max(leastFailing, sc.members/2)) {
			sc.failing, sc.probes, sc.began = true, 1, now
			sc.probeAt = now.Add(backoff(1, s.random))
			widest = sc
		}
	}
	if widest == nil {
		return nil
	}
	s.giveUpFirsts(now)
	s.requeueOpen(now)
	if widest.above != nil && widest.above.first((*scope).isOpen) != nil {
		return nil
	}
	widest.noted = true
	return []Note{{Kind: ScopeFails, Operation: ListSessions, Worker: s.nameOf(widest, w), Reason: reason}}
}

// nameOf returns what a scope around a worker is: the fleet, the farm, or all.
func (s *Schedule) nameOf(sc *scope, w *worker) (name diff.WorkerKey) {
	switch sc {
	case &w.fleet.scope:
		name.FarmID, name.FleetID = w.Worker.FarmID, w.Worker.FleetID
	case &w.fleet.farm.scope:
		name.FarmID = w.Worker.FarmID
	}
	return name
}

// requeueOpen queues the workers with open sessions anew, because it has changed how these are observed.
func (s *Schedule) requeueOpen(now time.Time) {
	forAll(s, slices.Collect(maps.Keys(s.active)), now, s.requeue)
}
