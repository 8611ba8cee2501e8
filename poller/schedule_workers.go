package poller

import (
	"time"

	"farmwire/diff"
)

// unknownStatus is the metrics' label for a worker that ListWorkers has never shown.
const unknownStatus = "unknown"

// turn is when a worker that is polled from now on is said to have become due: at a time gone
// by, so that it is due at once, but not the same for all. So shards that are taken over
// together are asked for in turns, and the workers that ListWorkers shows last are not always
// asked last: an instance that never lives long would never come to them.
func (s *schedule) turn(now time.Time) time.Time {
	return now.Add(-time.Duration(s.random.Float64() * float64(s.staleness)))
}

// own adds a worker that something is known of already. Those with open sessions are due at
// once. The others may be long gone: unless discovery shows them, or fails, they have time.
func (s *schedule) own(w diff.WorkerKey, shard int, h holdings, now time.Time) {
	e := s.entries[w]
	if e == nil {
		e = newEntry(w, shard, now)
		s.entries[w] = e
		if len(h.open) == 0 {
			e.due = now.Add(time.Duration(s.random.Float64() * float64(rareSpread)))
			s.expect(e, now)
		}
	}
	s.hold(e, h)
	if !e.busy {
		s.rest(e, now)
	}
}

// unsure is told that a look of discovery failed for the third time in a row: it does not say
// of the workers that only snapshots know whether they are there.
func (s *schedule) unsure(now time.Time) {
	for _, e := range s.entries {
		if s.expect(e, now) && !e.busy {
			s.rest(e, now)
		}
	}
}

// expect makes a worker that discovery would have to speak of, and cannot, due within a
// minute. From then on it is listed as any other.
func (s *schedule) expect(e *entry, now time.Time) bool {
	soon := now.Add(time.Duration(s.random.Float64() * float64(time.Minute)))
	if e.shown || e.missing || e.gone || !e.due.After(soon) || !s.rounds.failing(e.key.FarmID, e.key.FleetID) {
		return false
	}
	e.due = soon
	return true
}

// disown drops a shard's workers. Answers that come later count for nothing.
func (s *schedule) disown(shard int) {
	for _, e := range s.entries {
		if e.shard == shard {
			s.drop(e)
		}
	}
}

// saw is told that ListWorkers shows a worker with a status. A worker that it did not show
// before is to be listed in its turn among such, and one with another status at once.
func (s *schedule) saw(w diff.WorkerKey, shard int, status *diff.WorkerStatus, now time.Time) {
	e := s.entries[w]
	if e == nil {
		e = newEntry(w, shard, now)
		e.empty = true
		s.entries[w] = e
	}
	if e.unlisted() {
		delete(s.blind, e)
		e.failed = 0 // else it would go on waiting for its turn among those that are gone
	}
	first, changed := !e.shown, e.shown && e.status.Status != status.Status
	e.shown, e.missing, e.status = true, false, status
	switch {
	case first:
		s.hasten(e, s.turn(now))
	case changed:
		s.hasten(e, now)
	}
}

// lost is told that a complete ListWorkers does not show the worker. If one did before, what
// happened to it last is looked for at once.
func (s *schedule) lost(w diff.WorkerKey, now time.Time) {
	e := s.entries[w]
	if e == nil || e.missing {
		return
	}
	wasShown := e.shown
	e.shown, e.missing = false, true
	if wasShown {
		s.hasten(e, now)
	} else if !e.busy {
		s.rest(e, now)
	}
}

// hasten makes the worker due now.
func (s *schedule) hasten(e *entry, now time.Time) {
	e.urgent = true
	if !e.busy {
		s.rest(e, now)
	}
}

// lostWhere is told that workers which are known otherwise, from snapshots, are not where
// discovery has looked.
func (s *schedule) lostWhere(there func(diff.WorkerKey) bool, now time.Time) {
	for w, e := range s.entries {
		if !e.missing && !e.shown && there(w) {
			s.lost(w, now)
		}
	}
}

// oldest is the age of the oldest last listing of the workers that ListWorkers shows and
// that can be listed.
func (s *schedule) oldest(now time.Time) time.Duration {
	var age time.Duration
	for _, e := range s.entries {
		if e.shown && !e.gone && !e.listedAt.IsZero() {
			age = max(age, now.Sub(e.listedAt))
		}
	}
	return age
}

// workersByStatus counts the workers by fleet and status.
func (s *schedule) workersByStatus() map[farmLabels]int {
	counts := make(map[farmLabels]int)
	for w, e := range s.entries {
		status := unknownStatus
		if e.status != nil && e.status.Status != "" {
			status = e.status.Status
		}
		counts[farmLabels{w.FleetID, status}]++
	}
	return counts
}

// openByFleet counts the open sessions by fleet.
func (s *schedule) openByFleet() map[farmLabels]int {
	counts := make(map[farmLabels]int)
	for w, e := range s.entries {
		counts[farmLabels{fleet: w.FleetID}] += len(e.open)
	}
	return counts
}
