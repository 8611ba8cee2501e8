package poller

import (
	"cmp"
	"math/rand/v2"
	"time"

	"farmwire/diff"
)

const (
	maxBackoff     = time.Minute
	failingAfter   = 3                               // failures in a row after which a listing, lookup or discovery target counts as failing
	activeWeight   = 4                               // how many times the waiting of a worker with open sessions counts
	noSuchInterval = time.Minute                     // between listings of a worker that does not exist while sessions of it are open
	restoredSpread = 4 * time.Hour                   // restored workers without open sessions become due within this time
	forgetMargin   = 10 * time.Minute                // for the difference of the service's clock, which decides what is forgotten
	forgetInterval = diff.ForgetAfter + forgetMargin // between two listings of a retired worker
	unsureTurn     = 4                               // at most every fourth call lists a worker that is unsure, if others are due
	spareTurn      = 20                              // at most every 20th request is for listings of hidden workers, if others are due
	sparePause     = 500 * time.Millisecond          // at least, between the beginnings of listings of hidden workers
)

// schedule decides which call to make next. It has no clock, does no I/O and starts no goroutine. The loop
// reports to it which workers there are, how each call ended, and what was committed of each worker.
//
// Every worker is listed again before its last listing is older than the staleness. If the budget is too
// small for that, two rules decide.
//
// Pressing calls go first, in the order in which they became due: listings of workers that are new or whose
// status has changed, and lookups of sessions. But they take at most every second call while other listings
// are due.
//
// Among the other due listings, the one that has waited longest goes first. Waiting counts four times for
// workers with open sessions. So an idle worker waits at most four times as long as one with open sessions.
// A worker that does not exist or cannot be listed counts as idle, because its sessions are looked up.
//
// Workers that discovery does not show and that have no open session are hidden. There may be very many, after
// a year of autoscaling. They are listed from what others leave of the budget: when nothing else is due, at
// most every sparePause. If something else is always due, they get every 20th request. While discovery fails,
// restored workers are unsure: they may exist, and get every fourth call.
//
// A worker is in at most one call, and in none while its observation is not committed. The queues are heaps,
// so the time to choose a call hardly grows with the number of workers.
type schedule struct {
	staleness      time.Duration
	random         *rand.Rand // spreads the calls in time
	discovery      *discoverySchedule
	workers        map[diff.WorkerKey]*scheduledWorker
	unknown        map[*scheduledWorker]struct{} // those whose presence is unknown; after the first complete discovery there are none
	unlisted       map[*scheduledWorker]struct{} // those whose listings are failing, see failingAfter
	lookupsFailing map[*scheduledWorker]struct{}
	unasked        map[*scheduledWorker]struct{} // those with restored open sessions that were not asked for yet
	missing        map[*scheduledWorker]struct{} // those with sessions whose queue, fleet or farm is not found
	batches        map[string]batchSupport       // by farm
	openCount      int                           // open sessions of all workers

	// All are ordered by when they become or became due.
	waiting queue // listings that are not due yet
	urgent  queue // due listings of workers that are new or have changed
	active  queue // due listings of workers with open sessions
	idle    queue // due listings of all other workers
	unsure  queue // due listings of hidden workers that may exist, because discovery fails
	spare   queue // due listings of all other hidden workers
	lookups queue // workers with sessions to look up

	lastWasPressing bool // the last listing or lookup was pressing

	sinceSpare int       // calls since the last listing of a hidden worker, less those that its pages have cost
	spareAt    time.Time // no listing from spare begins before this
}

func newSchedule(staleness, discovery time.Duration, random *rand.Rand) *schedule {
	return &schedule{
		staleness:      staleness,
		random:         random,
		discovery:      newDiscoverySchedule(discovery, random),
		workers:        make(map[diff.WorkerKey]*scheduledWorker),
		unknown:        make(map[*scheduledWorker]struct{}),
		unlisted:       make(map[*scheduledWorker]struct{}),
		lookupsFailing: make(map[*scheduledWorker]struct{}),
		unasked:        make(map[*scheduledWorker]struct{}),
		missing:        make(map[*scheduledWorker]struct{}),
		batches:        make(map[string]batchSupport),
	}
}

// next returns the call to make now. If its kind is noCall, next returns the time at which to ask again,
// which is zero if only the end of a call can change the answer.
func (s *schedule) next(now time.Time, earliest *startTimes) (call, time.Time) {
	target, wake := s.discovery.next(earliest)
	if target != nil && !wake.After(now) {
		s.sinceSpare++
		target.begin(now)
		return call{kind: target.kind(), target: target.discoveryTarget}, now
	}
	s.promote(now)
	pressing, pressingAt, beginPressing := s.nextPressing(now, earliest)
	regular := s.nextRegular(now)
	regularAt := earliest[listSessions]
	spare, spareAt := s.nextSpare(regular != nil || pressing != nil && !pressingAt.After(now))
	spareAt = latest(spareAt, regularAt)
	switch {
	case spare != nil && !spareAt.After(now):
		return s.beginSpare(spare.worker, now), now
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
	if spare != nil {
		wake = soonest(wake, spareAt)
	}
	if regular == nil {
		regular = s.waiting.first()
	}
	if regular != nil {
		wake = soonest(wake, latest(regular.at, regularAt))
	}
	return call{}, wake
}

// promote moves the listings that have become due from waiting to the other queues.
func (s *schedule) promote(now time.Time) {
	for p := s.waiting.first(); p != nil && !p.at.After(now); p = s.waiting.first() {
		switch {
		case p.worker.isDueAtOnce():
			p.enter(&s.urgent, p.at)
		case p.worker.isActive():
			p.enter(&s.active, p.at)
		case p.worker.isHidden() && p.worker.presence == presenceUnknown && s.discovery.failing(p.worker.key.FarmID, p.worker.key.FleetID):
			p.enter(&s.unsure, p.at)
		case p.worker.isHidden():
			p.enter(&s.spare, p.at)
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

func (s *schedule) beginListing(w *scheduledWorker, now time.Time) call {
	s.leaveQueues(w)
	s.sinceSpare++
	w.urgency = routine
	w.listingBegun = now
	return call{kind: listSessions, workers: []*scheduledWorker{w}, maxPages: w.pageLimit()}
}

// leaveQueues takes a worker out of all queues, because a call begins that lists it or looks up its sessions.
func (s *schedule) leaveQueues(w *scheduledWorker) {
	w.activity = inCall
	w.listingPlace.leave()
	w.lookupPlace.leave()
}

// callDone takes in how a listing or a lookup ended. Those of discovery are handled by finishDiscovery.
func (s *schedule) callDone(c call, o callOutcome, now time.Time) {
	if c.kind == lookUpBatch {
		s.judgeBatch(c.workers[0].key.FarmID, o.err, now)
	}
	for _, w := range c.workers {
		if w.activity == dropped {
			continue
		}
		if c.kind == listSessions {
			s.listingDone(w, o, now)
		} else {
			s.lookupDone(c, w, o, now)
		}
	}
}

func (s *schedule) listingDone(w *scheduledWorker, o callOutcome, now time.Time) {
	if o.err != nil {
		s.listingFailed(w, reasonOf(o.err), now)
		return
	}
	w.listingFailures, w.failureReason = 0, ""
	delete(s.unlisted, w)
	w.activity = uncommittedListing
	if o.noSuchWorker {
		w.answer = noSuchWorker
		return
	}
	w.answer = listed
	w.listedAt = w.listingBegun
	w.lastPages, w.endlessListings = o.pages, 0
	if w.isHidden() {
		s.payPages(o.pages - 1)
	}
}

func (s *schedule) listingFailed(w *scheduledWorker, reason Reason, now time.Time) {
	w.listingFailures++
	w.failureReason = reason
	if reason == ReasonTooManyPages {
		w.endlessListings++
	}
	w.listingDue = now.Add(backoff(w.listingFailures, s.random))
	switch {
	case w.isRetired() && len(w.open) == 0:
		// The fleet may not exist either. Then the service names the fleet and never the worker.
		w.listingDue = now.Add(retiredBackoff(w.listingFailures, s.random))
		delete(s.unlisted, w)
	case s.isFleetMissing(w, now):
		w.listingDue = now.Add(min(missingInterval, retiredBackoff(w.listingFailures, s.random)))
		delete(s.unlisted, w)
	case w.listingFailures >= failingAfter:
		s.unlisted[w] = struct{}{}
	}
	s.rest(w, now)
}

// committed takes in what was committed of a worker, which may then be in a call again.
func (s *schedule) committed(key diff.WorkerKey, c committedSessions, now time.Time) {
	w := s.workers[key]
	if w == nil || !w.isUncommitted() {
		return
	}
	s.setCommitted(w, c)
	listed := w.activity == uncommittedListing
	if listed {
		w.listingDue = s.nextDue(w, now)
	}
	s.rest(w, now)
	s.noteAsked(w, listed)
}

func (s *schedule) setCommitted(w *scheduledWorker, c committedSessions) {
	s.openCount += len(c.open) - len(w.open)
	w.committedSessions = c
	w.pruneLookups()
	w.pruneMissing()
	s.countMissing(w)
}

// nextDue returns when a worker is to be listed again after a listing that is committed.
func (s *schedule) nextDue(w *scheduledWorker, now time.Time) time.Time {
	if w.isRetired() && len(w.open) > 0 {
		// diff may need this listing to conclude that sessions have vanished that are not found.
		return now.Add(jitter(max(noSuchInterval, s.staleness, w.missingListingInterval(s.staleness, now)), s.random.Float64()))
	}
	if w.isRetired() {
		// The first absence may have been long ago, and the clocks may differ by more than the margin.
		due := now.Add(forgetInterval)
		if !w.forgetDue.IsZero() {
			due = soonest(due, latest(w.forgetDue, now).Add(forgetMargin))
		}
		return due.Add(time.Duration(s.random.Float64() * float64(time.Hour)))
	}
	// The interval is between 0.81 and 0.99 of the staleness.
	interval := jitter(s.staleness*9/10, s.random.Float64())
	if !w.staggered {
		// Workers that were first listed together must not stay due together.
		w.staggered = true
		interval = time.Duration((0.1 + 0.9*s.random.Float64()) * float64(interval))
	}
	return w.listingBegun.Add(interval)
}

// rest queues a worker that is in no call and has no uncommitted observation.
func (s *schedule) rest(w *scheduledWorker, now time.Time) {
	w.activity = resting
	if w.isDisposable() {
		s.drop(w)
		return
	}
	switch {
	case !w.isDueAtOnce():
		w.listingPlace.enter(&s.waiting, w.listingDue)
	case w.listingPlace.in == &s.urgent: // it keeps its place
	default:
		w.listingPlace.enter(&s.waiting, now)
	}
	if at, ok := w.lookupDue(now, s.staleness); ok {
		w.lookupPlace.enter(&s.lookups, at)
	} else {
		w.lookupPlace.leave()
	}
}

// drop removes a worker from the schedule.
func (s *schedule) drop(w *scheduledWorker) {
	w.activity = dropped
	w.listingPlace.leave()
	w.lookupPlace.leave()
	delete(s.workers, w.key)
	delete(s.unknown, w)
	delete(s.unlisted, w)
	delete(s.lookupsFailing, w)
	delete(s.unasked, w)
	delete(s.missing, w)
	s.openCount -= len(w.open)
}

// soonest returns the earlier of two times. The zero time stands for never.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
