package poller

import (
	"time"

	"farmwire/diff"
)

// randomDue returns the time at which the listing of a worker becomes due that is polled from now on. It is a
// random time in the past, so that the worker is due at once. If all these workers had become due now,
// their order would decide. Then of several shards that are owned together the last would wait for all
// others, and an instance that is restarted often would never list the workers that ListWorkers shows last.
func (s *schedule) randomDue(now time.Time) time.Time {
	return now.Add(-time.Duration(s.random.Float64() * float64(s.staleness)))
}

// addKnown adds a worker that has a snapshot. The time is when it becomes due if it has open sessions. Any
// other worker may not exist any more. So unless discovery shows it or fails, it is listed much later: when the next
// listing lets sessions be forgotten, or within restoredSpread for the first one that may lack them.
func (s *schedule) addKnown(key diff.WorkerKey, shard int, c committedSessions, now time.Time) {
	w := s.workers[key]
	if w == nil {
		w = newScheduledWorker(key, shard, now)
		s.workers[key] = w
		s.unknown[w] = struct{}{}
		if len(c.open) == 0 {
			w.listingDue = latest(now, c.forgetDue.Add(forgetMargin))
			if c.forgetDue.IsZero() {
				w.listingDue = now.Add(time.Duration(s.random.Float64() * float64(restoredSpread)))
			}
			s.listSoonIfUnsure(w, now)
		}
	}
	s.setCommitted(w, c)
	if len(c.open) > 0 {
		s.unasked[w] = struct{}{}
	}
	if !w.isBusy() {
		s.rest(w, now)
	}
}

// discoveryFails takes in that a list of discovery could not be read for the third time in a row. So it is
// not known whether workers still exist that are only known from snapshots.
func (s *schedule) discoveryFails(now time.Time) {
	for w := range s.unknown {
		if (s.listSoonIfUnsure(w, now) || w.listingPlace.in == &s.spare) && !w.isBusy() {
			s.rest(w, now)
		}
	}
}

// listSoonIfUnsure makes a worker that is only known from a snapshot due within a minute if discovery fails that would
// show it. From then on the worker is listed like any other. The result is whether the worker's due time has changed.
func (s *schedule) listSoonIfUnsure(w *scheduledWorker, now time.Time) bool {
	soon := now.Add(time.Duration(s.random.Float64() * float64(time.Minute)))
	if w.answer == noSuchWorker || !w.listingDue.After(soon) || !s.discovery.failing(w.key.FarmID, w.key.FleetID) {
		return false
	}
	w.listingDue = soon
	return true
}

// disown drops a shard's workers. The results of their calls in flight change nothing here.
func (s *schedule) disown(shard int) {
	for _, w := range s.workers {
		if w.shard == shard {
			s.drop(w)
		}
	}
}

// workerShown takes in that ListWorkers shows a worker with a status. If the worker is new or has a new
// status, its listing is urgent.
func (s *schedule) workerShown(key diff.WorkerKey, shard int, status *diff.WorkerStatus, now time.Time) {
	w := s.workers[key]
	if w == nil {
		w = newScheduledWorker(key, shard, now)
		w.empty = true
		s.workers[key] = w
	}
	if w.isRetired() {
		delete(s.unlisted, w)
		w.listingFailures = 0 // else its back-off would go on, which may be a day
	}
	isNew := w.presence != presenceShown
	hasChanged := !isNew && w.status.Status != status.Status
	w.presence, w.status = presenceShown, status
	delete(s.unknown, w)
	if isNew {
		clear(w.missing) // its sessions are looked up at the usual pace again
		s.countMissing(w)
	} else {
		s.endMissing(w, now)
	}
	switch {
	case isNew:
		w.firstShown(now)
		s.makeUrgent(w, s.randomDue(now))
	case hasChanged:
		s.makeUrgent(w, now)
	}
}

// workerMissing takes in that a complete ListWorkers does not show a worker. If one did before, the worker
// is listed at once, to see what has happened to its sessions.
func (s *schedule) workerMissing(key diff.WorkerKey, now time.Time) {
	w := s.workers[key]
	if w == nil || w.presence == presenceMissing {
		return
	}
	wasShown := w.presence == presenceShown
	w.presence = presenceMissing
	delete(s.unknown, w)
	if wasShown {
		s.makeUrgent(w, now)
	} else if !w.isBusy() {
		s.rest(w, now)
	}
}

// workersMissingWhere takes in that discovery has listed the workers of a fleet completely, or that some
// fleets do not exist any more. So workers there that are only known from snapshots are missing.
func (s *schedule) workersMissingWhere(where func(diff.WorkerKey) bool, now time.Time) {
	for w := range s.unknown {
		if where(w.key) {
			s.workerMissing(w.key, now)
		}
	}
}

// makeUrgent makes a worker's listing urgent. It becomes due at the given time.
func (s *schedule) makeUrgent(w *scheduledWorker, now time.Time) {
	w.urgency = urgent
	if !w.isBusy() {
		s.rest(w, now)
	}
}

// unknownStatus is the metrics' label for a worker that ListWorkers has never shown.
const unknownStatus = "unknown"

// countWorkers counts the workers by fleet and status.
func (s *schedule) countWorkers() map[fleetLabels]int {
	counts := make(map[fleetLabels]int)
	for key, w := range s.workers {
		status := unknownStatus
		if w.status != nil && w.status.Status != "" {
			status = w.status.Status
		}
		counts[fleetLabels{key.FleetID, status}]++
	}
	return counts
}

// countOpenSessions counts the open sessions by fleet.
func (s *schedule) countOpenSessions() map[fleetLabels]int {
	counts := make(map[fleetLabels]int)
	for key, w := range s.workers {
		counts[fleetLabels{fleet: key.FleetID}] += len(w.open)
	}
	return counts
}
