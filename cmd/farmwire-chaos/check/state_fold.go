package check

import "fmt"

// checkFold compares what .state says of a session with its events.
func (c *checker) checkFold(s *session) {
	if s.doubtful {
		return // which is reported already
	}
	n := len(s.events)
	if len(s.stored) == 0 {
		if n > 0 {
			c.anomaly(TornTransaction, s.id, s.events[n-1].String(), "no state record")
		}
		return
	}
	for i, r := range s.stored {
		if !c.checkStored(s, i, r) {
			return
		}
	}
	last := s.stored[len(s.stored)-1]
	if last.tombstone {
		return
	}
	if n > 0 && s.events[n-1].sequence > last.sequence {
		c.anomaly(TornTransaction, s.id, s.events[n-1].String(), "the last state is "+last.String())
		return
	}
	c.report.Counts.Folds++
}

// checkStored judges one record. It returns false if later records would only repeat what is wrong.
func (c *checker) checkStored(s *session, i int, r storedRecord) bool {
	if i > 0 && s.stored[i-1].tombstone {
		c.anomaly(Resurrection, s.id, "state "+r.String(), "a tombstone removed the session")
		return false
	}
	if r.tombstone {
		return c.checkTombstone(s)
	}
	if i > 0 && r.sequence <= s.stored[i-1].sequence && !onlyMissing(s.stored[i-1], r) {
		c.anomaly(FoldMismatch, s.id, "state "+r.String(), "the state before is "+s.stored[i-1].String())
		return false
	}
	if r.sequence == 0 {
		return c.checkWithoutEvents(s, r)
	}
	if r.sequence > uint64(len(s.events)) {
		c.anomaly(TornTransaction, s.id, "state "+r.String(), fmt.Sprintf("there are %d events", len(s.events)))
		return false
	}
	e := &s.events[r.sequence-1]
	c.report.Counts.StatesOfEvents++
	if r.state != e.state || r.vanished != (e.change == "vanished") {
		c.anomaly(FoldMismatch, s.id, "state "+r.String(), "the event is "+e.String())
		return false
	}
	return true
}

// onlyMissing reports whether two records in a row differ only in whether the session's queue, fleet or farm is missing.
// Such a record has no event of its own.
func onlyMissing(before, r storedRecord) bool {
	changed := before.missing != r.missing
	before.missing = r.missing
	return changed && before == r
}

// checkWithoutEvents judges a record with number 0: a session that was open at the first start, and is kept without events.
func (c *checker) checkWithoutEvents(s *session, r storedRecord) bool {
	if w := c.watchOf(s); w != nil && (w.initial != "none" || s.truth.startedAt >= w.sinceOf(s)) {
		c.anomaly(FoldMismatch, s.id, "state "+r.String(), "only sessions that were open at a start with --initial none have number 0")
		return false
	}
	for _, t := range s.truth.states {
		if t.state == r.state {
			return true
		}
	}
	c.anomaly(InventedState, s.id, "state "+r.String(), "the session never had that state")
	return false
}

// checkTombstone allows a tombstone only of a session that is over and that the service has forgotten.
func (c *checker) checkTombstone(s *session) bool {
	n := len(s.events)
	over := n > 0 && (s.events[n-1].state.ended() || s.events[n-1].change == "vanished")
	if over && (s.truth.forgottenAt != 0 || s.truth.workerDeleted != 0) {
		return true
	}
	c.anomaly(FalseTombstone, s.id, "tombstone", "the service still showed the session, or its end was not published")
	return false
}
