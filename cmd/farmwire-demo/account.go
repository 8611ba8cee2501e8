package main

import (
	"slices"
	"time"

	"farmwire/diff"
)

// account is what the demo says at its end: it compares the farm's own record with the events that were read.
type account struct {
	Transitions int // that happened on the farm while it was watched
	Told        int // of these, the ones that an event told
	Passed      int // of these, the statuses that came and went between two polls: no poll could see them
	Late        int // of these, the ones that are not told and not due yet, because the machine is too slow
	Discovered  int // sessions that were open when the watch began
	Events      int // events read

	MissedStarts, MissedEnds []string // session ids
	MissedStates             []string // sessions whose present state no event has told
	Invented                 []string // ids of events that tell nothing true
	Disordered               []string // ids of events that came twice, or with a hole or an event out of order before them

	Delays []time.Duration // sorted: from Shown to arrival, of each transition told
	Calls  map[string]int  // API calls by operation
	Ran    time.Duration
	Speed  float64 // of the farm
}

// rules decide what the account expects of the events.
type rules struct {
	since func(truth) time.Time               // when the watch on a session's fleet began, by the service's clock
	until time.Time                           // the record counts up to here, by our clock
	due   func(t truth, shown time.Time) bool // whether a change of a session that could be seen from shown on should have been read by now
}

// settle compares the farm's record with the events.
func settle(record []truth, events []arrival, by rules) account {
	a := account{Events: len(events)}
	told := map[string][]arrival{}
	for _, e := range events {
		id := e.Session.SessionID
		if e.Sequence != uint64(len(told[id]))+1 {
			a.Disordered = append(a.Disordered, e.ID)
		}
		told[id] = append(told[id], e)
	}
	for _, t := range record {
		a.session(t, told[t.SessionID], by)
		delete(told, t.SessionID)
	}
	for _, unknown := range told {
		for _, e := range unknown {
			a.Invented = append(a.Invented, e.ID)
		}
	}
	slices.Sort(a.Invented)
	slices.Sort(a.Delays)
	return a
}

// session adds one session to the account.
func (a *account) session(t truth, events []arrival, by rules) {
	teller := make([]*arrival, len(t.Transitions))
	for i, j := range match(t.Transitions, events) {
		switch {
		case j >= 0:
			teller[j] = &events[i]
		case events[i].Kind != diff.Vanished || !t.Forgotten:
			a.Invented = append(a.Invented, events[i].ID)
		}
	}
	since := by.since(t)
	if len(events) == 0 && !t.EndedAt.IsZero() && t.EndedAt.Before(since) {
		return // history: it was over before the watch began
	}
	if len(events) > 0 && events[0].Kind == diff.Discovered {
		since = events[0].Observed.Before // it tells the state of then, and none of the changes before
	}
	latest := -1 // the last transition that was told
	for j, e := range teller {
		if e != nil {
			latest = j
		}
	}
	returned := t.returned(events, by.until)
	for j, e := range teller {
		news := !t.Transitions[j].Shown.Before(since)
		if e != nil {
			a.told(t.Transitions[j], e, news)
			continue
		}
		past := j < latest || returned && t.Transitions[j].Kind != diff.Ending
		a.untold(t, t.Transitions[j], news, past, by)
	}
}

// returned reports whether a session has the status of its last event, by then. Then whatever it went through since came
// and went, as an update that succeeds right after another.
func (t truth) returned(events []arrival, until time.Time) bool {
	status := ""
	for _, is := range t.Transitions {
		if !is.Shown.After(until) {
			status = is.Status
		}
	}
	return len(events) > 0 && events[len(events)-1].Session.LifecycleStatus == status
}

// told adds a transition that an event told.
func (a *account) told(is transition, e *arrival, news bool) {
	if e.Kind == diff.Discovered {
		a.Discovered++
		return
	}
	a.Transitions++
	a.Told++
	if news {
		a.Delays = append(a.Delays, max(0, e.Arrived.Sub(is.Shown)))
	}
}

// untold adds a transition that no event told. Past says that the session has been seen in a state after it.
func (a *account) untold(t truth, is transition, news, past bool, by rules) {
	var missed *[]string
	switch {
	case is.Shown.After(by.until): // after the account's end
		return
	case is.Kind == diff.Started:
		missed = &a.MissedStarts
	case is.Kind == diff.Ended && !t.Forgotten:
		missed, past = &a.MissedEnds, false
	case !news || is.Kind == diff.Ended: // it passed before the watch, or the service has forgotten it
		return
	case past || gone(t, by.until):
		a.Transitions++
		a.Passed++
		return
	default:
		missed = &a.MissedStates
	}
	a.Transitions++
	// The event of a start can't come any more when one of a later state has.
	if past || by.due(t, is.Shown) {
		*missed = append(*missed, t.SessionID)
	} else {
		a.Late++
	}
}

// gone reports whether a session had ended by then. Then its statuses before have passed, and its end is what counts.
func gone(t truth, until time.Time) bool {
	last := t.Transitions[len(t.Transitions)-1]
	return last.Kind == diff.Ended && !last.Shown.After(until)
}

// missed reports whether anything is missing, or was told that is not true.
func (a account) missed() bool {
	return len(a.MissedStarts)+len(a.MissedEnds)+len(a.MissedStates)+len(a.Invented)+len(a.Disordered) > 0
}

// percentile is that of the delays, by nearest rank, and -1 if there are none.
func (a account) percentile(p int) time.Duration {
	if len(a.Delays) == 0 {
		return -1
	}
	return a.Delays[max(0, (len(a.Delays)*p+99)/100-1)]
}
