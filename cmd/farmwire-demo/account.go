package main

import (
	"slices"
	"time"

	"farmwire/diff"
)

// account is the result of comparing the farm's own record with the events that were read.
type account struct {
	Transitions int // transitions on the farm while it was watched
	Told        int // of these, the ones that an event told
	Passed      int // of these, the statuses that came and went between two polls, so that no poll could see them
	Late        int // of these, the ones that no event told yet, although nothing was lost: the machine is too slow
	Discovered  int // sessions that were open when the watch began
	Events      int // events read

	MissedStarts, MissedEnds []string // session ids
	MissedStates             []string // sessions whose present state no event has told
	Invented                 []string // ids of events about changes that did not happen
	Disordered               []string // ids of events that do not have the next sequence number of their session

	Delays []time.Duration // sorted: from Shown to arrival, of each transition told
	Calls  map[string]int  // API calls by operation
	Ran    time.Duration
	Speed  float64 // of the farm
}

// rules say which events the account expects.
type rules struct {
	since func(truth) time.Time               // when the watch on the fleet of a session began, by the clock of the service
	until time.Time                           // the end of the record that counts, by our clock
	due   func(t truth, shown time.Time) bool // whether the event of a change that was visible from shown on should have been read by now
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
		return // the session ended before the watch began
	}
	if len(events) > 0 && events[0].Kind == diff.Discovered {
		since = events[0].Observed.Before // the event tells the state at that time, and no changes before it
	}
	latest := -1 // index of the last transition that was told
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

// told adds a transition that an event told. News says that it happened after the watch had begun.
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

// untold adds a transition that no event told. Past says that an event has told a later state of the session.
func (a *account) untold(t truth, is transition, news, past bool, by rules) {
	var missed *[]string
	switch {
	case is.Shown.After(by.until):
		return
	case is.Kind == diff.Started:
		missed = &a.MissedStarts
	case is.Kind == diff.Ended && !t.Forgotten:
		missed, past = &a.MissedEnds, false
	case !news || is.Kind == diff.Ended: // it was over before the watch, or the service has forgotten it
		return
	case past || gone(t, by.until):
		a.Transitions++
		a.Passed++
		return
	default:
		missed = &a.MissedStates
	}
	a.Transitions++
	// The event of a start cannot come after the event of a later state.
	if past || by.due(t, is.Shown) {
		*missed = append(*missed, t.SessionID)
	} else {
		a.Late++
	}
}

// missed reports whether an event is missing, or tells what did not happen, or is out of order.
func (a account) missed() bool {
	return len(a.MissedStarts)+len(a.MissedEnds)+len(a.MissedStates)+len(a.Invented)+len(a.Disordered) > 0
}

// percentile returns a percentile of the delays, by nearest rank, or -1 if there are none.
func (a account) percentile(p int) time.Duration {
	if len(a.Delays) == 0 {
		return -1
	}
	return a.Delays[max(0, (len(a.Delays)*p+99)/100-1)]
}
