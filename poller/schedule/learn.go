package schedule

import (
	"math"
	"time"

	"farmwire/diff"
)

const (
	rateMemory  = 10 * time.Minute // what happened longer ago counts little in a rate
	usualLength = 10 * time.Minute // of a session, as long as nothing is known
	lostAfter   = 5 * time.Minute  // an announced session is lost if its worker does not exist for so long and nothing has shown it
	mostUnseen  = 10_000           // workers of which a session may be lost
	priorStarts = 2                // how many starts the mean of all workers counts as in the rate of one
)

// rate counts how often something happens. What has happened fades.
type rate struct {
	count float64
	at    time.Time // when count was right
	since time.Time // when the count began
}

func (r *rate) add(n float64, now time.Time) {
	r.fade(now)
	r.count += n
}

func (r *rate) fade(now time.Time) {
	if r.since.IsZero() {
		r.since, r.at = now, now
	}
	if d := now.Sub(r.at); d > 0 {
		r.count *= math.Exp(-d.Seconds() / rateMemory.Seconds())
		r.at = now
	}
}

// perSecond returns how often it happens a second.
func (r *rate) perSecond(now time.Time) float64 {
	r.fade(now)
	span := rateMemory.Seconds() * (1 - math.Exp(-now.Sub(r.since).Seconds()/rateMemory.Seconds()))
	return r.count / max(1, span)
}

// finder is what has shown a session.
type finder int

const (
	byListing finder = iota // of its worker
	byJob                   // ListSessions
	byLookup
)

// learn takes in the sessions of a worker that an answer shows, before they are committed. It returns how many are new.
func (s *Schedule) learn(w *worker, sessions []diff.Session, by finder, wasDue bool, now time.Time) int {
	news := 0
	for _, x := range sessions {
		if by != byLookup && !has(w.Open, x.SessionID) {
			news++
			if by == byListing {
				s.jobs.found(Job{FarmID: x.FarmID, QueueID: x.QueueID, JobID: x.JobID}, now)
			}
			if !w.isHistory(x) {
				s.noteStart(w, x, by, wasDue, now)
			}
			delete(s.unseen, w.Worker)
		}
		if x.HasEnded() {
			s.noteEnd(w, x, now)
		}
	}
	return news
}

// isHistory reports whether a session that the first listing of a worker shows had begun before the worker was polled.
func (w *worker) isHistory(x diff.Session) bool {
	return w.answer == notListed && x.StartedAt.Before(w.shard.since)
}

// noteUnseen takes in that a worker does not exist any more, and something had announced a session of it. The session is lost
// unless the listing of its job shows it soon.
func (s *Schedule) noteUnseen(w diff.WorkerKey, now time.Time) {
	if len(s.unseen) < mostUnseen {
		s.unseen[w] = now
	}
}

// countLost counts the sessions that were not seen for so long that they are lost.
func (s *Schedule) countLost(now time.Time) {
	for w, at := range s.unseen {
		if now.Sub(at) > lostAfter {
			delete(s.unseen, w)
			s.lost++
		}
	}
}

// noteStart takes in a session that was not known.
func (s *Schedule) noteStart(w *worker, x diff.Session, by finder, wasDue bool, now time.Time) {
	s.starts.add(1, now)
	if by == byListing {
		s.listedStarts.add(1, now)
		if !wasDue && !w.listedAt.IsZero() {
			s.unannounced++
		}
	}
	if !w.lastEnd.IsZero() {
		w.fleet.gaps.note(x.StartedAt.Sub(w.lastEnd))
		w.lastEnd = time.Time{}
	}
	w.starts++
}

// noteEnd takes in that a session has ended.
func (s *Schedule) noteEnd(w *worker, x diff.Session, now time.Time) {
	if x.EndedAt.IsZero() {
		return
	}
	s.hazards.ended(x.FarmID, x.QueueID, x.EndedAt.Sub(x.StartedAt))
	if x.EndedAt.After(w.lastEnd) {
		w.lastEnd = x.EndedAt
	}
	// By this host's clock it was after the last look at the session.
	ended := x.EndedAt
	if at := w.lookup(x.SessionID).at; ended.Before(at) {
		ended = at
	}
	if ended.After(now) {
		ended = now
	}
	if ended.After(w.endedAt) {
		w.endedAt = ended
		s.expect(w, ended)
	}
}

// followed returns the part of the starts that come soon after an end on the same worker.
func (s *Schedule) followed() float64 {
	sum := 0.0
	for _, f := range s.order {
		sum += f.gaps.followed() * float64(f.members)
	}
	return sum / float64(max(1, len(s.workers)))
}

// startRate returns the starts a second of a worker without an open session, as far as one can tell.
func (s *Schedule) startRate(w *worker) float64 {
	mean := s.meanStartRate()
	return (float64(w.starts) + priorStarts) / (s.watchedFor(w) + priorStarts/mean)
}

// meanStartRate returns the starts a second of a worker.
func (s *Schedule) meanStartRate() float64 {
	return max(s.starts.perSecond(s.sweeps.reviewed), 1e-4) / float64(max(1, len(s.workers)))
}

func (s *Schedule) watchedFor(w *worker) float64 {
	return max(1, s.sweeps.reviewed.Sub(w.since).Seconds())
}

// mean is a mean of values of which the last hundreds count most.
type mean struct{ sum, weight float64 }

func (m *mean) add(x float64) {
	const kept = 0.99
	m.sum, m.weight = m.sum*kept+x, m.weight*kept+1
}

func (m *mean) value() float64 { return m.sum / max(1, m.weight) }

// of returns the sessions of a worker that an answer shows.
func (a Answer) of(w *worker) []diff.Session {
	var shown []diff.Session
	for _, x := range a.Sessions {
		if x.WorkerKey == w.Worker {
			shown = append(shown, x)
		}
	}
	return shown
}
