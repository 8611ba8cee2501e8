package poller

import (
	"time"

	"farmwire/diff"
)

// randomDue returns the time at which a worker that is polled from now on is said to have become due. It is
// in the past, so that the worker is due at once, and random. So shards that are taken over together have
// their turns, and the workers that ListWorkers shows last are not always asked about last, which an
// instance that never lives long would never do.
func (s *schedule) randomDue(now time.Time) time.Time {
	return now.Add(-time.Duration(s.random.Float64() * float64(s.staleness)))
}

// addKnown adds a worker of which a snapshot is restored. It is due at once if it has open sessions. Any
// other may no longer exist, so it has time, unless discovery shows it or fails.
func (s *schedule) addKnown(w diff.WorkerKey, shard int, c committedSessions, now time.Time) {
	e := s.workers[w]
	if e == nil {
		e = newScheduledWorker(w, shard, now)
		s.workers[w] = e
		if len(c.open) == 0 {
			e.listingDue = now.Add(time.Duration(s.random.Float64() * float64(restoredSpread)))
			s.listSoonIfUnsure(e, now)
		}
	}
	s.setCommitted(e, c)
	if !e.isBusy() {
		s.rest(e, now)
	}
}

// discoveryFails is called when discovery has failed for the third time in a row to list something. Then
// nobody knows whether the workers exist that only snapshots know.
func (s *schedule) discoveryFails(now time.Time) {
	for _, e := range s.workers {
		if s.listSoonIfUnsure(e, now) && !e.isBusy() {
			s.rest(e, now)
		}
	}
}

// listSoonIfUnsure makes a worker due within a minute if discovery should say whether it exists and cannot.
// From then on the worker is listed as any other.
func (s *schedule) listSoonIfUnsure(e *scheduledWorker, now time.Time) bool {
	soon := now.Add(time.Duration(s.random.Float64() * float64(time.Minute)))
	if e.presence != presenceUnknown || e.answer == noSuchWorker || !e.listingDue.After(soon) || !s.discovery.failing(e.key.FarmID, e.key.FleetID) {
		return false
	}
	e.listingDue = soon
	return true
}

// disown drops a shard's workers. Answers that come later are ignored.
func (s *schedule) disown(shard int) {
	for _, e := range s.workers {
		if e.shard == shard {
			s.drop(e)
		}
	}
}

// workerShown takes in that ListWorkers shows a worker with a status. A worker that it did not show before
// is to be listed in its turn among such, and one with a new status at once.
func (s *schedule) workerShown(w diff.WorkerKey, shard int, status *diff.WorkerStatus, now time.Time) {
	e := s.workers[w]
	if e == nil {
		e = newScheduledWorker(w, shard, now)
		e.empty = true
		s.workers[w] = e
	}
	if e.isRetired() {
		delete(s.unlisted, e)
		e.listingFailures = 0 // else it would wait for its turn among the retired
	}
	isNew := e.presence != presenceShown
	hasChanged := !isNew && e.status.Status != status.Status
	e.presence, e.status = presenceShown, status
	switch {
	case isNew:
		s.makeUrgent(e, s.randomDue(now))
	case hasChanged:
		s.makeUrgent(e, now)
	}
}

// workerMissing takes in that a complete ListWorkers does not show a worker. If one did before, the worker
// is listed at once, to see what has happened to its sessions.
func (s *schedule) workerMissing(w diff.WorkerKey, now time.Time) {
	e := s.workers[w]
	if e == nil || e.presence == presenceMissing {
		return
	}
	wasShown := e.presence == presenceShown
	e.presence = presenceMissing
	if wasShown {
		s.makeUrgent(e, now)
	} else if !e.isBusy() {
		s.rest(e, now)
	}
}

// workersMissingWhere takes in that discovery did not show workers that only snapshots know.
func (s *schedule) workersMissingWhere(isThere func(diff.WorkerKey) bool, now time.Time) {
	for w, e := range s.workers {
		if e.presence == presenceUnknown && isThere(w) {
			s.workerMissing(w, now)
		}
	}
}

func (s *schedule) makeUrgent(e *scheduledWorker, now time.Time) {
	e.urgency = urgent
	if !e.isBusy() {
		s.rest(e, now)
	}
}

// oldestListing returns the age of the oldest last complete listing among the workers that ListWorkers
// shows and that exist.
func (s *schedule) oldestListing(now time.Time) time.Duration {
	var age time.Duration
	for _, e := range s.workers {
		if e.presence == presenceShown && e.answer != noSuchWorker && !e.listedAt.IsZero() {
			age = max(age, now.Sub(e.listedAt))
		}
	}
	return age
}

// unknownStatus is the metrics' label for a worker that ListWorkers has never shown.
const unknownStatus = "unknown"

// countWorkers counts the workers by fleet and status.
func (s *schedule) countWorkers() map[farmLabels]int {
	counts := make(map[farmLabels]int)
	for w, e := range s.workers {
		status := unknownStatus
		if e.status != nil && e.status.Status != "" {
			status = e.status.Status
		}
		counts[farmLabels{w.FleetID, status}]++
	}
	return counts
}

// countOpenSessions counts the open sessions by fleet.
func (s *schedule) countOpenSessions() map[farmLabels]int {
	counts := make(map[farmLabels]int)
	for w, e := range s.workers {
		counts[farmLabels{fleet: w.FleetID}] += len(e.open)
	}
	return counts
}
