package check

import (
	"fmt"
	"slices"
)

// checkComplete demands the first event and the end of a session.
func (c *checker) checkComplete(s *session) {
	watch := c.watchOf(s)
	if watch == nil {
		c.anomaly(BadWatch, s.id, "no watch", "the shard of every worker has a watch on its fleet")
		return
	}
	switch before := c.endedBeforeWatch(s); {
	case before == certainly && watch.initial != "all", before == perhaps && len(s.events) == 0:
		c.report.Counts.EndedBeforeWatch++
		return
	}
	withoutStart := watch.initial == "none" && s.truth.startedAt < watch.sinceOf(s)
	if !withoutStart && !c.checkStart(s) {
		return // if the start is lost, so is the end
	}
	c.checkEnd(s)
}

// checkStart reports whether a session has events.
func (c *checker) checkStart(s *session) bool {
	begun := len(s.events) > 0
	if !begun && s.doubtful {
		return false // its records cannot be read
	}
	if !begun && !c.startDue(s) {
		return false
	}
	c.report.Counts.StartsDue++
	if begun {
		c.report.Counts.StartsFound++
		return true
	}
	c.anomaly(LostStart, s.id, "no event", fmt.Sprintf("%s since %s; an answer first showed it at %s; complete listings that showed it: %d (%s); its worker was deleted at %s",
		s.truth.states[0].state, s.truth.states[0].shown, s.truth.listed, s.truth.completeListings, s.truth.listingsText(), s.truth.workerDeleted))
	return false
}

// startDue reports whether a session without events must have been seen. If not, it counts the session.
func (c *checker) startDue(s *session) bool {
	due := c.due(s.truth.states[0].shown, s.truth.forgottenAt, s.truth.workerDeleted)
	switch {
	case !c.in.JudgeListings:
	case c.shownWell(s):
		return true
	case due:
		c.report.Counts.HardlyShown++
		return false
	}
	if !due {
		c.report.Counts.Unseen++
	}
	return due
}

func (c *checker) checkEnd(s *session) {
	end := s.truth.firstEnded()
	if end < 0 {
		return
	}
	n := len(s.events)
	switch {
	case slices.ContainsFunc(s.events, func(e event) bool { return e.state.ended() }):
		c.report.Counts.EndsDue++
		c.report.Counts.EndsFound++
	case n > 0 && s.events[n-1].change == "vanished", !c.due(s.truth.states[end].shown, s.truth.forgottenAt, 0):
		c.report.Counts.Unseen++
	case !s.doubtful:
		c.report.Counts.EndsDue++
		last := "no event"
		if n > 0 {
			last = s.events[n-1].String()
		}
		t := s.truth.states[end]
		c.anomaly(LostEnd, s.id, "the last event is "+last, fmt.Sprintf("%s since %s", t.state, t.shown))
	}
}

// due reports whether a state that was shown from one time until others (0 is no end) must have been seen: it was shown
// early enough, and for long enough.
func (c *checker) due(shown instant, until ...instant) bool {
	if shown > instantOf(c.in.Until) {
		return false
	}
	for _, u := range until {
		if u != 0 && u-shown < instant(c.in.Grace) {
			return false
		}
	}
	return true
}
