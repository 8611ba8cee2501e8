package schedule

import (
	"cmp"
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
	tryTurn      = 10               // at most every tenth call is such a try, if others are due
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
	probeAt time.Time // of the next try
	tried   time.Time // when the last request was sent

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
	stopped  bool                   // the last listing with several pages that could stop early did so
	gaps     gaps                   // between the sessions of a worker
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

// admits reports whether a listing may begin in the fleet, as far as its scopes decide. Where these fail as a whole, only tryFailing
// begins one.
func (c *choice) admits(f *fleet) bool {
	if (f.slow >= mostSlow || f.slow >= suspectSlow && c.s.operation.slow >= crowdedSlow) && f.fast >= fewPlaces {
		c.waitForSlow()
		return false
	}
	for sc := &f.scope; sc != nil; sc = sc.above {
		switch {
		case sc.failing:
			return false
		case sc.slowed >= suspectSlow && sc.fast >= fewPlaces:
			c.waitForSlow()
			return false
		}
	}
	return true
}

// failingInTurn returns what tryFailing does, if it is its turn although others are due. Many fleets may fail, each by itself.
func (c *choice) failingInTurn() *task {
	if c.s.sinceTry < tryTurn-1 {
		return nil
	}
	return c.tryFailing()
}

// tryFailing returns a listing in a scope that fails as a whole, if it is time for the next try. The farm, and in it the fleet, goes
// first that was tried longest ago, whatever their workers are due for. Else a worker that can be listed would wait for all those of
// another fleet, and what fails is tried rarely. Every second time, a worker whose last listing did not fail goes before all others.
func (c *choice) tryFailing() *task {
	var first *place
	isFreshTurn := c.s.tries%2 == 0
	for _, f := range c.s.order {
		if !f.isFailing() || !c.mayTry(f) {
			continue
		}
		if p := c.firstFailing(f); p != nil && (first == nil || p.worker.isTriedBefore(first.worker, isFreshTurn)) {
			first = p
		}
	}
	if first == nil || !c.can(ListSessionsForWorker) {
		return nil
	}
	c.s.tries++
	c.s.sinceTry = -1 // see count
	return c.s.beginListing(first.worker, c.now)
}

// mayTry reports whether it is time for a try in a fleet that fails as a whole.
func (c *choice) mayTry(f *fleet) bool {
	return f.first(func(sc *scope) bool {
		c.wait(sc.probeAt)
		return sc.failing && (sc.fast+sc.slow > 0 || sc.probeAt.After(c.now))
	}) == nil
}

// firstFailing returns the worker of a fleet to try: of those that are due the one that waits for longest, but one that failed the last
// time only if there is no other, and a hidden one only if there is neither. Every fourth time, a hidden one goes before those that
// failed.
func (c *choice) firstFailing(f *fleet) *place {
	failed, hidden := []class{again}, []class{unsure, spare}
	if c.s.tries%4 == 3 {
		failed, hidden = hidden, failed
	}
	for _, classes := range [...][]class{{urgent, active, idle, second}, failed, hidden} {
		var first *place
		for _, cl := range classes {
			for l := range f.queues[cl] {
				if p := f.queues[cl][l].first(); p != nil && (first == nil || p.key < first.key) {
					first = p
				}
			}
		}
		if first != nil && (first.worker.listingFailures == 0 || c.s.again[forListing] < againPlaces) {
			return first
		}
	}
	return nil
}

// isTriedBefore reports whether a worker is tried before another one.
func (w *worker) isTriedBefore(o *worker, isFreshTurn bool) bool {
	isFresh, isOtherFresh := w.listingFailures == 0, o.listingFailures == 0
	if isFreshTurn && isFresh != isOtherFresh {
		return isFresh
	}
	return cmp.Or(w.fleet.farm.tried.Compare(o.fleet.farm.tried), w.fleet.tried.Compare(o.fleet.tried), cmp.Compare(w.listingPlace.key, o.listingPlace.key)) < 0
}

// add counts workers.
func (sc *scope) add(workers int) {
	for ; sc != nil; sc = sc.above {
		sc.members += workers
	}
}

func (sc *scope) flew(now time.Time) {
	for ; sc != nil; sc = sc.above {
		sc.fast++
		sc.tried = now
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
			notes = append(notes, Note{Kind: ScopeWorks, Operation: ListSessionsForWorker, Worker: s.nameOf(sc, w), Reason: sc.reason})
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
	return []Note{{Kind: ScopeFails, Operation: ListSessionsForWorker, Worker: s.nameOf(widest, w), Reason: reason}}
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
