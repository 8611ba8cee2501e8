package check

import "fmt"

// checkFold compares what .state says of a session with its events.
func (c *checker) checkFold(s *session) {
	if s.torn {
		return // the events are in doubt, and that has been said
	}
	n := len(s.events)
	if len(s.stored) == 0 {
		if n > 0 {
			c.anomaly(TornTransaction, s.id, s.events[n-1].String(), "no state record")
		}
		return
	}
	for i, l := range s.stored {
		if !c.checkStored(s, i, l) {
			return
		}
	}
	last := s.stored[len(s.stored)-1]
	if last.tombstone {
		return
	}
	if n > 0 && s.events[n-1].sequence > last.sequence {
		c.anomaly(TornTransaction, s.id, s.events[n-1].String(), "the state stands at "+last.String())
		return
	}
	c.report.Counts.Folds++
}

// checkStored judges one record; false: what follows would only say it again.
func (c *checker) checkStored(s *session, i int, l stateLog) bool {
	if i > 0 && s.stored[i-1].tombstone {
		c.anomaly(Resurrection, s.id, "state "+l.String(), "it was forgotten by a tombstone")
		return false
	}
	if l.tombstone {
		return c.checkTombstone(s)
	}
	if i > 0 && l.sequence <= s.stored[i-1].sequence {
		c.anomaly(FoldMismatch, s.id, "state "+l.String(), "it stood at "+s.stored[i-1].String())
		return false
	}
	if l.sequence == 0 {
		return c.checkRemembered(s, l)
	}
	if l.sequence > uint64(len(s.events)) {
		c.anomaly(TornTransaction, s.id, "state "+l.String(), fmt.Sprintf("there are %d events", len(s.events)))
		return false
	}
	e := &s.events[l.sequence-1]
	c.report.Counts.StatesOfEvents++
	if l.state != e.state || l.vanished != (e.change == "vanished") {
		c.anomaly(FoldMismatch, s.id, "state "+l.String(), "the event is "+e.String())
		return false
	}
	return true
}

// checkRemembered judges a record without events.
func (c *checker) checkRemembered(s *session, l stateLog) bool {
	if w := c.watchOf(s); w != nil && (w.initial != "none" || s.truth.startedAt >= w.sinceOf(s)) {
		c.anomaly(FoldMismatch, s.id, "state "+l.String(), "only sessions that were open at a start with --initial none have number 0")
		return false
	}
	for _, t := range s.truth.states {
		if t.state == l.state {
			return true
		}
	}
	c.anomaly(InventedState, s.id, "state "+l.String(), "it never was in that state")
	return false
}

// checkTombstone allows one only of a session that is over and that the service has forgotten.
func (c *checker) checkTombstone(s *session) bool {
	n := len(s.events)
	over := n > 0 && (s.events[n-1].state.ended() || s.events[n-1].change == "vanished")
	if over && (s.truth.forgottenAt != 0 || s.truth.workerDeleted != 0) {
		return true
	}
	c.anomaly(FalseTombstone, s.id, "tombstone", "the service still showed it, or it was not over")
	return false
}

// readEnded takes a record of .ended.
func (c *checker) readEnded(r record) error {
	c.report.Counts.Ended++
	c.checkPartition(r, r.key)
	s := c.sessions[r.key]
	if s == nil {
		c.anomaly(EndedDiffers, r.key, r.value, "there was no such session")
		return nil
	}
	s.ended = append(s.ended, digestOf(r.key, r.headers, r.value))
	return nil
}

// checkEnded compares .ended with the ended events that are no snapshot.
func (c *checker) checkEnded(s *session) {
	copies := s.ended
	for i := range s.events {
		e := &s.events[i]
		if e.change != "ended" || e.snapshot {
			continue
		}
		switch {
		case len(copies) == 0:
			c.anomaly(EndedDiffers, s.id, "no copy", e.String())
			continue
		case copies[0] != e.whole:
			c.anomaly(EndedDiffers, s.id, "a copy that is another event", e.String())
		default:
			c.report.Counts.EndedCopies++
		}
		copies = copies[1:]
	}
	if len(copies) > 0 && !s.torn {
		c.anomaly(EndedDiffers, s.id, fmt.Sprintf("%d copies too many", len(copies)), "one copy of each ended event that is no snapshot")
	}
}
