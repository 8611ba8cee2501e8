package poller

import "time"

const (
	batchDeniedPause = time.Hour        // for BatchGetSession after it was denied
	batchFailedPause = 10 * time.Minute // for BatchGetSession after it was refused for another reason, or has failed failingAfter times
)

// batchSupport is whether BatchGetSession works in a farm.
type batchSupport struct {
	off      time.Time // GetSession is used instead until then
	failures int       // in a row, of the kinds that may pass by themselves
}

// lookupKind returns how the sessions of a worker are looked up.
func (s *schedule) lookupKind(w *scheduledWorker, now time.Time) callKind {
	if s.batches[w.key.FarmID].off.After(now) {
		return lookUpSingle
	}
	return lookUpBatch
}

// nextLookup returns the lookup that may begin first, and the time at which it may begin. Normally it is the
// one that is due first. But if its operation is paused, it does not keep back the lookups of other farms
// that use the other operation.
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
func (s *schedule) beginLookup(w *scheduledWorker, now time.Time) call {
	c := call{kind: s.lookupKind(w, now)}
	limit := batchSize
	if c.kind == lookUpSingle {
		limit = maxSingleLookups
	}
	for {
		c.workers = append(c.workers, w)
		c.sessions = w.takeDueSessions(c.sessions, limit, now, s.staleness)
		s.leaveQueues(w)
		p := s.lookups.first()
		if c.kind == lookUpSingle || len(c.sessions) >= limit || p == nil || p.at.After(now) || p.worker.key.FarmID != w.key.FarmID {
			break
		}
		w = p.worker
	}
	return c
}

// judgeBatch takes in how a BatchGetSession ended. One session on which the service fails makes the whole
// batch fail. So after a failure GetSession is used for some time, instead of the same batch again and again.
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

// lookupDone takes in how a lookup of some of a worker's sessions ended.
func (s *schedule) lookupDone(c call, w *scheduledWorker, o callOutcome, now time.Time) {
	s.noteMissing(w, c.sessions, o, now)
	switch {
	case o.err == nil:
		w.lookupFailures = 0
		delete(s.lookupsFailing, w)
	case isCancelled(o.err): // for workers of another shard, which was disowned
		w.forgetLookups(c.sessions)
	case c.kind == lookUpBatch && s.lookupKind(w, now) == lookUpSingle:
		w.forgetLookups(c.sessions) // so that GetSession is tried at once
	default:
		w.lookupFailures++
		w.nextLookup = now.Add(backoff(w.lookupFailures, s.random))
		if !isOfOneSession(reasonOf(o.err)) {
			w.forgetLookups(c.sessions)
		} // else the worker's other sessions are looked up first
		if w.lookupFailures >= failingAfter {
			s.lookupsFailing[w] = struct{}{}
		}
	}
	if o.observed[w.key] {
		w.activity = uncommittedLookup
	} else {
		s.rest(w, now)
		s.noteAsked(w, false)
	}
}
