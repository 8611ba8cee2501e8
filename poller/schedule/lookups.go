package schedule

import (
	"math"
	"slices"
	"time"

	"farmwire/diff"
)

// Open sessions that listings do not show are looked up about once in a staleness, by BatchGetSession for many sessions of a
// farm at once. A request costs the same for one session as for a hundred, so each takes what is due soon as well, and one
// that is not full waits for its turn while others want to be listed.
const (
	dueAt  = 0.9 // of the interval since the last lookup of a session, the next is due
	soonAt = 0.5 // of the interval, the session is taken along if another is due

	newsTurn    = 4  // at most every fourth call is a batch that is not full, with a session that was not looked up yet
	batchTurn   = 20 // at most every 20th call is any other batch that is not full
	patientTurn = 80 // after so many other calls, a batch goes before listings that have been due for longer

	batchDeniedPause = time.Hour        // for BatchGetSession after it was denied
	batchFailedPause = 10 * time.Minute // for BatchGetSession after it was refused for another reason, or has failed failingAfter times
	credentialPause  = 5 * time.Second  // after credentials were refused, or could not be fetched
)

// farm is a farm with fleets that are known.
type farm struct {
	id string
	scope
	lookups  queue            // workers with sessions to look up, by when the first is due
	statuses queue            // workers whose status is swept, by when a look at it is due
	isSwept  bool             // the open sessions are swept
	resting  [kinds]time.Time // no request of a sweep is tried before
	off      [kinds]time.Time // the operation is not used until then
	hanging  [kinds]int       // calls in flight that are slow
	batches  [kinds]int       // that failed in a row for reasons that may pass by themselves

	sample    diff.Session // as in trial, but of this farm
	resumedAt time.Time    // when it was last tried whether the open sessions can be swept again
}

// lookupKind returns how the next sessions of a worker are looked up: by GetSession, if BatchGetSession does not work in the
// farm, or if it does not say what it did not find of a session that is due.
func (s *Schedule) lookupKind(w *worker, now time.Time) Kind {
	isUnclear := func(x diff.Session) bool {
		l := w.lookup(x.SessionID)
		return l.unclear && s.isNearlyDue(w, l, now)
	}
	if w.fleet.farm.off[BatchGetSession].After(now) || slices.ContainsFunc(w.toLookUp(), isUnclear) {
		return GetSession
	}
	return BatchGetSession
}

// isNearlyDue reports whether a session is taken along with a lookup.
func (s *Schedule) isNearlyDue(w *worker, l lookupState, now time.Time) bool {
	return !l.at.Add(s.leastPause(w, l, now)).After(now)
}

// leastPause returns how long after a lookup of a session the next one is worth a place in a request that is sent anyway.
func (s *Schedule) leastPause(w *worker, l lookupState, now time.Time) time.Duration {
	switch {
	case l.at.IsZero():
		return 0
	case w.isSwept(l):
		return leastLook
	case w.fleet.farm.isSwept: // it is asked for rarely, although there are requests for it all the time
		return part(dueAt, s.lookupInterval(l, now))
	}
	return part(soonAt, s.lookupInterval(l, now))
}

// isSwept reports whether a session is looked up with the sweep of the open sessions, and not for a reason of its own.
func (w *worker) isSwept(l lookupState) bool {
	return w.fleet.farm.isSwept && l.missing.IsZero() && !l.notFound
}

// lookupDue returns when the next lookup of a worker's sessions is due. It reports false if there is no session to look up.
func (s *Schedule) lookupDue(w *worker, now time.Time) (time.Time, bool) {
	var first time.Time
	for _, session := range w.toLookUp() {
		l := w.setLookup(session.SessionID)
		if l.at.IsZero() {
			if l.since.IsZero() || now.Before(l.since) { // see randomDue
				l.since = now
			}
			first = soonest(first, l.since)
			continue
		}
		if w.isSwept(*l) {
			first = soonest(first, l.at.Add(s.lookPause(w, session, l.at)))
		} else {
			first = soonest(first, l.at.Add(part(dueAt, s.lookupInterval(*l, now))))
		}
	}
	return latest(first, w.nextLookup), !first.IsZero()
}

func part(of float64, d time.Duration) time.Duration { return time.Duration(of * float64(d)) }

// repeated returns a lookup of which the same request is sent again.
func (c *choice) repeated() *task {
	for i, t := range c.s.repeats {
		switch {
		case t.notBefore.After(c.now):
			c.wait(t.notBefore)
		case c.can(t.kind):
			c.s.repeats = slices.Delete(c.s.repeats, i, i+1)
			return t
		}
	}
	return nil
}

// giveUpRepeats gives up the lookups that wait to be sent again and ask about a worker that was dropped. The others of their
// workers are looked up by new ones.
func (s *Schedule) giveUpRepeats(now time.Time) {
	given := slices.DeleteFunc(slices.Clone(s.repeats), func(t *task) bool { return !t.hasDropped() })
	s.repeats = slices.DeleteFunc(s.repeats, (*task).hasDropped)
	for _, t := range given {
		for _, w := range t.workers {
			if w.activity != dropped {
				w.forgetLookups(t.sessions)
				s.rest(w, now)
			}
		}
	}
}

// hasDropped reports whether a lookup asks about a worker that was dropped.
func (t *task) hasDropped() bool {
	return slices.ContainsFunc(t.workers, func(w *worker) bool { return w.activity == dropped })
}

// restored returns a lookup of restored sessions that were not asked for since their shard was owned.
func (c *choice) restored() *task {
	if len(c.s.unasked) == 0 {
		return nil
	}
	return c.lookup(func(f *farm, p *place) bool { return c.isDue(p) && !p.worker.asked })
}

// pressingLookup returns the queue with the lookup that goes first among those that need not wait for the turn of batches.
func (c *choice) pressingLookup() *queue {
	var first *queue
	for _, f := range c.s.farmOrder {
		p := f.lookups.first()
		if p == nil || !c.isDue(p) || !c.can(c.s.lookupKind(p.worker, c.now)) || !c.s.isItsTurn(f, c.now) {
			continue
		}
		if first == nil || p.key < first.first().key {
			first = &f.lookups
		}
	}
	return first
}

// isItsTurn reports whether the next lookup in a farm need not wait.
func (s *Schedule) isItsTurn(f *farm, now time.Time) bool {
	w := f.lookups.first().worker
	switch {
	case s.lookupKind(w, now) == GetSession, s.sinceBatch >= newsTurn && w.hasNews():
		return true
	case !f.off[BatchGetSession].IsZero() && !f.off[BatchGetSession].After(now): // after its pause it is tried again
		return true
	case f.isSwept: // the sweeps have their own turns
		return false
	case s.sinceBatch >= batchTurn:
		return true
	}
	return s.isFull(f, now)
}

// hasNews reports whether one of the worker's sessions was not looked up since it has to be.
func (w *worker) hasNews() bool {
	return slices.ContainsFunc(w.toLookUp(), func(x diff.Session) bool { return w.lookup(x.SessionID).at.IsZero() })
}

// isFull reports whether a batch in the farm would be full.
func (s *Schedule) isFull(f *farm, now time.Time) bool {
	soon := s.key(now.Add(part(dueAt-soonAt, s.config.Staleness)))
	return f.lookups.sessionsUntil(soon, 0, 0) >= batchSize
}

// sessionsUntil adds up the sessions to look up of the workers whose keys are not above the limit, until there are enough for
// a batch. It begins at a place of the heap, below which no key is smaller. A worker that has none counts as well, so that it
// does not go through all of them while they wait in the backlog to be queued anew: beginLookup leaves it out.
func (q *queue) sessionsUntil(limit int64, at, sum int) int {
	if at >= len(q.places) || sum >= batchSize || q.places[at].key > limit {
		return sum
	}
	sum += max(1, len(q.places[at].worker.toLookUp()))
	return q.sessionsUntil(limit, 2*at+2, q.sessionsUntil(limit, 2*at+1, sum))
}

// anyBatch returns any lookup that is due.
func (c *choice) anyBatch() *task {
	return c.lookup(func(f *farm, p *place) bool { return !f.isSwept && c.isDue(p) })
}

// lookup returns the lookup that goes first, of those whose first place is wanted.
func (c *choice) lookup(wanted func(*farm, *place) bool) *task {
	var first *queue
	for _, f := range c.s.farmOrder {
		p := f.lookups.first()
		if p != nil && wanted(f, p) && c.can(c.s.lookupKind(p.worker, c.now)) && (first == nil || p.key < first.first().key) {
			first = &f.lookups
		}
	}
	if first == nil {
		return nil
	}
	return c.s.beginLookup(first, c.s.lookupKind(first.first().worker, c.now), c.now)
}

// isDue reports whether the time of a lookup has come.
func (c *choice) isDue(p *place) bool {
	due := c.s.timeOf(p.key)
	c.wait(due)
	return !due.After(c.now)
}

// beginLookup begins the lookup of a kind that goes first in a queue. BatchGetSession takes the sessions of several workers.
func (s *Schedule) beginLookup(q *queue, kind Kind, now time.Time) *task {
	t := &task{kind: kind, farm: q.first().worker.fleet.farm}
	limit := batchSize
	if t.kind == GetSession {
		limit = 1
	}
	var skipped []*worker
	soon := s.key(now.Add(part(dueAt-soonAt, s.config.Staleness)))
	if q.first().worker.fleet.farm.isSwept {
		soon = math.MaxInt64
	}
	for p := q.first(); p != nil && p.key <= soon && len(t.sessions) < limit && len(skipped) < mostPassed; p = q.first() {
		w := p.worker
		before := len(t.sessions)
		if !w.nextLookup.After(now) {
			t.sessions = s.takeSessions(w, t.sessions, t.kind, limit, now)
		}
		if len(t.sessions) == before {
			skipped = append(skipped, w)
			w.lookupPlace.leave()
			continue
		}
		t.again = t.again || w.lookupFailures > 0
		t.workers = append(t.workers, w)
		if !slices.Contains(t.shards, w.shard.number) {
			t.shards = append(t.shards, w.shard.number)
		}
		s.leaveQueues(w)
	}
	for _, w := range skipped {
		s.rest(w, now)
	}
	if len(t.sessions) == 0 {
		return nil
	}
	return t
}

// takeSessions appends the sessions of a worker whose lookup is due or nearly due, until there are as many as the limit, and
// notes that they are looked up now. Those that have waited longest come first.
func (s *Schedule) takeSessions(w *worker, to []diff.Session, kind Kind, limit int, now time.Time) []diff.Session {
	sessions := w.toLookUp()
	if len(sessions) > limit-len(to) {
		sessions = slices.Clone(sessions)
		slices.SortStableFunc(sessions, func(a, b diff.Session) int {
			return w.lookup(a.SessionID).at.Compare(w.lookup(b.SessionID).at)
		})
	}
	batchWorks := !w.fleet.farm.off[BatchGetSession].After(now)
	for _, session := range sessions {
		l := w.lookup(session.SessionID)
		switch {
		case len(to) >= limit:
			return to
		case batchWorks && l.unclear != (kind == GetSession):
		case s.isNearlyDue(w, l, now):
			to = append(to, session)
			l := w.setLookup(session.SessionID)
			l.at, l.since = now, time.Time{}
		}
	}
	return to
}
