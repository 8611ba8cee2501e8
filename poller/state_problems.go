package poller

import (
	"slices"
	"time"
)

// addLateness adds what the last survey has counted, and what the budget has to do with it.
func (l *loop) addLateness(s *State, now time.Time) {
	v := l.survey
	s.Watched, s.ListingPages = v.watched, v.pages
	s.NeverListed, s.OldestNeverListed = v.neverListed, v.oldestNeverListed
	s.OldestListing, s.OldestLook = v.oldestListing, v.oldestLook
	s.Unasked = l.schedule.unaskedSessions()
	s.Share, s.Staleness = l.service.budget.rate(len(l.shards)), l.schedule.staleness
	s.DiscoveryRate = min(l.discoveryRate(), s.Share/discoveryShare)
	s.ThrottledRatio = l.service.operations.throttledRatio(now)
}

// failing returns the operations in use that give no usable answer. A lookup is in use only now and then, so it is only told
// if it was denied, which does not pass by itself.
func (l *loop) failing(now time.Time) []Outage {
	var used [callKinds]bool
	for t := range l.schedule.discovery.targets {
		used[t.kind()] = true
	}
	used[listSessions] = l.survey.watched > 0
	return slices.DeleteFunc(l.service.operations.outages(now, 2*max(l.schedule.staleness, l.schedule.discovery.every)), func(o Outage) bool {
		for k := listFarms; k < lookUpBatch; k++ {
			if k.operation() == o.Operation {
				return !used[k]
			}
		}
		return o.Reason != ReasonDenied
	})
}

// missingFleets returns the fleets of the configuration that discovery has not found, or not any more.
func (l *loop) missingFleets() []string {
	var fleets []string
	for _, fleet := range l.poller.config.Fleets {
		f := l.directory.fleets[fleet]
		if f == nil || l.isNotFound(discoveryTarget{farm: f.farm, fleet: fleet}) {
			fleets = append(fleets, fleet)
		}
	}
	return fleets
}

// fleetCount returns how many fleets are known and not answered as not found.
func (l *loop) fleetCount() int {
	n := 0
	for id, f := range l.directory.fleets {
		if t := l.schedule.discovery.targets[discoveryTarget{farm: f.farm, fleet: id}]; t == nil || t.notFound == "" {
			n++
		}
	}
	return n
}

// missingFarms returns the farms of the configuration that the service does not find.
func (l *loop) missingFarms() []string {
	var farms []string
	for _, farm := range l.poller.config.Farms {
		if l.isNotFound(discoveryTarget{farm: farm}) {
			farms = append(farms, farm)
		}
	}
	return farms
}

// isNotFound reports whether the last calls of a target were answered with "not found".
func (l *loop) isNotFound(t discoveryTarget) bool {
	s := l.schedule.discovery.targets[t]
	return s != nil && s.failures >= failingAfter && s.reason == ReasonNotFound
}

// emptyFarms returns the farms in which there is no fleet. If the configuration selects fleets, it is none.
func (l *loop) emptyFarms() []string {
	if len(l.poller.config.Fleets) > 0 {
		return nil
	}
	fleets := make(map[string]int)
	for t := range l.schedule.discovery.targets {
		if t.farm != "" {
			fleets[t.farm] += 0
		}
		if t.fleet != "" {
			fleets[t.farm]++
		}
	}
	var empty []string
	for farm, n := range fleets {
		if n == 0 {
			empty = append(empty, farm)
		}
	}
	slices.Sort(empty)
	return empty
}
