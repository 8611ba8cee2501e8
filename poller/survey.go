package poller

import "time"

// survey is what the schedule knows of all workers together. It takes one pass over them, so it is not made for every State.
type survey struct {
	watched           int           // workers whose listings are due once in every staleness
	pages             int           // of a listing of each of them, together
	neverListed       int           // see State.NeverListed
	oldestNeverListed time.Duration // see State.OldestNeverListed
	oldestListing     time.Duration // see State.OldestListing
	oldestLook        time.Duration // see State.OldestLook
}

func (s *schedule) survey(now time.Time) survey {
	var v survey
	for _, w := range s.workers {
		if !w.oldestLook.IsZero() {
			v.oldestLook = max(v.oldestLook, now.Sub(latest(w.oldestLook, w.since)))
		}
		exists := w.presence == presenceShown && w.answer != noSuchWorker
		if exists || w.isActive() {
			v.watched++
			v.pages += max(1, w.lastPages)
		}
		switch {
		case !exists:
		case w.listedAt.IsZero():
			waited := now.Sub(w.since)
			v.neverListed++
			v.oldestNeverListed = max(v.oldestNeverListed, waited)
			v.oldestListing = max(v.oldestListing, waited)
		default:
			v.oldestListing = max(v.oldestListing, now.Sub(w.listedAt))
		}
	}
	return v
}

// firstShown takes in that discovery shows a worker that it did not show before. Its first listing counts as late from then
// on, or from when its shard was owned, if it has open sessions.
func (w *scheduledWorker) firstShown(now time.Time) {
	if w.listedAt.IsZero() && len(w.open) == 0 {
		w.since = now
	}
}

// noteAsked takes in that an observation of a worker was committed or that a lookup of it gave none, and that the worker is
// at rest. Listed reports whether it was a listing. The worker's restored sessions have all been asked for if the listing was
// complete, or if each of them was looked up. An answer that says nothing usable about a session counts, too: that it cannot
// be looked at is told by other parts of the State.
func (s *schedule) noteAsked(w *scheduledWorker, listed bool) {
	if _, ok := s.unasked[w]; !ok {
		return
	}
	if listed && w.answer != noSuchWorker || w.unasked() == 0 {
		delete(s.unasked, w)
	}
}

// unasked counts the open sessions that were not looked up.
func (w *scheduledWorker) unasked() int {
	n := 0
	for _, session := range w.open {
		if _, ok := w.lookedUpAt[session.SessionID]; !ok {
			n++
		}
	}
	return n
}

// unaskedSessions counts the restored open sessions that were not asked for yet, by shard.
func (s *schedule) unaskedSessions() map[int]int {
	counts := make(map[int]int)
	for w := range s.unasked {
		counts[w.shard] += max(1, w.unasked())
	}
	return counts
}

// discoveryRate returns the requests a second that discovery takes if every list is read once in its interval.
func (l *loop) discoveryRate() float64 {
	pages := len(l.schedule.discovery.targets)
	for _, f := range l.directory.fleets {
		pages += max(0, len(f.workers)-1) / pageSize
	}
	return float64(pages) / l.schedule.discovery.every.Seconds()
}
