package consumer

import (
	"slices"

	"farmwire/event"
)

// Filter selects events. An empty list selects all; of one that is not empty, an event must match one of its values.
type Filter struct {
	Farms, Fleets, Workers, Queues, Jobs, Sessions []string // ids
	Changes                                        []string // such as ended
}

// Match reports whether the filter selects the event.
func (f Filter) Match(e event.Event) bool {
	s := e.Session
	for _, of := range [...]struct {
		wanted []string
		value  string
	}{
		{f.Farms, s.FarmID}, {f.Fleets, s.FleetID}, {f.Workers, s.WorkerID}, {f.Queues, s.QueueID}, {f.Jobs, s.JobID},
		{f.Sessions, s.SessionID}, {f.Changes, string(e.Kind)},
	} {
		if len(of.wanted) > 0 && !slices.Contains(of.wanted, of.value) {
			return false
		}
	}
	return true
}
