package poller

import "time"

const (
	batchRetry   = time.Hour        // after BatchGetSession was denied
	batchRefused = 10 * time.Minute // after it was refused otherwise, or failed
	batchFailing = 3                // failures in a row after which it is not tried for a while
)

// batches is how BatchGetSession fares in a farm.
type batches struct {
	off    time.Time // not tried before: GetSession is asked instead
	failed int       // in a row, where each may have been by chance
}

func (s *schedule) lookupKind(e *entry, now time.Time) kind {
	if s.batches[e.key.FarmID].off.After(now) {
		return lookUpSingly
	}
	return lookUp
}

// nextLookup gives the lookup that may begin first, and when. That is the one that is due
// first, unless its operation has to wait and another farm's has not.
func (s *schedule) nextLookup(now time.Time, open *gates) (*place, time.Time) {
	first := s.lookups.first()
	if first == nil {
		return nil, time.Time{}
	}
	at := func(p *place) time.Time { return latest(p.at, open[s.lookupKind(p.entry, now)]) }
	if len(s.batches) == 0 || !at(first).After(now) || open[lookUp].Equal(open[lookUpSingly]) {
		return first, at(first)
	}
	for _, p := range s.lookups.places {
		if a, b := at(p), at(first); a.Before(b) || a.Equal(b) && p.at.Before(first.at) {
			first = p
		}
	}
	return first, at(first)
}

// beginLookup gathers the sessions that are due, of several workers of one farm where the
// operation takes several.
func (s *schedule) beginLookup(e *entry, now time.Time) call {
	c := call{kind: s.lookupKind(e, now)}
	limit := batchSize
	if c.kind == lookUpSingly {
		limit = singly
	}
	for {
		c.entries = append(c.entries, e)
		c.sessions = e.dueSessions(c.sessions, limit, now, s.staleness)
		s.occupy(e)
		p := s.lookups.first()
		if c.kind == lookUpSingly || len(c.sessions) >= limit || p == nil || p.at.After(now) || p.entry.key.FarmID != e.key.FarmID {
			break
		}
		e = p.entry
	}
	return c
}

// judgeBatch takes in how BatchGetSession went. One session that the service refuses, or
// fails on, fails all that are asked for together, so it is not tried again and again.
func (s *schedule) judgeBatch(farm string, err error, now time.Time) {
	if err == nil {
		delete(s.batches, farm)
		return
	}
	b := s.batches[farm]
	switch reasonOf(err) {
	case ReasonDenied:
		b.off = now.Add(batchRetry)
	case ReasonRefused, ReasonNotFound:
		b.off = now.Add(batchRefused)
	case ReasonServerError, ReasonMalformed, ReasonTimeout:
		if b.failed++; b.failed >= batchFailing {
			b.off = now.Add(batchRefused)
		}
	}
	s.batches[farm] = b
}

func (s *schedule) lookedUp(c call, e *entry, o outcome, now time.Time) {
	switch {
	case o.err == nil:
		e.lookupFailed = 0
		delete(s.mute, e)
	case c.kind == lookUp && s.lookupKind(e, now) == lookUpSingly:
		e.forgetAsked(c.sessions) // asked for by GetSession at once
	default:
		e.lookupFailed++
		e.lookupAfter = now.Add(backoff(e.lookupFailed, s.random))
		if !isOfOneSession(reasonOf(o.err)) {
			e.forgetAsked(c.sessions)
		} // else others have their turn before
		if e.lookupFailed >= blindAfter {
			s.mute[e] = struct{}{}
		}
	}
	if o.observed[e.key] {
		e.awaiting = true
	} else {
		s.rest(e, now)
	}
}
