package check

import (
	"fmt"
	"strings"
)

// from is when the service began to show what the event tells: for an end its first half, for a
// first sight the session.
func (w *walk) from(before, e *event, j int) instant {
	t := &w.s.truth
	switch {
	case before == nil:
		return t.states[0].shown
	case e.change == "ended":
		return t.states[t.firstEnded()].shown
	}
	return t.states[j].shown
}

// within reports whether after < from and shown <= before. An answer that showed less than the truth
// excuses the lower bound.
func (w *walk) within(e *event, from, shown instant) bool {
	return (e.after < from || e.after <= w.s.truth.blurred) && shown <= e.before
}

// bound judges the bounds of an event that shows the j-th true state; begun is where that began to be shown.
func (w *walk) bound(e *event, begun, j int) {
	w.report.Counts.Bounds++
	t := &w.s.truth
	from := t.states[begun].shown
	if e.change == "ended" && t.firstEnded() < begun {
		from = t.states[t.firstEnded()].shown
	}
	if e.sequence == 1 {
		from = t.states[0].shown
	}
	if !w.within(e, from, t.states[j].shown) {
		w.anomaly(FalseBound, w.s.id, e.String(), "shown since "+from.String()+": "+w.truthText())
	}
}

// showedOld reports whether the state before the event could still be shown at its lower bound.
func (w *walk) showedOld(before, e *event, j int) bool {
	if before == nil || before.sequence+1 != e.sequence || w.last < 0 || e.after == 0 || before.together(e) || e.after <= w.s.truth.blurred {
		return true
	}
	states := w.s.truth.states
	compared := false
	for k := w.last; k < j; k++ {
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

// misplaced names what is wrong with a state that does not come next.
func (w *walk) misplaced(e *event) {
	for _, t := range w.s.truth.states[:w.last+1] {
		if t.state == e.state {
			w.anomaly(WrongOrder, w.s.id, e.String(), w.truthText())
			return
		}
	}
	w.anomaly(InventedState, w.s.id, e.String(), w.truthText())
}

// compareStale judges starts, ends and targets only, and no bound from below.
func (w *walk) compareStale(before, e *event) {
	t := &w.s.truth
	begun := -1
	switch {
	case before == nil:
		begun = 0
	case e.change == "ended":
		begun = t.firstEnded()
	case e.change == "ending":
		begun = w.index(func(s state) bool { return s.target == "ENDED" })
	default:
		begun = w.index(func(s state) bool { return s.status == e.state.status })
	}
	ends := !e.state.ended() || w.index(func(s state) bool { return s.ended() && s.endedAt == e.state.endedAt }) >= 0
	target := e.state.target == "" || w.index(func(s state) bool { return s.target == e.state.target }) >= 0
	if before != nil && before.state.target == "ENDED" && e.state.target != "ENDED" {
		w.anomaly(WrongOrder, w.s.id, e.String(), "the target ENDED never goes back")
		return
	}
	if begun < 0 || !ends || !target {
		w.anomaly(InventedState, w.s.id, e.String(), w.truthText())
		return
	}
	w.report.Counts.Bounds++
	if t.states[begun].shown > e.before {
		w.anomaly(FalseBound, w.s.id, e.String(), w.truthText())
	}
}

func (w *walk) index(f func(state) bool) int {
	for i, t := range w.s.truth.states {
		if f(t.state) {
			return i
		}
	}
	return -1
}

// truthText tells the true states with the times from which they were shown.
func (w *walk) truthText() string {
	var b strings.Builder
	for i, t := range w.s.truth.states {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s since %s", t.state, t.shown)
	}
	if w.s.truth.blurred > 0 {
		fmt.Fprintf(&b, ", shown less than that until %s", w.s.truth.blurred)
	}
	return b.String()
}
