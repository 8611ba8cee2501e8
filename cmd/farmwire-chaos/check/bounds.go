package check

// checkBounds checks the bounds of an event that shows the j-th true state.
func (c *comparison) checkBounds(e *event, j int) {
	c.report.Counts.Bounds++
	t := &c.s.truth
	from := t.states[j].shown
	if e.change == "ended" && t.firstEnded() < j {
		from = t.states[t.firstEnded()].shown
	}
	if e.sequence == 1 {
		from = t.states[0].shown
	}
	if !c.within(e, from, t.states[j].shown) {
		c.anomaly(FalseBound, c.s.id, e.String(), "shown since "+from.String()+": "+c.truthText())
	}
}

// from is when the service began to show the change of an event with the j-th true state: for a first event the session,
// and for an end either its status or its time.
func (c *comparison) from(before, e *event, j int) instant {
	t := &c.s.truth
	switch {
	case before == nil:
		return t.states[0].shown
	case e.change == "ended":
		return t.states[t.firstEnded()].shown
	}
	return t.states[j].shown
}

// within reports whether after < from and shown <= before. The lower bound may be wrong up to the last answer that showed
// less than the truth.
func (c *comparison) within(e *event, from, shown instant) bool {
	return (e.after < from || e.after <= c.s.truth.incompleteUntil) && shown <= e.before
}

// couldShow reports whether an answer at the lower bound of an event with the j-th true state could still show the state
// of the event before.
func (c *comparison) couldShow(before, e *event, j int) bool {
	if before == nil || before.sequence+1 != e.sequence || c.last < 0 || e.after == 0 || before.sameAnswer(e) || e.after <= c.s.truth.incompleteUntil {
		return true
	}
	states := c.s.truth.states
	compared := false
	for k := c.last; k < j; k++ {
		if states[k].state != before.state {
			continue
		}
		compared = true
		if states[k+1].shown > e.after {
			return true
		}
	}
	return !compared
}
