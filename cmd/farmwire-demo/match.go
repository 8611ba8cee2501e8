package main

import (
	"time"

	"farmwire/diff"
	"farmwire/event"
)

// transition is a change of a session that happened on the farm, as events describe it.
type transition struct {
	Kind   diff.Kind
	Status string    // the lifecycle status after it
	Shown  time.Time // when answers began to show it, by our clock
}

// truth is the farm's own record of a session.
type truth struct {
	SessionID, FleetID, WorkerID string
	EndedAt                      time.Time // by the clock of the service; zero while the session is open
	Forgotten                    bool      // the service stopped knowing it
	Transitions                  []transition
}

// arrival is an event, and when the consumer of the demo received it, by our clock.
type arrival struct {
	event.Event
	Arrived time.Time
}

// lifecycle is a state of a session in the farm's own record.
type lifecycle struct {
	Status, Target string
	Ended          bool
	Shown          time.Time
}

// transitions returns the changes between the states that a session went through, in the order that events have. An end
// is a single change, whatever else changed with it.
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

// changeTo returns the kind of a change to a status that is not the end.
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

// match returns for each event of a session the index of the transition that it tells, or -1. All lists are in order. If
// the same change happened several times, such as one update after another, an event tells the last that its answer could
// show.
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

// returned reports whether a session had the status of its last event again at a time. Then the statuses in between came and
// went, for example those of an update that succeeded right after another.
func (t truth) returned(events []arrival, until time.Time) bool {
	status := ""
	for _, is := range t.Transitions {
		if !is.Shown.After(until) {
			status = is.Status
		}
	}
	return len(events) > 0 && events[len(events)-1].Session.LifecycleStatus == status
}

// gone reports whether a session had ended at a time. Then no event of its earlier statuses can come, and its end counts.
func gone(t truth, until time.Time) bool {
	last := t.Transitions[len(t.Transitions)-1]
	return last.Kind == diff.Ended && !last.Shown.After(until)
}
