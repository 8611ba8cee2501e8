package main

import (
	"time"

	"farmwire/diff"
)

// transition is one change of a session that truly happened on the farm, in the terms of the events.
type transition struct {
	Kind   diff.Kind // as an event's
	Status string    // the lifecycle status after it
	Shown  time.Time // our clock: the first instant that an answer could show it
}

// truth is what truly happened to one session.
type truth struct {
	SessionID, FleetID, WorkerID string
	EndedAt                      time.Time // the service's clock; zero: still open
	Forgotten                    bool      // the service stopped knowing it
	Transitions                  []transition
}

// lifecycle is a session's state as the farm's record has it.
type lifecycle struct {
	Status, Target string
	Ended          bool
	Shown          time.Time
}

// transitions turns the states that a session went through into the changes between them, in the
// order that events have. The end swallows what came with it.
func transitions(states []lifecycle) []transition {
	var list []transition
	last := lifecycle{Status: "STARTED"}
	for i, s := range states {
		if i == 0 {
			list = append(list, transition{diff.Started, "STARTED", s.Shown})
		}
		switch {
		case s.Ended && !last.Ended:
			list = append(list, transition{diff.Ended, s.Status, s.Shown})
		case s.Ended:
		default:
			if s.Status != last.Status {
				list = append(list, transition{changeTo(s.Status), s.Status, s.Shown})
			}
			if s.Target == "ENDED" && last.Target != "ENDED" {
				list = append(list, transition{diff.Ending, s.Status, s.Shown})
			}
		}
		last = s
	}
	return list
}

// changeTo names the change to a status that is not the end.
func changeTo(status string) diff.Kind {
	switch status {
	case diff.StatusUpdateInProgress:
		return diff.Updating
	case diff.StatusUpdateSucceeded:
		return diff.Updated
	case diff.StatusUpdateFailed:
		return diff.UpdateFailed
	default:
		return diff.Changed
	}
}

// match finds for each event of a session the true transition that it tells, by index, or -1. Both lists are in order,
// and so is the result. Where a change happened several times, as one update after another, an event tells the last one
// that its answer could show.
func match(happened []transition, arrivals []arrival) []int {
	found := make([]int, len(arrivals))
	next := 0
	for i, e := range arrivals {
		found[i] = -1
		for j := next; j < len(happened); j++ {
			if !tells(e, happened[j]) {
				continue
			}
			if found[i] < 0 || !happened[j].Shown.After(e.Observed.Before) {
				found[i] = j
			}
		}
		if found[i] >= 0 {
			next = found[i] + 1
		}
	}
	return found
}

// tells reports whether an event can be about a transition.
func tells(e arrival, t transition) bool {
	switch e.Kind {
	case diff.Discovered:
		return t.Kind == diff.Started
	case diff.Started, diff.Ended, diff.Ending:
		return t.Kind == e.Kind
	default:
		return t.Kind == e.Kind && t.Status == e.Session.LifecycleStatus
	}
}
