package schedule

import (
	"math"
	"time"

	"farmwire/diff"
)

// Most requests of a listing in turn show nothing new. A request for a hundred open sessions, or for the statuses of a hundred
// workers, costs as much and says of all of them whether anything has changed. So the open sessions are swept by
// BatchGetSession, and the statuses of the workers without one by BatchGetWorker. A worker is listed when its status or the end
// of a session announces a new one, see announce.go.
//
// What is left of the budget is divided between the two sweeps so that the mean delay is smallest: in proportion to the square
// root of (requests for one round × changes a second). In each sweep those go first of which a change is most likely.

const (
	lookRound   = 2 * time.Second     // the shortest time in which all open sessions are looked at
	statusRound = 3 * time.Second     // likewise the statuses of workers, which change once in a heartbeat at most
	leastLook   = lookRound * 3 / 4   // between two looks at an open session
	leastStatus = statusRound * 3 / 4 // between two looks at the status of a worker

	sweepTurn   = 10 // at least every 10th call is for a sweep,
	rareTurn    = 25 // or every 25th, if listings are worth more
	floorTurn   = 50 // at least every 50th call lists the worker that was not listed for longest
	reviewEach  = time.Second
	sweepRest   = 200 * time.Millisecond // a sweep that has nothing to ask is tried again after this
	mostHanging = 8                      // requests of a sweep that are slow in a farm, from which on it gets no more of them
	failedRest  = 5 * time.Second        // after a request for statuses that failed
	mostPassed  = 200                    // so many workers are passed over at most to fill a request
)

// sweeps is what the Schedule knows of its sweeps.
type sweeps struct {
	swept         [kinds]float64 // requests of the sweeps, each weighted so that the one with the smaller sum has the next turn
	weight        [kinds]float64 // the share of the budget that a sweep should have; only their proportion counts
	sinceSweep    int            // calls since the last one of a sweep
	sinceFloor    int            // calls since the last regular listing
	typicalLook   time.Duration  // between two looks at an open session, if all are alike
	typicalStatus time.Duration  // between two looks at the status of a worker without an open session
	watching      int            // workers of which the status is swept
	reviewed      time.Time
}

// sweepsStatuses reports whether the statuses of a farm's workers are swept.
func (f *farm) sweepsStatuses(now time.Time) bool { return !f.off[BatchGetWorker].After(now) }

// sweepInTurn returns a request of a sweep, if it is its turn although others are waiting.
func (c *choice) sweepInTurn() *task {
	turn := sweepTurn
	if c.s.strategy == RoundRobin || c.s.isOverloaded {
		turn = rareTurn
	}
	if c.s.sweeps.sinceSweep < turn-1 {
		return nil
	}
	return c.sweep()
}

// sweep returns the next request of a sweep. With RoundRobin only sessions are swept.
func (c *choice) sweep() *task {
	first, second := BatchGetSession, BatchGetWorker
	if c.s.strategy == RoundRobin {
		return c.sweepOf(first)
	}
	if c.s.sweeps.swept[second] < c.s.sweeps.swept[first] {
		first, second = second, first
	}
	t := c.sweepOf(first)
	if t == nil {
		if t = c.sweepOf(second); t != nil {
			// The other sweep has nothing to ask, and must not save up its turns.
			c.s.sweeps.swept[first] = max(c.s.sweeps.swept[first], c.s.sweeps.swept[second])
		}
	}
	return t
}

// sweepOf returns the next request of one of the sweeps.
func (c *choice) sweepOf(k Kind) *task {
	sweep := (*choice).statuses
	if k == BatchGetSession {
		sweep = (*choice).looks
	}
	for range c.s.farmOrder {
		f := c.nextFarm(k)
		if f == nil || !c.can(k) {
			return nil
		}
		workers := len(f.swept(k).places)
		if t := sweep(c, f); t != nil {
			// A request costs as much if it is not full. So there are no more of them than a round takes. They are not in step with
			// listings, or a worker that is being listed at each of them would be left out each time.
			pause := shortestRound(k) / time.Duration(1+workers/batchSize)
			f.resting[k] = c.now.Add(jitter(pause, c.s.random.Float64()))
			return t
		}
		f.resting[k] = c.now.Add(sweepRest) // all of it was looked at just now
	}
	return nil
}

// shortestRound returns the shortest time of a round of a sweep.
func shortestRound(k Kind) time.Duration {
	if k == BatchGetSession {
		return lookRound
	}
	return statusRound
}

// nextFarm returns the farm of which a sweep goes first.
func (c *choice) nextFarm(k Kind) *farm {
	var first *farm
	for _, f := range c.s.farmOrder {
		switch p := f.swept(k).first(); {
		case p == nil || f.off[k].After(c.now):
		case f.hanging[k] >= mostHanging:
		case f.resting[k].After(c.now):
			c.wait(f.resting[k])
		case first == nil || p.key < first.swept(k).first().key:
			first = f
		}
	}
	return first
}

// swept returns the queue of a sweep.
func (f *farm) swept(k Kind) *queue {
	if k == BatchGetSession {
		return &f.lookups
	}
	return &f.statuses
}

// looks returns a request for the open sessions of a farm that are due first. It leaves out those that were looked at just now,
// and those that GetSession is to be asked for.
func (c *choice) looks(f *farm) *task {
	if !f.isSwept || f.off[BatchGetSession].After(c.now) {
		return nil
	}
	return c.s.beginLookup(&f.lookups, BatchGetSession, c.now)
}

// noteSweep counts a request for the turns of the sweeps.
func (s *Schedule) noteSweep(t *task) {
	s.sweeps.sinceSweep++
	s.sweeps.sinceFloor++
	if t.kind == BatchGetSession && len(t.workers) > 0 || t.kind == BatchGetWorker {
		s.sweeps.sinceSweep = 0
		s.sweeps.swept[t.kind] += 1 / max(s.sweeps.weight[t.kind], 1e-9)
	}
}

// review divides the budget between the sweeps anew.
func (s *Schedule) review(now time.Time) {
	if now.Sub(s.sweeps.reviewed) < reviewEach {
		return
	}
	s.sweeps.reviewed = now
	s.chooseStrategy(now)
	s.jobs.saved = s.pagesOfListing()
	s.countLost(now)
	starts := max(s.starts.perSecond(now), float64(s.openCount)/usualLength.Seconds()/4, 1e-4)
	looks, statuses := math.Ceil(float64(s.openCount)/batchSize), math.Ceil(float64(s.sweeps.watching)/batchSize)
	look := math.Sqrt(looks * starts)
	status := math.Sqrt(statuses * starts * (1 - 0.8*s.followed()))
	s.sweeps.setWeights(look, status)
	left := max(s.budget.share()/sweepTurn, s.budget.share()-s.needed.perSecond(now))
	s.sweeps.typicalLook = round(looks, left*look/(look+status), lookRound)
	s.sweeps.typicalStatus = round(statuses, left*status/(look+status), statusRound)
}

// setWeights sets the shares of the sweeps. A sweep is ahead of the other one by a request at most. Else after a quiet time, in
// which the weights were small and each request counted for much, one of them would wait for the other for minutes.
func (s *sweeps) setWeights(look, status float64) {
	s.weight[BatchGetSession], s.weight[BatchGetWorker] = look, status
	ahead, other := BatchGetSession, BatchGetWorker
	if s.swept[ahead] < s.swept[other] {
		ahead, other = other, ahead
	}
	if s.weight[ahead] > 0 {
		s.swept[ahead] = min(s.swept[ahead], s.swept[other]+1/s.weight[ahead])
	}
}

// round returns how long a round of so many requests takes at a rate, but at least so long.
func round(requests, rate float64, least time.Duration) time.Duration {
	if requests == 0 || !(rate > 0) {
		return least
	}
	return max(least, time.Duration(min(requests/rate, 3600)*float64(time.Second)))
}

// lookPause returns how long after a look at an open session the next look is worth a request.
func (s *Schedule) lookPause(w *worker, x diff.Session, at time.Time) time.Duration {
	return s.hazards.interval(x.FarmID, x.QueueID, at.Sub(x.StartedAt), s.sweeps.typicalLook)
}

// floorInTurn returns a listing of the worker that was not listed for longest, if it is its turn although others are waiting.
func (c *choice) floorInTurn() *task {
	if c.s.strategy != Sweeping || c.s.sweeps.sinceFloor < floorTurn-1 {
		return nil
	}
	p := c.regular()
	if p == nil || !c.can(ListSessionsForWorker) {
		return nil
	}
	return c.s.beginListing(p.worker, c.now)
}

// noteShares counts a request that is sent for the shares of the budget: those that are neither for a sweep nor for a listing that
// could wait are what is needed.
func (s *Schedule) noteShares(t *task, now time.Time) {
	if isSweep := t.kind == BatchGetWorker || t.kind == BatchGetSession && len(t.workers) > 0; !isSweep && !t.regular {
		s.needed.add(1, now)
	}
	s.payComplete(t)
	s.jobCredit = min(mostCredit, s.jobCredit+triedShare)
}

// noteLooks notes at which of a worker's open sessions a listing or a job's listing was a look. One that the last listing does
// not show any more is looked up at once.
func (s *Schedule) noteLooks(w *worker, wereUnresolved []diff.Session, wasListed bool, now time.Time) {
	if !w.fleet.farm.isSwept {
		return
	}
	for _, x := range w.Open {
		_, isKnown := w.findLookup(x.SessionID)
		switch isUnresolved := has(w.Unresolved, x.SessionID); {
		case isUnresolved && !has(wereUnresolved, x.SessionID):
			w.setLookup(x.SessionID).at = time.Time{}
		case isUnresolved:
		case wasListed:
			w.setLookup(x.SessionID).at = w.listingBegun
		case !isKnown:
			w.setLookup(x.SessionID).at = now
		}
	}
}
