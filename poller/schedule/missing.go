package schedule

import (
	"slices"
	"time"
)

// An answer that a session does not exist may name the session's queue, fleet or farm instead. Such an answer counts
// only if discovery confirms it, because a wrong account or a wrong region answers in the same way. Diff lets it count
// only if it comes twice with a long time between. Until then the session stays open and is looked up less and less often.
const (
	missingInterval = time.Hour // the longest time between two lookups of such a session
	missingSlowdown = 8         // how many times longer it is missing already than the time between two of its lookups
)

// resource returns the kind of the resource that does not exist.
func (f Finding) resource() string {
	return map[Finding]string{NoQueue: "queue", NoFleet: "fleet", NoFarm: "farm"}[f]
}

// isGone reports whether discovery confirms that a worker's queue, fleet or farm does not exist. Discovery never lists
// queues. So that a queue does not exist is believed if its farm does.
//
// If the operator names the farms, ListFarms is not asked, and the answer to ListFleets must name the farm. The same
// answer comes from another account, so another farm must be there. If the operator names the fleets of one farm,
// ListFleets is not asked either, and the answer to ListWorkers must name the fleet, and another fleet must be there.
// So if the operator names only one farm or one fleet, nothing confirms that it is gone.
func (s *Schedule) isGone(resource string, w *worker) bool {
	farm, fleet := w.Worker.FarmID, w.Worker.FleetID
	switch resource {
	case "queue":
		return s.showsFarm(farm)
	case "fleet":
		return s.lacksFarm(farm) || s.showsFarm(farm) && s.lacksFleet(farm, fleet)
	case "farm":
		return s.lacksFarm(farm)
	}
	return false
}

// isComplete reports whether the last list was complete.
func (t *target) isComplete() bool { return t != nil && !t.completed.IsZero() && t.failures == 0 }

// showsFarm reports whether a list that was complete the last time shows that the farm exists.
func (s *Schedule) showsFarm(farm string) bool {
	if farms := s.targets[targetKey{}]; farms != nil {
		return farms.isComplete() && s.targets[targetKey{farm: farm}] != nil
	}
	for k, t := range s.targets {
		if k.farm == farm && t.isComplete() {
			return true
		}
	}
	return false
}

// lacksFarm reports whether the list that would show the farm was complete the last time and lacks it.
func (s *Schedule) lacksFarm(farm string) bool {
	t := s.targets[targetKey{farm: farm}]
	if farms := s.targets[targetKey{}]; farms != nil {
		return farms.isComplete() && t == nil
	}
	if t == nil || t.notFound != "farm" {
		return false
	}
	for k := range s.targets {
		if k.farm != farm && s.showsFarm(k.farm) {
			return true
		}
	}
	return false
}

// lacksFleet reports whether the list that would show the fleet was complete the last time and lacks it. The farm
// must exist.
func (s *Schedule) lacksFleet(farm, fleet string) bool {
	t := s.targets[targetKey{farm: farm, fleet: fleet}]
	if fleets := s.targets[targetKey{farm: farm}]; fleets != nil {
		return fleets.isComplete() && t == nil
	}
	return t != nil && t.notFound == "fleet"
}

// noteMissing takes in that a session is missing.
func (s *Schedule) noteMissing(w *worker, id string, l *lookupState, now time.Time) {
	switch {
	case !l.missing.IsZero():
	case slices.Contains(w.Missed, id): // since before this process
		l.missing = now.Add(-missingSlowdown * missingInterval)
	default:
		l.missing = now
	}
}

// countMissing keeps the set of workers with missing sessions.
func (s *Schedule) countMissing(w *worker) { setIf(s.missing, w, w.missing() > 0) }

// missing counts the missing sessions.
func (w *worker) missing() int {
	n := 0
	for _, l := range w.lookups {
		if !l.missing.IsZero() {
			n++
		}
	}
	return n
}

// lookupInterval returns the time between two lookups of a session. The longer its queue, fleet or farm is not found,
// the longer the interval.
func (s *Schedule) lookupInterval(l lookupState, now time.Time) time.Duration {
	if l.missing.IsZero() {
		return s.config.Staleness
	}
	return max(s.config.Staleness, min(missingInterval, now.Sub(l.missing)/missingSlowdown))
}

// missingListingInterval returns the least time between two listings of a worker that only serve to resolve sessions
// that are all missing. It is zero for any other worker.
func (s *Schedule) missingListingInterval(w *worker, now time.Time) time.Duration {
	var shortest time.Duration
	for i, session := range w.Open {
		l := w.lookup(session.SessionID)
		if l.missing.IsZero() {
			return 0
		}
		if d := s.lookupInterval(l, now); i == 0 || d < shortest {
			shortest = d
		}
	}
	return shortest
}

// isFleetMissing reports whether nothing is expected of listings of a worker, because they name its fleet or farm as not
// found, all its open sessions are missing, and the fleet's workers cannot be listed either.
func (s *Schedule) isFleetMissing(w *worker, now time.Time) bool {
	fleet := s.targets[targetKey(w.fleet.fleetKey)]
	return w.failureReason == ResourceNotFound && !fleet.isComplete() && s.missingListingInterval(w, now) > 0
}

// endMissing makes the listing of a worker due that ListWorkers shows, if its fleet was missing until now.
func (s *Schedule) endMissing(w *worker, now time.Time) {
	if w.failureReason == ResourceNotFound && w.listingDue.After(now.Add(maxBackoff)) {
		w.listingFailures = 0
		s.makeUrgent(w, now)
	}
}
