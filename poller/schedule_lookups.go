package poller

import "time"

const (
	batchDeniedPause = time.Hour        // for BatchGetSession after it was denied
	batchFailedPause = 10 * time.Minute // for BatchGetSession after it was refused otherwise, or keeps failing
)

// batchSupport says whether BatchGetSession works in a farm.
type batchSupport struct {
	off      time.Time // GetSession is used instead until then
	failures int       // in a row, each of which may have been by chance
}

// lookupKind returns how the sessions of a worker are looked up.
func (s *schedule) lookupKind(e *scheduledWorker, now time.Time) callKind {
	if s.batches[e.key.FarmID].off.After(now) {
		return lookUpSingle
	}
	return lookUpBatch
}

// nextLookup returns the lookup that may begin first, and the time at which it may begin. This is the one
// that is due first, unless its operation is paused and that of another farm's lookup is not.
func (s *schedule) nextLookup(now time.Time, earliest *startTimes) (*place, time.Time) {
	first := s.lookups.first()
	if first == nil {
		return nil, time.Time{}
	}
	at := func(p *place) time.Time { return latest(p.at, earliest[s.lookupKind(p.worker, now)]) }
	if len(s.batches) == 0 || !at(first).After(now) || earliest[lookUpBatch].Equal(earliest[lookUpSingle]) {
		return first, at(first)
	}
	for _, p := range s.lookups.places {
		if a, b := at(p), at(first); a.Before(b) || a.Equal(b) && p.at.Before(first.at) {
			first = p
		}
	}
	return first, at(first)
}

// beginLookup begins a call that looks up the due sessions of a worker. BatchGetSession takes the sessions
// of several workers of one farm.
func (s *schedule) beginLookup(e *scheduledWorker, now time.Time) call {
	c := call{kind: s.lookupKind(e, now)}
	limit := batchSize
	if c.kind == lookUpSingle {
		limit = maxSingleLookups
	}
	for {
		c.workers = append(c.workers, e)
		c.sessions = e.takeDueSessions(c.sessions, limit, now, s.staleness)
		s.leaveQueues(e)
		p := s.lookups.first()
		if c.kind == lookUpSingle || len(c.sessions) >= limit || p == nil || p.at.After(now) || p.worker.key.FarmID != e.key.FarmID {
			break
		}
		e = p.worker
	}
	return c
}

// judgeBatch takes in how BatchGetSession went. A single session that the service refuses or fails on makes
// the whole batch fail, so the same batch is not sent again and again.
func (s *schedule) judgeBatch(farm string, err error, now time.Time) {
	if err == nil {
		delete(s.batches, farm)
		return
	}
	b := s.batches[farm]
	switch reasonOf(err) {
	case ReasonDenied:
		b.off = now.Add(batchDeniedPause)
	case ReasonRefused, ReasonNotFound:
		b.off = now.Add(batchFailedPause)
	case ReasonServerError, ReasonMalformed, ReasonTimeout:
		if b.failures++; b.failures >= failingAfter {
			b.off = now.Add(batchFailedPause)
		}
	}
	s.batches[farm] = b
}

func (s *schedule) lookupDone(c call, e *scheduledWorker, o callOutcome, now time.Time) {
	switch {
	case o.err == nil:
		e.lookupFailures = 0
		delete(s.lookupsFailing, e)
	case c.kind == lookUpBatch && s.lookupKind(e, now) == lookUpSingle:
		e.forgetLookups(c.sessions) // so that GetSession is tried at once
	default:
		e.lookupFailures++
		e.nextLookup = now.Add(backoff(e.lookupFailures, s.random))
		if !isOfOneSession(reasonOf(o.err)) {
			e.forgetLookups(c.sessions)
		} // else other sessions have their turn first
		if e.lookupFailures >= failingAfter {
			s.lookupsFailing[e] = struct{}{}
		}
	}
	if o.observed[e.key] {
		e.activity = uncommittedLookup
	} else {
		s.rest(e, now)
	}
}
