package main

import (
	"slices"
	"time"
)

// account is what the demo says at its end: the farm's own record beside the events that were read.
type account struct {
	Transitions int // that happened on the farm while it was watched
	Told        int // of these, the ones that an event told
	Passed      int // of these, the statuses that came and went between two polls: nobody could see them
	Discovered  int // sessions that were open when the watch began
	Events      int // events read

	MissedStarts, MissedEnds []string // session ids
	Late                     []string // sessions whose present state no event has told
	Invented                 []string // ids of events that tell nothing true
	Disordered               []string // ids of events that came twice, or with a hole or an event out of order before them

	Delays []time.Duration // sorted: from Shown to arrival, of each transition told
	Calls  map[string]int  // API calls by operation
	Ran    time.Duration
}

// settle compares the farm's record with the events. Since is when the watch on a session's fleet began
// (the service's clock), until the instant up to which the farm's record counts (ours).
func settle(record []truth, events []event, since func(truth) time.Time, until time.Time) account {
	a := account{Events: len(events)}
	told := map[string][]event{}
	for _, e := range events {
		id := e.Session.SessionID
		if e.Sequence != uint64(len(told[id]))+1 {
			a.Disordered = append(a.Disordered, e.ID)
		}
		told[id] = append(told[id], e)
	}
	for _, t := range record {
		a.session(t, told[t.SessionID], since(t), until)
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
func (a *account) session(t truth, events []event, since, until time.Time) {
	teller := make([]*event, len(t.Transitions))
	for i, j := range match(t.Transitions, events) {
		switch {
		case j >= 0:
			teller[j] = &events[i]
		case events[i].Change != "vanished" || !t.Forgotten:
			a.Invented = append(a.Invented, events[i].ID)
		}
	}
	if len(events) == 0 && !t.EndedAt.IsZero() && t.EndedAt.Before(since) {
		return // history: it was over before the watch began
	}
	if len(events) > 0 && events[0].Change == "discovered" {
		since = events[0].Observed.Before // it tells the state of then, and none of the changes before
	}
	latest := -1 // the last transition that was told
	for j, e := range teller {
		if e != nil {
			latest = j
		}
	}
	returned := t.returned(events, until)
	for j, e := range teller {
		past := j < latest || returned && t.Transitions[j].Change != "ending"
		a.transition(t, j, e, past, since, until)
	}
}

// returned reports whether a session has the status of its last event, by then: whatever it went through since
// came and went, as an update that succeeds right after another.
func (t truth) returned(events []event, until time.Time) bool {
	status := ""
	for _, is := range t.Transitions {
		if !is.Shown.After(until) {
			status = is.Status
		}
	}
	return len(events) > 0 && events[len(events)-1].Session.LifecycleStatus == status
}

// transition adds one true transition; e is the event that told it, nil if none did, and past
// says that the session has been seen in a state after it.
func (a *account) transition(t truth, j int, e *event, past bool, since, until time.Time) {
	is := t.Transitions[j]
	news := !is.Shown.Before(since)
	switch {
	case e != nil && e.Change == "discovered":
		a.Discovered++
	case e != nil:
		a.Transitions++
		a.Told++
		if news {
			a.Delays = append(a.Delays, max(0, e.Arrived.Sub(is.Shown)))
		}
	case is.Shown.After(until): // after the account's end
	case is.Change == "started":
		a.Transitions++
		a.MissedStarts = append(a.MissedStarts, t.SessionID)
	case is.Change == "ended" && !t.Forgotten:
		a.Transitions++
		a.MissedEnds = append(a.MissedEnds, t.SessionID)
	case !news || is.Change == "ended": // passed before the watch, or known to nobody any more
	case past || gone(t, until):
		a.Transitions++
		a.Passed++
	default:
		a.Transitions++
		a.Late = append(a.Late, t.SessionID)
	}
}

// gone reports that a session had ended by then, so that its statuses before are past and its end is what counts.
func gone(t truth, until time.Time) bool {
	last := t.Transitions[len(t.Transitions)-1]
	return last.Change == "ended" && !last.Shown.After(until)
}

// complete reports whether nothing is missing, or was told that is not true.
func (a account) complete() bool {
	return len(a.MissedStarts)+len(a.MissedEnds)+len(a.Late)+len(a.Invented)+len(a.Disordered) == 0
}

// percentile of the delays, by nearest rank; -1 if there are none.
func (a account) percentile(p int) time.Duration {
	if len(a.Delays) == 0 {
		return -1
	}
	return a.Delays[max(0, (len(a.Delays)*p+99)/100-1)]
}
