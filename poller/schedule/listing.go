package schedule

import (
	"slices"
	"time"

	"farmwire/diff"
)

const (
	noSuchInterval = time.Minute                     // between listings of a worker that does not exist while sessions of it are open
	restoredSpread = 4 * time.Hour                   // restored workers without open sessions become due within this time
	forgetMargin   = 10 * time.Minute                // for the difference of the service's clock, which decides what is forgotten
	forgetInterval = diff.ForgetAfter + forgetMargin // between two listings of a retired worker
	unsureTurn     = 4                               // at most every fourth call lists a worker that is unsure, if others are due
	spareTurn      = 20                              // at most every 20th call is for listings of hidden workers, if others are due
	sparePause     = 500 * time.Millisecond          // at least, between the beginnings of listings of hidden workers
	againTurn      = 20                              // after a listing that failed again, so many other calls go before the next such listing
)

// class is why a worker's listing is due.
type class uint8

const (
	urgent class = iota // the worker is new or has changed, was not listed since its shard was owned, or a session of it was not found
	active              // it has open sessions
	idle                // it has none, or listings do not show them
	second              // it was listed, but others of its shard wait for their first listing
	again               // its last listing failed
	unsure              // it is hidden, but may exist, because discovery fails
	spare               // it is hidden
	classes
)

// lengths are the queues of a class, by the length of the listings.
type lengths [lengthCount]queue

// classOf returns the class of a worker whose listing is due.
func (s *Schedule) classOf(w *worker) class {
	switch {
	case w.isDueAtOnce():
		return urgent
	case w.isHidden() && w.presence == presenceUnknown && s.discoveryFailing(w.fleet.fleetKey):
		return unsure
	case w.isHidden():
		return spare
	case w.listingFailures > 0:
		return again
	case (w.wants || w.announced) && w.presence == presenceShown, w.first && !w.isAtRest():
		return urgent
	case w.first:
		return idle
	case w.shard.firsts > 0:
		return second
	}
	if w.isActive() {
		return active
	}
	return idle
}

// promote moves workers whose listings have become due to the queues of their fleets, those first that were due first.
func (s *Schedule) promote(now time.Time) {
	limit := s.key(now)
	for range atOnce {
		p := s.waiting.first()
		if q := s.early.first(); p == nil || q != nil && q.key < p.key {
			p = q
		}
		if p == nil || p.key > limit {
			return
		}
		s.queueDue(p.worker)
	}
}

// queueDue queues a worker whose listing is due.
func (s *Schedule) queueDue(w *worker) {
	cl := s.classOf(w)
	w.listingPlace.enter(&w.fleet.queues[cl][w.length()], w.listingPlace.key)
	w.class = cl
	s.queued[cl]++
}

// leaveListingQueue takes the worker out of the queue that its listing waits in.
func (s *Schedule) leaveListingQueue(w *worker) {
	if in := w.listingPlace.in; in != nil && !s.isWaiting(w) {
		s.queued[w.class]--
	}
	w.listingPlace.leave()
}

// firstOf returns the worker of a class whose listing goes first, of those of some lengths that may begin.
func (c *choice) firstOf(cl class, lengths ...length) *place {
	var first *place
	for _, l := range lengths {
		if c.s.queued[cl] == 0 || l != short && !c.mayBeginLong() {
			continue
		}
		for _, f := range c.s.order {
			if c.isUnswept && f.farm.isSwept {
				continue
			}
			if p := f.queues[cl][l].first(); p != nil && (first == nil || p.key < first.key) && c.admits(f) {
				first = p
			}
		}
	}
	return first
}

// firstIn returns the worker of a class whose listing goes first, of those that may begin.
func (c *choice) firstIn(cl class) *place {
	return c.fair(func(lengths ...length) *place { return c.firstOf(cl, lengths...) })
}

// regular returns the active or idle worker whose listing goes first, of those that may begin.
func (c *choice) regular() *place {
	waited := func(p *place) time.Duration { return c.s.config.Staleness + c.now.Sub(c.s.timeOf(p.key)) }
	return c.fair(func(lengths ...length) *place {
		busy, rest := c.firstOf(active, lengths...), c.firstOf(idle, lengths...)
		if busy == nil || rest != nil && time.Duration(c.s.regularWeight(busy.worker))*waited(busy) < waited(rest) {
			return rest
		}
		return busy
	})
}

// regularUnswept returns what regular does, of the farms in which open sessions are not swept. Nothing but regular listings shows
// their ends there, so these have the turns that they have without sweeps.
func (c *choice) regularUnswept() *place {
	if !slices.ContainsFunc(c.s.farmOrder, func(f *farm) bool { return !f.isSwept }) {
		return nil
	}
	c.isUnswept = true
	p := c.regular()
	c.isUnswept = false
	return p
}

// fair chooses between the workers that have one page and those that have several, of which first returns those that go
// first.
func (c *choice) fair(first func(...length) *place) *place {
	several := first(long)
	if several != nil && c.s.longCredit >= 0 {
		return several
	}
	if one := first(short, unknown); one != nil || several == nil {
		return one
	}
	if calm := c.s.lateAt.Add(c.s.calm(several.worker)); calm.After(c.now) {
		c.wait(calm)
		return nil
	}
	return several
}

// list returns the listing of a class that goes first, if it may begin.
func (c *choice) list(cl class) *task {
	p := c.firstIn(cl)
	if p == nil || !c.can(ListSessionsForWorker) {
		return nil
	}
	return c.s.beginListing(p.worker, c.now)
}

// pressingOrRegular returns the pressing call, the request of a sweep or the regular listing that goes first. With Sweeping,
// pressing calls go before sweeps, and these before regular listings. Else, if there are pressing calls and regular listings,
// pressing calls have every second turn.
func (c *choice) pressingOrRegular() *task {
	lookup := c.pressingLookup()
	listing, due := c.firstIn(urgent), c.regular()
	isSweeping := c.s.strategy == Sweeping
	if unswept := c.regularUnswept(); isSweeping && unswept != nil {
		isSweeping, due = false, unswept
	}
	if !isSweeping && listing != nil && due != nil && listing.worker.length() == long && due.worker.length() != long && c.s.longCredit < 0 {
		listing = nil
	}
	if (listing != nil || due != nil) && !c.can(ListSessionsForWorker) {
		isSoon := c.ready[ListSessionsForWorker].Before(c.now.Add(longestHold))
		c.isHeld = (listing != nil || !isSweeping) && isSoon
		listing, due = nil, nil
	}
	switch pressing := listing != nil || lookup != nil; {
	case pressing && (due == nil || isSweeping || !c.s.lastWasPressing):
		c.s.lastWasPressing = true
		if lookup != nil && (listing == nil || c.s.sinceBatch >= patientTurn || lookup.first().key < listing.key) {
			return c.s.beginLookup(lookup, c.s.lookupKind(lookup.first().worker, c.now), c.now)
		}
		return c.s.beginListing(listing.worker, c.now)
	case isSweeping:
		if t := c.sweep(); t != nil {
			return t
		}
		if due != nil {
			return c.ahead() // what is due is late anyway
		}
	case due != nil:
		c.s.lastWasPressing = false
		c.s.noteLate(due, c.now)
		return c.s.beginListing(due.worker, c.now)
	}
	return nil
}

// againInTurn lists a worker whose last listing failed, if it is its turn.
func (c *choice) againInTurn() *task {
	if c.s.sinceAgain < againTurn {
		return nil
	}
	return c.anyAgain()
}

// anyAgain lists a worker whose last listing failed.
func (c *choice) anyAgain() *task {
	if c.s.again[forListing] >= againPlaces {
		return nil
	}
	return c.list(again)
}

// spareInTurn lists a hidden worker, if it is its turn.
func (c *choice) spareInTurn() *task {
	if c.s.sinceSpare >= unsureTurn-1 {
		if t := c.list(unsure); t != nil {
			return t
		}
	}
	if c.s.sinceSpare >= spareTurn-1 {
		return c.listSpare()
	}
	return nil
}

// anySpare lists a hidden worker.
func (c *choice) anySpare() *task {
	if t := c.list(unsure); t != nil {
		return t
	}
	return c.listSpare()
}

// listSpare lists a hidden worker that hardly exists.
func (c *choice) listSpare() *task {
	if c.s.spareAt.After(c.now) {
		if c.firstIn(spare) != nil {
			c.wait(c.s.spareAt)
		}
		return nil
	}
	t := c.list(spare)
	if t != nil {
		c.s.spareAt = c.now.Add(sparePause)
	}
	return t
}

// beginListing begins a listing of a worker.
func (s *Schedule) beginListing(w *worker, now time.Time) *task {
	s.leaveQueues(w)
	t := &task{
		kind: ListSessionsForWorker, shards: []int{w.shard.number}, worker: w, again: w.listingFailures > 0,
		spare: w.class == spare || w.class == unsure, page: 1, limit: w.pageLimit(),
		announced: w.announced, urgent: w.urgent, complete: !w.stopsEarly(),
	}
	if w.class == active || w.class == idle {
		t.regular, s.sweeps.sinceFloor = true, 0
	}
	w.urgent = false
	w.listingBegun = now
	s.listings = append(s.listings, t)
	return t
}

// leaveQueues takes a worker out of all queues, because a call begins that lists it or looks up its sessions.
func (s *Schedule) leaveQueues(w *worker) {
	w.activity = inCall
	s.leaveListingQueue(w)
	w.lookupPlace.leave()
	s.leaveStatuses(w)
	w.completePlace.leave()
}
