package poller

import (
	"cmp"
	"math/rand/v2"
	"time"

	"farmwire/diff"
)

const (
	maxBackoff     = time.Minute
	failingAfter   = 3                             // failures in a row after which a listing, lookup or discovery target counts as failing
	activeWeight   = 4                             // how many times the waiting of a worker with open sessions counts
	goneInterval   = time.Minute                   // between listings of a worker that does not exist while sessions of it are open
	restoredSpread = 4 * time.Hour                 // restored workers without open sessions are listed within this time
	forgetInterval = 24*time.Hour + 10*time.Minute // two listings this far apart let diff forget a session
)

// schedule decides which call to make next. It has no clock, does no I/O and starts no goroutine. It is
// told which workers there are, how each call ended, and what was committed of each worker.
//
// Every worker is listed again before its listing has become as old as the staleness allows. If the budget
// is too small for that, two rules decide.
//
// Pressing calls go first, in the order in which they became due: listings of workers that are new or whose
// status has changed, and lookups of sessions. But they take at most every second call while other listings
// are due.
//
// Among the other due listings, the one that has waited longest goes first. Waiting counts four times for
// workers with open sessions. So an idle worker waits at most four times as long as one with open sessions.
// A worker that does not exist or cannot be listed counts as idle, because its sessions are looked up.
//
// A worker is in at most one call, and in none while its observation is not committed. The queues are heaps,
// so that the cost of a call hardly grows with the number of workers.
type schedule struct {
	staleness      time.Duration
	random         *rand.Rand
	discovery      *discoverySchedule
	workers        map[diff.WorkerKey]*scheduledWorker
	unlisted       map[*scheduledWorker]struct{} // whose listings are failing
	lookupsFailing map[*scheduledWorker]struct{}
	batches        map[string]batchSupport // by farm
	openCount      int

	// All are ordered by when they become or became due.
	waiting queue // listings that are not due yet
	urgent  queue // due listings of workers that are new or have changed
	active  queue // due listings of workers with open sessions
	idle    queue // due listings of all other workers
	lookups queue

	lastWasPressing bool // the last call
}

func newSchedule(staleness, discovery time.Duration, random *rand.Rand) *schedule {
	return &schedule{
		staleness:      staleness,
		random:         random,
		discovery:      newDiscoverySchedule(discovery, random),
		workers:        make(map[diff.WorkerKey]*scheduledWorker),
		unlisted:       make(map[*scheduledWorker]struct{}),
		lookupsFailing: make(map[*scheduledWorker]struct{}),
		batches:        make(map[string]batchSupport),
	}
}

// next returns the call to make now. If its kind is noCall, next returns the time at which to ask again,
// which is zero if only the end of a call can change the answer.
func (s *schedule) next(now time.Time, earliest *startTimes) (call, time.Time) {
	target, wake := s.discovery.next(earliest)
	if target != nil && !wake.After(now) {
		target.begin(now)
		return call{kind: target.kind(), target: target.discoveryTarget}, now
	}
	s.promote(now)
	pressing, pressingAt, beginPressing := s.nextPressing(now, earliest)
	regular := s.nextRegular(now)
	regularAt := earliest[listSessions]
	switch {
	case pressing != nil && !pressingAt.After(now) && (!s.lastWasPressing || regular == nil || regularAt.After(now)):
		s.lastWasPressing = true
		return beginPressing(pressing.worker, now), now
	case regular != nil && !regularAt.After(now):
		s.lastWasPressing = false
		return s.beginListing(regular.worker, now), now
	}
	if pressing != nil {
		wake = soonest(wake, pressingAt)
	}
	if regular == nil {
		regular = s.waiting.first()
	}
	if regular != nil {
		wake = soonest(wake, latest(regular.at, regularAt))
	}
	return call{}, wake
}

// promote moves the listings that have become due to the queues from which they are taken.
func (s *schedule) promote(now time.Time) {
	for p := s.waiting.first(); p != nil && !p.at.After(now); p = s.waiting.first() {
		switch {
		case p.worker.isDueAtOnce():
			p.enter(&s.urgent, p.at)
		case p.worker.isActive():
			p.enter(&s.active, p.at)
		default:
			p.enter(&s.idle, p.at)
		}
	}
}

// nextPressing returns the pressing call that may begin first, the time at which it may begin, and the
// function that begins it.
func (s *schedule) nextPressing(now time.Time, earliest *startTimes) (*place, time.Time, func(*scheduledWorker, time.Time) call) {
	listing := s.urgent.first()
	lookup, lookupAt := s.nextLookup(now, earliest)
	var listingAt time.Time
	if listing != nil {
		listingAt = latest(listing.at, earliest[listSessions])
	}
	switch {
	case listing == nil && lookup == nil:
		return nil, time.Time{}, nil
	case lookup == nil, listing != nil && goesBefore(listing, listingAt, lookup, lookupAt, now):
		return listing, listingAt, s.beginListing
	}
	return lookup, lookupAt, s.beginLookup
}

// goesBefore reports whether a may begin sooner than b or, if both may begin now, became due sooner.
func goesBefore(a *place, aAt time.Time, b *place, bAt, now time.Time) bool {
	if aAt.After(now) || bAt.After(now) {
		return aAt.Before(bAt)
	}
	return a.at.Before(b.at)
}

// nextRegular returns the due listing that is not pressing and goes first.
func (s *schedule) nextRegular(now time.Time) *place {
	active, idle := s.active.first(), s.idle.first()
	if active == nil || idle == nil {
		return cmp.Or(active, idle)
	}
	waited := func(p *place) time.Duration { return s.staleness + now.Sub(p.at) }
	if activeWeight*waited(active) >= waited(idle) {
		return active
	}
	return idle
}

func (s *schedule) beginListing(e *scheduledWorker, now time.Time) call {
	s.leaveQueues(e)
	e.urgency = routine
	e.listingBegun = now
	return call{kind: listSessions, workers: []*scheduledWorker{e}, maxPages: e.pageLimit()}
}

// leaveQueues takes a worker out of all queues, because a call about it begins.
func (s *schedule) leaveQueues(e *scheduledWorker) {
	e.activity = inCall
	e.listingPlace.leave()
	e.lookupPlace.leave()
}

// callDone takes in how a listing or a lookup ended. Discovery calls are done in finishDiscovery.
func (s *schedule) callDone(c call, o callOutcome, now time.Time) {
	if c.kind == lookUpBatch {
		s.judgeBatch(c.workers[0].key.FarmID, o.err, now)
	}
	for _, e := range c.workers {
		if e.activity == dropped {
			continue
		}
		if c.kind == listSessions {
			s.listingDone(e, o, now)
		} else {
			s.lookupDone(c, e, o, now)
		}
	}
}

func (s *schedule) listingDone(e *scheduledWorker, o callOutcome, now time.Time) {
	if o.err != nil {
		s.listingFailed(e, reasonOf(o.err), now)
		return
	}
	e.listingFailures, e.failureReason = 0, ""
	delete(s.unlisted, e)
	e.activity = uncommittedListing
	if o.gone {
		e.answer = noSuchWorker
		return
	}
	e.answer = listed
	e.listedAt = e.listingBegun
	e.lastPages, e.endlessListings = o.pages, 0
}

func (s *schedule) listingFailed(e *scheduledWorker, reason Reason, now time.Time) {
	e.listingFailures++
	e.failureReason = reason
	if reason == ReasonTooManyPages {
		e.endlessListings++
	}
	e.listingDue = now.Add(backoff(e.listingFailures, s.random))
	switch {
	case e.isRetired() && len(e.open) == 0:
		// The fleet may not exist either, and then no answer will ever be about the worker.
		e.listingDue = now.Add(retiredBackoff(e.listingFailures, s.random))
		delete(s.unlisted, e)
	case e.listingFailures >= failingAfter:
		s.unlisted[e] = struct{}{}
	}
	s.rest(e, now)
}

// committed takes in what was committed of a worker. The worker may then be asked about again.
func (s *schedule) committed(w diff.WorkerKey, c committedSessions, now time.Time) {
	e := s.workers[w]
	if e == nil || !e.isUncommitted() {
		return
	}
	s.setCommitted(e, c)
	if e.activity == uncommittedListing {
		e.listingDue = s.nextDue(e, now)
	}
	s.rest(e, now)
}

func (s *schedule) setCommitted(e *scheduledWorker, c committedSessions) {
	s.openCount += len(c.open) - len(e.open)
	e.committedSessions = c
	e.pruneLookups()
}

// nextDue returns when a worker that was listed is to be listed again.
func (s *schedule) nextDue(e *scheduledWorker, now time.Time) time.Time {
	if e.isRetired() && len(e.open) > 0 {
		// The listing only confirms that the worker does not exist, in case its sessions are not found.
		return now.Add(jitter(max(goneInterval, s.staleness), s.random.Float64()))
	}
	if e.isRetired() {
		return now.Add(forgetInterval + time.Duration(s.random.Float64()*float64(time.Hour)))
	}
	// A tenth less than the staleness, give or take a tenth, so that the staleness is the limit.
	interval := jitter(s.staleness*9/10, s.random.Float64())
	if !e.staggered {
		// Workers that were first listed together must not be due together again and again.
		e.staggered = true
		interval = time.Duration((0.1 + 0.9*s.random.Float64()) * float64(interval))
	}
	return e.listingBegun.Add(interval)
}

// rest queues a worker about which no call is in flight and of which all is committed.
func (s *schedule) rest(e *scheduledWorker, now time.Time) {
	e.activity = resting
	if e.isDisposable() {
		s.drop(e)
		return
	}
	switch {
	case !e.isDueAtOnce():
		e.listingPlace.enter(&s.waiting, e.listingDue)
	case e.listingPlace.in == &s.urgent: // it keeps its place
	default:
		e.listingPlace.enter(&s.waiting, now)
	}
	if at, ok := e.lookupDue(now, s.staleness); ok {
		e.lookupPlace.enter(&s.lookups, at)
	} else {
		e.lookupPlace.leave()
	}
}

func (s *schedule) drop(e *scheduledWorker) {
	e.activity = dropped
	e.listingPlace.leave()
	e.lookupPlace.leave()
	delete(s.workers, e.key)
	delete(s.unlisted, e)
	delete(s.lookupsFailing, e)
	s.openCount -= len(e.open)
}

// backoff returns the pause after so many failures in a row: a second, doubled for each further failure,
// and at most a minute.
func backoff(failures int, random *rand.Rand) time.Duration {
	d := time.Second << min(max(failures-1, 0), 6)
	return min(maxBackoff, jitter(d, random.Float64()))
}

// retiredBackoff is backoff for a retired worker. It goes on doubling until forgetInterval.
func retiredBackoff(failures int, random *rand.Rand) time.Duration {
	d := time.Second << min(max(failures-1, 0), 17)
	return min(forgetInterval, jitter(d, random.Float64()))
}

// soonest returns the earlier of two times. The zero time means never.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
