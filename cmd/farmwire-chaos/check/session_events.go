package check

import "fmt"

// checkEvents compares a session's events with each other and with the true states.
func (c *checker) checkEvents(s *session) {
	truth := comparison{checker: c, s: s, last: -1}
	for i := range s.events {
		e := &s.events[i]
		var before, after *event
		if i > 0 {
			before = &s.events[i-1]
		}
		if i+1 < len(s.events) {
			after = &s.events[i+1]
		}
		if before != nil && (before.state.ended() || before.change == "vanished") {
			if !s.doubtful {
				c.anomaly(Resurrection, s.id, e.String(), "nothing follows "+before.String())
			}
			return
		}
		if !c.checkPrevious(s, before, e) {
			continue // further anomalies would only repeat this one
		}
		if c.checkChange(s, before, e) {
			c.checkFlags(s, e, after)
			truth.compare(before, e, after)
		}
	}
}

// checkPrevious compares the member "previous" with the event before. It returns false if it is wrong.
func (c *checker) checkPrevious(s *session, before, e *event) bool {
	if before == nil && (e.sequence > 1 || c.initialNone(s)) || before != nil && before.sequence+1 != e.sequence {
		return true // the event before is missing
	}
	c.report.Counts.Previous++
	switch {
	case before == nil && !e.previousNull:
		c.anomaly(WrongPrevious, s.id, "previous "+e.previous.String(), "null in the first event")
	case before != nil && e.previousNull:
		c.anomaly(WrongPrevious, s.id, e.String()+" with previous null", before.state.String())
	case before != nil && e.previous != before.state:
		c.anomaly(WrongPrevious, s.id, e.String()+" with previous "+e.previous.String(), before.state.String())
	default:
		return true
	}
	return s.doubtful
}

// initialNone reports whether the watch began with --initial none, which publishes no event of sessions that are open then.
func (c *checker) initialNone(s *session) bool {
	watch := c.watchOf(s)
	return watch != nil && watch.initial == "none"
}

// checkChange compares the name of a change with the states around it. It returns false if it is wrong.
func (c *checker) checkChange(s *session, before, e *event) bool {
	if before != nil && e.state == before.state && e.change != "vanished" {
		c.anomaly(InventedState, s.id, e.String(), "nothing changed")
		return false
	}
	want := c.changeOf(s, before, e)
	if want != e.change {
		c.anomaly(WrongChange, s.id, e.String(), want)
	}
	return want == e.change
}

// changeOf is the name that the change of an event must have.
func (c *checker) changeOf(s *session, before, e *event) string {
	from := e.previous
	if before != nil {
		from = before.state
	}
	switch {
	case before == nil && e.previousNull:
		return c.firstChangeOf(s, e)
	case e.change == "vanished" && from == e.state:
		return "vanished"
	case e.state.ended():
		return "ended"
	case from.status == e.state.status && from.target != e.state.target && e.state.target == "ENDED":
		return "ending"
	case from.status == e.state.status:
		return "changed"
	case e.state.status == "UPDATE_IN_PROGRESS":
		return "updating"
	case e.state.status == "UPDATE_SUCCEEDED":
		return "updated"
	case e.state.status == "UPDATE_FAILED":
		return "updatefailed"
	}
	return "changed"
}

// firstChangeOf is the name that the first event of a session must have. It depends on when the watch began.
func (c *checker) firstChangeOf(s *session, e *event) string {
	watch := c.watchOf(s)
	switch {
	case e.sequence > 1 || watch == nil:
		return e.change // a hole or a missing watch is an anomaly of its own
	case c.endedBeforeWatch(s) == certainly && watch.initial != "all":
		return "no event, the session ended before the watch began"
	case s.truth.startedAt >= watch.sinceOf(s):
		return "started"
	case c.initialNone(s) && e.state.ended():
		return "ended"
	}
	return "discovered"
}

// checkFlags checks the members "inferred" and "snapshot".
func (c *checker) checkFlags(s *session, e, after *event) {
	first := e.change == "started" || e.change == "discovered"
	laterShown := after != nil && e.sameAnswer(after) && (e.change == "started" || after.change == "ended")
	old := c.endedBeforeWatch(s)
	snapshot := e.change == "discovered" || e.change == "ended" && old == certainly
	switch {
	case e.snapshot != snapshot && !(e.change == "ended" && old == perhaps):
		c.anomaly(BadFlag, s.id, fmt.Sprintf("snapshot %t in %s", e.snapshot, e), "snapshots are discovered sessions, and ends before the watch began")
	case e.inferred && !first:
		c.anomaly(BadFlag, s.id, "inferred "+e.String(), "only a first event can be inferred")
	case first && e.inferred != laterShown && !s.doubtful:
		c.anomaly(BadFlag, s.id, fmt.Sprintf("inferred %t in %s", e.inferred, e), "inferred if the same answer showed a later state")
	case e.inferred && !e.state.isFirst():
		c.anomaly(BadFlag, s.id, "inferred "+e.String(), "an inferred first event shows STARTED/null/null")
	}
}
