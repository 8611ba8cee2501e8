package check

import "fmt"

// walk goes through a session's events beside its true states.
type walk struct {
	*checker
	s    *session
	last int // index of the last true state that was matched; -1: none
}

// checkHistory compares a session's events with each other and with the truth.
func (c *checker) checkHistory(s *session) {
	w := walk{checker: c, s: s, last: -1}
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
			if !s.torn {
				c.anomaly(Resurrection, s.id, e.String(), "nothing follows "+before.String())
			}
			return
		}
		if !w.checkPrevious(before, e) {
			continue // the rest would only say it again
		}
		if w.checkChange(before, e) {
			w.checkFlags(e, after)
			w.compare(before, e, after)
		}
	}
}

// checkPrevious compares previous with the event before.
func (w *walk) checkPrevious(before, e *event) bool {
	if before == nil && (e.sequence > 1 || w.remembers()) || before != nil && before.sequence+1 != e.sequence {
		return true // the one before is not there
	}
	w.report.Counts.Previous++
	switch {
	case before == nil && !e.first:
		w.anomaly(WrongPrevious, w.s.id, "previous "+e.previous.String(), "first sight, so null")
	case before != nil && e.first:
		w.anomaly(WrongPrevious, w.s.id, e.String()+" with previous null", before.state.String())
	case before != nil && e.previous != before.state:
		w.anomaly(WrongPrevious, w.s.id, e.String()+" with previous "+e.previous.String(), before.state.String())
	default:
		return true
	}
	return w.s.torn
}

// remembers reports whether the watch remembers the open sessions that it found without an event.
func (w *walk) remembers() bool {
	watch := w.watchOf(w.s)
	return watch != nil && watch.initial == "none"
}

// checkChange compares the name of a change with the states around it.
func (w *walk) checkChange(before, e *event) bool {
	if before != nil && e.state == before.state && e.change != "vanished" {
		w.anomaly(InventedState, w.s.id, e.String(), "nothing changed")
		return false
	}
	want := w.change(before, e)
	if want != e.change {
		w.anomaly(WrongChange, w.s.id, e.String(), want)
	}
	return want == e.change
}

// change is what a change is called.
func (w *walk) change(before, e *event) string {
	from := e.previous
	if before != nil {
		from = before.state
	}
	switch {
	case before == nil && e.first:
		return w.firstSight(e)
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

// firstSight is news or not, by when the watch began.
func (w *walk) firstSight(e *event) string {
	watch := w.watchOf(w.s)
	switch {
	case e.sequence > 1 || watch == nil:
		return e.change // a hole or a missing watch is reported by itself
	case w.history(w.s) == certainly && watch.initial != "all":
		return "no event, the session ended before the watch began"
	case w.s.truth.startedAt >= watch.sinceOf(w.s):
		return "started"
	case w.remembers() && e.state.ended():
		return "ended"
	}
	return "discovered"
}

// checkFlags judges inferred and snapshot.
func (w *walk) checkFlags(e, after *event) {
	first := e.change == "started" || e.change == "discovered"
	more := after != nil && e.together(after) && (e.change == "started" || after.change == "ended")
	history := w.history(w.s)
	snapshot := e.change == "discovered" || e.change == "ended" && history == certainly
	switch {
	case e.snapshot != snapshot && !(e.change == "ended" && history == perhaps):
		w.anomaly(BadFlag, w.s.id, fmt.Sprintf("snapshot %t in %s", e.snapshot, e), "a snapshot is what is discovered, and history")
	case e.inferred && !first:
		w.anomaly(BadFlag, w.s.id, "inferred "+e.String(), "only a first sight can be inferred")
	case first && e.inferred != more && !w.s.torn:
		w.anomaly(BadFlag, w.s.id, fmt.Sprintf("inferred %t in %s", e.inferred, e), "inferred if the same answer showed a later state")
	case e.inferred && !e.state.plain():
		w.anomaly(BadFlag, w.s.id, "inferred "+e.String(), "an inferred first sight shows STARTED/null/null")
	}
}

// compare finds the true state that an event shows.
func (w *walk) compare(before, e, after *event) {
	w.report.Counts.States++
	switch {
	case e.change == "vanished":
		w.compareVanished(e)
	case w.farm.StaleReads:
		w.compareStale(before, e)
	case e.inferred && before == nil:
		w.bound(e, 0, 0)
		if w.s.truth.states[0].plain() {
			w.last = 0
		}
	case after != nil && after.change == "ending" && e.together(after) && e.state.status == after.state.status && before != nil:
		w.compareHalf(e)
	default:
		w.compareWhole(before, e)
	}
}

func (w *walk) compareVanished(e *event) {
	w.report.Counts.Vanished++
	t := &w.s.truth
	switch {
	case t.forgottenAt == 0 || t.forgottenAt > e.before:
		w.anomaly(FalseVanished, w.s.id, e.String(), "the service still knew it")
	case e.after >= t.forgottenAt && t.forgottenAt > 1:
		w.anomaly(FalseBound, w.s.id, e.String(), "forgotten at "+t.forgottenAt.String())
	}
}

// compareHalf judges a new status that one answer showed together with a new target: as a state of its
// own it need not have been.
func (w *walk) compareHalf(e *event) {
	late := false
	for _, t := range w.s.truth.states[w.last+1:] {
		if t.status != e.state.status {
			continue
		}
		if w.within(e, t.shown, t.shown) {
			w.report.Counts.Bounds++
			return
		}
		late = true
	}
	if late {
		w.anomaly(FalseBound, w.s.id, e.String(), w.truthText())
	} else {
		w.anomaly(InventedState, w.s.id, e.String(), w.truthText())
	}
}

// compareWhole finds the first true state after the last one that is shown within the bounds.
func (w *walk) compareWhole(before, e *event) {
	states, found := w.s.truth.states, -1
	for j := w.last + 1; j < len(states); j++ {
		if states[j].state != e.state {
			continue
		}
		if found < 0 {
			found = j
		}
		if w.within(e, w.from(before, e, j), states[j].shown) && w.showedOld(before, e, j) {
			found = j
			break
		}
	}
	if found < 0 {
		w.misplaced(e)
		return
	}
	w.bound(e, found, found)
	if before == nil || w.showedOld(before, e, found) {
		w.last = found
		return
	}
	w.anomaly(FalseBound, w.s.id, e.String(), "the state before was no longer shown then: "+w.truthText())
	w.last = found
}
