package poller

import (
	"slices"
	"time"

	"farmwire/diff"
)

// An answer that a session does not exist may name the session's queue, fleet or farm instead. Such an answer counts
// only if discovery confirms it, because a wrong account or a wrong region answers in the same way. Diff lets it count
// only if it comes twice with a long time between. Until then the session stays open and is looked up less and less often.

// missingInterval is the longest time between two lookups of a session whose queue, fleet or farm is not found.
const missingInterval = time.Hour

// missingSlowdown is how many times longer a session is missing already than the time between two of its lookups.
const missingSlowdown = 8

// missingAnswer is an answer to the lookup of a session that names its queue, fleet or farm as not found.
type missingAnswer struct {
	worker diff.WorkerKey
	kind   string // queue, fleet or farm
	diff.NotFound
}

// missing takes in an answer to the lookup of a session that names its queue, fleet or farm as not found.
func (l *lookup) missing(s diff.Session, kind string) {
	if l.answered[s.SessionID] {
		return
	}
	last := l.requester.last
	l.missed = append(l.missed, missingAnswer{worker: s.WorkerKey, kind: kind, NotFound: diff.NotFound{
		SessionID: s.SessionID, Exchange: last.Exchange, MissingAt: last.date.UTC(),
	}})
	l.countAnswer(s, lookupMissing)
}

// confirmMissing adds to the observations of a result what does not exist and is confirmed by discovery: the sessions
// of which lookups name the queue, fleet or farm, or the worker of which a listing names the fleet or farm. The answer to a
// lookup counts only if it has a date.
func (l *loop) confirmMissing(r *result) {
	if o := r.noFleet; o != nil && l.isGone(notFoundKind(r.err, workerIdentifiers(o.Worker)), o.Worker) {
		r.observations, r.err = []diff.Observation{*o}, nil
	}
	for _, m := range r.missed {
		if m.MissingAt.IsZero() || !l.isGone(m.kind, m.worker) {
			continue
		}
		i := slices.IndexFunc(r.observations, func(o diff.Observation) bool { return o.Worker == m.worker })
		if i < 0 {
			i = len(r.observations)
			r.observations = append(r.observations, diff.Observation{Worker: m.worker, Source: diff.Answers})
		}
		r.observations[i].NotFound = append(r.observations[i].NotFound, m.NotFound)
	}
}

// isGone reports whether discovery confirms that a worker's queue, fleet or farm does not exist. Discovery never lists
// queues. So that a queue does not exist is believed if its farm does.
//
// If the operator names the farms, ListFarms is not asked, and the answer to ListFleets must name the farm. The same
// answer comes from another account, so another farm must be there. If the operator names the fleets of one farm,
// ListFleets is not asked either, and the answer to ListWorkers must name the fleet, and another fleet must be there.
// So if the operator names only one farm or one fleet, nothing confirms that it is gone.
func (l *loop) isGone(kind string, w diff.WorkerKey) bool {
	d := l.schedule.discovery
	switch kind {
	case "queue":
		return d.showsFarm(w.FarmID)
	case "fleet":
		return d.lacksFarm(w.FarmID) || d.showsFarm(w.FarmID) && d.lacksFleet(w.FarmID, w.FleetID)
	case "farm":
		return d.lacksFarm(w.FarmID)
	}
	return false
}

// isComplete reports whether the last call listed everything.
func (s *targetState) isComplete() bool { return s != nil && !s.completed.IsZero() && s.failures == 0 }

// showsFarm reports whether a list that was complete the last time shows that the farm exists.
func (d *discoverySchedule) showsFarm(farm string) bool {
	if farms := d.targets[discoveryTarget{}]; farms != nil {
		return farms.isComplete() && d.targets[discoveryTarget{farm: farm}] != nil
	}
	for t, s := range d.targets {
		if t.farm == farm && s.isComplete() {
			return true
		}
	}
	return false
}

// lacksFarm reports whether the list that would show the farm was complete the last time and lacks it.
func (d *discoverySchedule) lacksFarm(farm string) bool {
	s := d.targets[discoveryTarget{farm: farm}]
	if farms := d.targets[discoveryTarget{}]; farms != nil {
		return farms.isComplete() && s == nil
	}
	if s == nil || s.notFound != "farm" {
		return false
	}
	for t := range d.targets {
		if t.farm != farm && d.showsFarm(t.farm) {
			return true
		}
	}
	return false
}

// lacksFleet reports whether the list that would show the fleet was complete the last time and lacks it. The farm
// must exist.
func (d *discoverySchedule) lacksFleet(farm, fleet string) bool {
	s := d.targets[discoveryTarget{farm: farm, fleet: fleet}]
	if fleets := d.targets[discoveryTarget{farm: farm}]; fleets != nil {
		return fleets.isComplete() && s == nil
	}
	return s != nil && s.notFound == "fleet"
}

// noteMissing takes in which sessions of a lookup are missing, and which are not.
func (s *schedule) noteMissing(w *scheduledWorker, looked []diff.Session, o callOutcome, now time.Time) {
	for _, session := range looked {
		missing, learned := o.missing[session.SessionID]
		_, wasMissing := w.missing[session.SessionID]
		switch {
		case session.WorkerKey != w.key || !learned:
		case !missing:
			delete(w.missing, session.SessionID)
		case wasMissing:
		case slices.Contains(w.missed, session.SessionID): // since before this process
			w.missing[session.SessionID] = now.Add(-missingSlowdown * missingInterval)
		default:
			w.missing[session.SessionID] = now
		}
	}
	s.countMissing(w)
}

// countMissing keeps the set of workers with missing sessions.
func (s *schedule) countMissing(w *scheduledWorker) {
	if len(w.missing) > 0 {
		s.missing[w] = struct{}{}
	} else {
		delete(s.missing, w)
	}
}

// missingSessions returns how many sessions are missing.
func (s *schedule) missingSessions() int {
	n := 0
	for w := range s.missing {
		n += len(w.missing)
	}
	return n
}

// lookupInterval returns the time between two lookups of a session. The longer its queue, fleet or farm is not found,
// the longer the interval.
func (w *scheduledWorker) lookupInterval(sessionID string, staleness time.Duration, now time.Time) time.Duration {
	since, missing := w.missing[sessionID]
	if !missing {
		return staleness
	}
	return max(staleness, min(missingInterval, now.Sub(since)/missingSlowdown))
}

// missingListingInterval returns the least time between two listings of a worker that only serve to resolve sessions
// that are all missing. It is zero for any other worker.
func (w *scheduledWorker) missingListingInterval(staleness time.Duration, now time.Time) time.Duration {
	var shortest time.Duration
	for i, session := range w.open {
		if _, missing := w.missing[session.SessionID]; !missing {
			return 0
		}
		if d := w.lookupInterval(session.SessionID, staleness, now); i == 0 || d < shortest {
			shortest = d
		}
	}
	return shortest
}

// isFleetMissing reports whether nothing is expected of listings of a worker, because they name its fleet or farm as not
// found, all its open sessions are missing, and the fleet's workers cannot be listed either.
func (s *schedule) isFleetMissing(w *scheduledWorker, now time.Time) bool {
	fleet := s.discovery.targets[discoveryTarget{farm: w.key.FarmID, fleet: w.key.FleetID}]
	return w.failureReason == ReasonNotFound && !fleet.isComplete() && w.missingListingInterval(s.staleness, now) > 0
}

// endMissing makes the listing of a worker due that ListWorkers shows, if its fleet was missing until now.
func (s *schedule) endMissing(w *scheduledWorker, now time.Time) {
	if w.failureReason == ReasonNotFound && w.listingDue.After(now.Add(maxBackoff)) {
		w.listingFailures = 0
		s.makeUrgent(w, now)
	}
}

// pruneMissing removes the sessions that are not looked up any more.
func (w *scheduledWorker) pruneMissing() {
	if len(w.missing) == 0 {
		return
	}
	kept := make(map[string]time.Time, len(w.missing))
	for _, session := range w.sessionsToLookUp() {
		if since, missing := w.missing[session.SessionID]; missing {
			kept[session.SessionID] = since
		}
	}
	w.missing = kept
}

// missingOf returns for each session of which a lookup has learned something, whether it is missing.
func missingOf(r *result) map[string]bool {
	missing := make(map[string]bool)
	for _, o := range r.observations {
		for _, s := range o.Sightings {
			missing[s.Session.SessionID] = false
		}
		for _, n := range o.NotFound {
			missing[n.SessionID] = false
		}
	}
	for _, m := range r.missed {
		missing[m.SessionID] = true
	}
	return missing
}
