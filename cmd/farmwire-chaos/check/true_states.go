package check

import (
	"fmt"
	"strings"
)

// comparison finds the true states that a session's events show, one event after the other.
type comparison struct {
	*checker
	s    *session
	last int // index of the last true state that was found; -1: none
}

// compare finds the true state that an event shows, and checks its bounds.
func (c *comparison) compare(before, e, after *event) {
	c.report.Counts.States++
	switch {
	case e.change == "vanished":
		c.compareVanished(e)
	case c.farm.StaleReads:
		c.compareStale(before, e)
	case e.inferred && before == nil:
		c.checkBounds(e, 0)
		if c.s.truth.states[0].isFirst() {
			c.last = 0
		}
	case after != nil && after.change == "ending" && e.sameAnswer(after) && e.state.status == after.state.status && before != nil:
		c.compareDerived(e)
	default:
		c.compareShown(before, e)
	}
}

func (c *comparison) compareVanished(e *event) {
	c.report.Counts.Vanished++
	t := &c.s.truth
	switch {
	case t.forgottenAt == 0 || t.forgottenAt > e.before:
		c.anomaly(FalseVanished, c.s.id, e.String(), "the service still knew the session")
	case e.after >= t.forgottenAt && t.forgottenAt > 1:
		c.anomaly(FalseBound, c.s.id, e.String(), "forgotten at "+t.forgottenAt.String())
	}
}

// compareDerived checks a state that was derived from an answer with a new status and a new target. It has the new status
// only, and need not be a true state.
func (c *comparison) compareDerived(e *event) {
	late := false
	for _, t := range c.s.truth.states[c.last+1:] {
		if t.status != e.state.status {
			continue
		}
		if c.within(e, t.shown, t.shown) {
			c.report.Counts.Bounds++
			return
		}
		late = true
	}
	if late {
		c.anomaly(FalseBound, c.s.id, e.String(), c.truthText())
	} else {
		c.anomaly(InventedState, c.s.id, e.String(), c.truthText())
	}
}

// compareShown finds the first true state after the last one that was shown within the bounds of the event.
func (c *comparison) compareShown(before, e *event) {
	states, found := c.s.truth.states, -1
	for j := c.last + 1; j < len(states); j++ {
		if states[j].state != e.state {
			continue
		}
		if found < 0 {
			found = j
		}
		if c.within(e, c.from(before, e, j), states[j].shown) && c.couldShow(before, e, j) {
			found = j
			break
		}
	}
	if found < 0 {
		c.misplaced(e)
		return
	}
	c.checkBounds(e, found)
	if before != nil && !c.couldShow(before, e, found) {
		c.anomaly(FalseBound, c.s.id, e.String(), "the state before was no longer shown then: "+c.truthText())
	}
	c.last = found
}

// misplaced names what is wrong with a state that does not come next.
func (c *comparison) misplaced(e *event) {
	for _, t := range c.s.truth.states[:c.last+1] {
		if t.state == e.state {
			c.anomaly(WrongOrder, c.s.id, e.String(), c.truthText())
			return
		}
	}
	c.anomaly(InventedState, c.s.id, e.String(), c.truthText())
}

// compareStale checks starts, ends and targets only, and no lower bounds.
func (c *comparison) compareStale(before, e *event) {
	t := &c.s.truth
	begun := -1
	switch {
	case before == nil:
		begun = 0
	case e.change == "ended":
		begun = t.firstEnded()
	case e.change == "ending":
		begun = t.index(func(s state) bool { return s.target == "ENDED" })
	default:
		begun = t.index(func(s state) bool { return s.status == e.state.status })
	}
	ends := !e.state.ended() || t.index(func(s state) bool { return s.ended() && s.endedAt == e.state.endedAt }) >= 0
	target := e.state.target == "" || t.index(func(s state) bool { return s.target == e.state.target }) >= 0
	if before != nil && before.state.target == "ENDED" && e.state.target != "ENDED" {
		c.anomaly(WrongOrder, c.s.id, e.String(), "the target ENDED never goes back")
		return
	}
	if begun < 0 || !ends || !target {
		c.anomaly(InventedState, c.s.id, e.String(), c.truthText())
		return
	}
	c.report.Counts.Bounds++
	if t.states[begun].shown > e.before {
		c.anomaly(FalseBound, c.s.id, e.String(), c.truthText())
	}
}

// truthText tells the true states with the times from which they were shown.
func (c *comparison) truthText() string {
	var b strings.Builder
	for i, t := range c.s.truth.states {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s since %s", t.state, t.shown)
	}
	if c.s.truth.incompleteUntil > 0 {
		fmt.Fprintf(&b, ", shown incompletely until %s", c.s.truth.incompleteUntil)
	}
	return b.String()
}
