package check

import (
	"fmt"
	"slices"
)

// answer is what can be said of a session.
type answer int

const (
	no answer = iota
	perhaps
	certainly
)

// history says whether a session ended before the watch on its fleet began. It is uncertain if an
// answer could show it open or without its end's time after that.
func (c *checker) history(s *session) answer {
	w := c.watchOf(s)
	if w == nil {
		return no
	}
	since := w.sinceOf(s)
	t := &s.truth
	var endedAt instant
	half := false
	for _, st := range t.states {
		if st.endedAt != 0 {
			endedAt = st.endedAt
		}
		half = half || st.ended() && st.endedAt == 0
	}
	if endedAt == 0 || endedAt >= since {
		return no
	}
	sinceOurs := since - instant(c.farm.Skew)
	if half || t.states[t.firstEnded()].shown > sinceOurs || c.farm.StaleReads {
		return perhaps
	}
	return certainly
}

// checkDue demands the first sight and the end of a session.
func (c *checker) checkDue(s *session) {
	watch := c.watchOf(s)
	if watch == nil {
		c.anomaly(BadWatch, s.id, "no watch", "the shard of every worker has a watch on its fleet")
		return
	}
	switch h := c.history(s); {
	case h == certainly && watch.initial != "all":
		c.report.Counts.History++
		return
	case h == perhaps && len(s.events) == 0:
		c.report.Counts.History++
		return
	}
	remembered := watch.initial == "none" && s.truth.startedAt < watch.sinceOf(s)
	if !remembered && !c.checkStart(s) {
		return // a lost session has lost its end too
	}
	c.checkEnd(s)
}

// checkStart reports whether there is a first sight.
func (c *checker) checkStart(s *session) bool {
	begun := len(s.events) > 0
	if !begun && s.torn {
		return false // there were records that could not be read
	}
	if !begun && !c.startDue(s) {
		return false
	}
	c.report.Counts.StartsDue++
	if begun {
		c.report.Counts.StartsFound++
		return true
	}
	c.anomaly(LostStart, s.id, "no event", fmt.Sprintf("%s since %s; an answer first showed it at %s; whole listings that showed it: %d (%s); its worker was deleted at %s",
		s.truth.states[0].state, s.truth.states[0].shown, s.truth.listed, s.truth.wholeListings, s.truth.listingsText(), s.truth.workerDeleted))
	return false
}

// startDue reports whether a session must have been seen, and counts it if not.
func (c *checker) startDue(s *session) bool {
	due := c.due(s.truth.states[0].shown, s.truth.forgottenAt, s.truth.workerDeleted)
	switch {
	case c.in.Disturbances == nil:
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
	case !s.torn:
		c.report.Counts.EndsDue++
		last := "no event"
		if n > 0 {
			last = s.events[n-1].String()
		}
		t := s.truth.states[end]
		c.anomaly(LostEnd, s.id, "the last event is "+last, fmt.Sprintf("%s since %s", t.state, t.shown))
	}
}

// due reports whether what was shown from then on must have been seen: it was to be seen at the end, or
// for long enough.
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
