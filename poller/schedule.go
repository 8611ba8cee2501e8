package poller

import (
	"cmp"
	"math/rand/v2"
	"time"

	"farmwire/diff"
)

const (
	maxBackoff  = time.Minute
	blindAfter  = 3           // listings discarded in a row
	weight      = 4           // how many times the waiting of a worker with open sessions counts
	goneListing = time.Minute // of a worker that is gone while sessions of it are open
	rareSpread  = 4 * time.Hour
	rareListing = 24*time.Hour + 10*time.Minute // twice that far apart is evidence for forgetting
)

// schedule decides whom to ask next. It has no clock, does no I/O and starts nothing: it is
// asked for the next call, told how each call went, which workers there are, and what was
// committed of them.
//
// Every worker is to be listed again when its listing has become as old as the staleness
// allows. Where the budget is short and more is due than can be asked, two rules decide.
//
// What is pressing goes first: workers that are new or whose status changed, and sessions
// that have to be asked for one by one, in the order in which they became due. But it takes
// every second call at most while other listings are due.
//
// Of those, workers with open sessions go before idle ones: what is due longest first, where
// the time of a worker with open sessions counts four times. So an idle worker waits four
// times as long as one with open sessions, and no longer. Workers that are gone or cannot be
// listed count as idle: their sessions are looked up.
//
// A worker is in one call at most, and from its observation until that is committed in none.
// Costs are per call (queues are heaps), not per worker.
type schedule struct {
	staleness time.Duration
	random    *rand.Rand
	rounds    *rounds
	entries   map[diff.WorkerKey]*entry
	blind     map[*entry]struct{} // three listings or more discarded in a row
	mute      map[*entry]struct{} // the same for lookups
	batches   map[string]batches  // by farm
	openCount int

	// All by when they are or became due.
	waiting queue // listings that are not due yet
	urgent  queue // listings that are due: of workers that are new or have changed
	active  queue // listings that are due: of workers with open sessions
	idle    queue // listings that are due: of all others
	lookups queue

	pressed bool // the last call was a pressing one
}

func newSchedule(staleness, discovery time.Duration, random *rand.Rand) *schedule {
	return &schedule{
		staleness: staleness,
		random:    random,
		rounds:    newRounds(discovery, random),
		entries:   make(map[diff.WorkerKey]*entry),
		blind:     make(map[*entry]struct{}),
		mute:      make(map[*entry]struct{}),
		batches:   make(map[string]batches),
	}
}

// next gives the next call to make now; if there is none (kind nothing), the time at which
// to ask again, which is zero if only an answer can change that.
func (s *schedule) next(now time.Time, open *gates) (call, time.Time) {
	search, wake := s.rounds.next(open)
	if search != nil && !wake.After(now) {
		search.begin(now)
		return call{kind: search.kind(), target: search.target}, now
	}
	s.promote(now)
	press, pressAt, pressing := s.nextPressing(now, open)
	usual := s.nextUsual(now)
	usualAt := open[listSessions]
	switch {
	case press != nil && !pressAt.After(now) && (!s.pressed || usual == nil || usualAt.After(now)):
		s.pressed = true
		return pressing(press.entry, now), now
	case usual != nil && !usualAt.After(now):
		s.pressed = false
		return s.beginListing(usual.entry, now), now
	}
	if press != nil {
		wake = soonest(wake, pressAt)
	}
	if usual == nil {
		usual = s.waiting.first()
	}
	if usual != nil {
		wake = soonest(wake, latest(usual.at, usualAt))
	}
	return call{}, wake
}

// promote moves the listings that have become due to where they are taken from.
func (s *schedule) promote(now time.Time) {
	for p := s.waiting.first(); p != nil && !p.at.After(now); p = s.waiting.first() {
		switch {
		case p.entry.hasty():
			p.enter(&s.urgent, p.at)
		case p.entry.active():
			p.enter(&s.active, p.at)
		default:
			p.enter(&s.idle, p.at)
		}
	}
}

// nextPressing gives the pressing call that may begin first, when, and what begins it.
func (s *schedule) nextPressing(now time.Time, open *gates) (*place, time.Time, func(*entry, time.Time) call) {
	listing := s.urgent.first()
	lookup, lookupAt := s.nextLookup(now, open)
	var listingAt time.Time
	if listing != nil {
		listingAt = latest(listing.at, open[listSessions])
	}
	switch {
	case listing == nil && lookup == nil:
		return nil, time.Time{}, nil
	case lookup == nil, listing != nil && before(listing, listingAt, lookup, lookupAt, now):
		return listing, listingAt, s.beginListing
	}
	return lookup, lookupAt, s.beginLookup
}

// before reports whether a goes before b: it may begin sooner, or both may and it was due
// sooner.
func before(a *place, aAt time.Time, b *place, bAt, now time.Time) bool {
	if aAt.After(now) || bAt.After(now) {
		return aAt.Before(bAt)
	}
	return a.at.Before(b.at)
}

// nextUsual gives the listing whose turn it is.
func (s *schedule) nextUsual(now time.Time) *place {
	active, idle := s.active.first(), s.idle.first()
	if active == nil || idle == nil {
		return cmp.Or(active, idle)
	}
	waited := func(p *place) time.Duration { return s.staleness + now.Sub(p.at) }
	if weight*waited(active) >= waited(idle) {
		return active
	}
	return idle
}

func (s *schedule) beginListing(e *entry, now time.Time) call {
	s.occupy(e)
	e.urgent = false
	e.begun = now
	return call{kind: listSessions, entries: []*entry{e}, pages: e.pageLimit()}
}

// occupy takes the worker out of all queues: it is being asked.
func (s *schedule) occupy(e *entry) {
	e.busy = true
	e.listing.leave()
	e.lookup.leave()
}

// done is told how a call about sessions went. For discovery there is searched.
func (s *schedule) done(c call, o outcome, now time.Time) {
	if c.kind == lookUp {
		s.judgeBatch(c.entries[0].key.FarmID, o.err, now)
	}
	for _, e := range c.entries {
		if e.dropped {
			continue
		}
		if c.kind == listSessions {
			s.listed(e, o, now)
		} else {
			s.lookedUp(c, e, o, now)
		}
	}
}

func (s *schedule) listed(e *entry, o outcome, now time.Time) {
	if o.err != nil {
		e.failed++
		e.reason = reasonOf(o.err)
		if e.reason == ReasonTooManyPages {
			e.endless++
		}
		e.due = now.Add(backoff(e.failed, s.random))
		switch {
		case e.unlisted() && len(e.open) == 0:
			// Its fleet may be gone too, and then no answer will ever be about the worker.
			e.due = now.Add(rareBackoff(e.failed, s.random))
			delete(s.blind, e)
		case e.failed >= blindAfter:
			s.blind[e] = struct{}{}
		}
		s.rest(e, now)
		return
	}
	e.failed, e.reason = 0, ""
	delete(s.blind, e)
	e.gone = o.gone
	e.replan, e.awaiting = true, true
	if !o.gone {
		e.listedAt = e.begun
		e.pages, e.endless = o.pages, 0
	}
	// Busy until the observation is committed.
}

// committed is told what is now known of a worker: it may be asked again.
func (s *schedule) committed(w diff.WorkerKey, h holdings, now time.Time) {
	e := s.entries[w]
	if e == nil || !e.awaiting {
		return
	}
	s.hold(e, h)
	if e.replan {
		e.replan = false
		e.due = s.plan(e, now)
	}
	s.rest(e, now)
}

// hold sets what is known of a worker's sessions.
func (s *schedule) hold(e *entry, h holdings) {
	s.openCount += len(h.open) - len(e.open)
	e.holdings = h
	e.pruneAsked()
}

// plan says when a worker that was listed is to be listed again.
func (s *schedule) plan(e *entry, now time.Time) time.Time {
	if e.unlisted() && len(e.open) > 0 {
		// Only to confirm that it is gone, should its sessions not be found.
		return now.Add(jitter(max(goneListing, s.staleness), s.random.Float64()))
	}
	if e.unlisted() {
		return now.Add(rareListing + time.Duration(s.random.Float64()*float64(time.Hour)))
	}
	interval := s.interval()
	if !e.spread {
		// Workers that were first listed together drift apart at once.
		e.spread = true
		interval = time.Duration((0.1 + 0.9*s.random.Float64()) * float64(interval))
	}
	return e.begun.Add(interval)
}

// interval is the time from one listing of a worker to the next: a tenth below the
// staleness, give or take a tenth, so that the staleness is the limit.
func (s *schedule) interval() time.Duration {
	return jitter(s.staleness*9/10, s.random.Float64())
}

// rest queues a worker that is in no call and has nothing to be committed.
func (s *schedule) rest(e *entry, now time.Time) {
	e.busy, e.awaiting = false, false
	if e.disposable() {
		s.drop(e)
		return
	}
	switch {
	case !e.hasty():
		e.listing.enter(&s.waiting, e.due)
	case e.listing.in != &s.urgent: // else it keeps its turn
		e.listing.enter(&s.waiting, now)
	}
	if at, ok := e.lookupDue(now, s.staleness); ok {
		e.lookup.enter(&s.lookups, at)
	} else {
		e.lookup.leave()
	}
}

func (s *schedule) drop(e *entry) {
	e.dropped = true
	e.listing.leave()
	e.lookup.leave()
	delete(s.entries, e.key)
	delete(s.blind, e)
	delete(s.mute, e)
	s.openCount -= len(e.open)
}

// backoff is the pause after so many failures in a row: a second, doubled each time, a
// minute at most.
func backoff(failed int, random *rand.Rand) time.Duration {
	d := time.Second << min(max(failed-1, 0), 6)
	return min(maxBackoff, jitter(d, random.Float64()))
}

// rareBackoff is the same for a worker whose listings can only be evidence for forgetting: it
// goes on doubling.
func rareBackoff(failed int, random *rand.Rand) time.Duration {
	d := time.Second << min(max(failed-1, 0), 17)
	return min(rareListing, jitter(d, random.Float64()))
}

// soonest is the earlier of two times, of which zero is never.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
