package simulation

import (
	"math"
	"strconv"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

// indexed is a worker as an Index knows it.
type indexed struct {
	key          diff.WorkerKey
	session, gap time.Duration // the mean length of its sessions, and of the gaps between them
	streams      int           // how many sessions can be open at a time
	busy         bool          // it is in a call, or its observation is not committed
	gone         bool          // it was deleted
	fresh        bool          // it was created after the start of the simulation, and no session of it was shown yet
	round        uint64        // the last round of discovery that showed it
	pages        int           // that its last listing took
	listing      time.Time     // when the last listing began, which may be under way
	listedAt     time.Time     // when the last complete or stopped listing began
	statusAt     time.Time     // when the request was sent that last showed its status, and it said nothing of a session
	quietAt      time.Time     // the last time of which its status said that it had no session
	endedAt      time.Time     // when its last session ended
	idle         time.Duration // since its last listing it had no open session for so long, up to idleFrom or an open session
	idleFrom     time.Time
	announced    bool // its status said that a session has started that is not known
	announcedAt  time.Time
	open         []*indexedSession
}

// indexedSession is a session that was shown.
type indexedSession struct {
	diff.Session
	worker   *indexed
	queue    int
	foundAt  time.Time // when the request was sent that first showed it
	lookedAt time.Time // when the request was sent that last showed it open
}

// indexedJob is a job of which a session was shown.
type indexedJob struct {
	key         schedule.Job
	finds       decaying  // of starts
	askedAt     time.Time // when it was last listed; zero if it never was
	expected    float64   // how many starts the listing under way was expected to find
	found       int       // how many it has found
	trust       float64   // how many it finds for each that is expected
	pages       int       // that its next listing takes
	newestFirst bool      // its last listing showed the newest sessions first
}

// decaying is a count of which older parts count less.
type decaying struct {
	n  float64
	at time.Time
}

const decay = 2 * time.Minute

func (d *decaying) add(n float64, now time.Time) { d.n, d.at = d.value(now)+n, now }

func (d *decaying) value(now time.Time) float64 {
	return d.n * math.Exp(-now.Sub(d.at).Seconds()/decay.Seconds())
}

// shown takes in that ListWorkers showed a worker.
func (x *Index) shown(key diff.WorkerKey, status string, at, now time.Time) {
	w := x.workers[key]
	if w == nil {
		w = &indexed{key: key, streams: 1, pages: 1, listedAt: at, idleFrom: at, fresh: x.truth.workers[key] == nil && x.discovery.round > 1}
		truth := x.truth.workers[key]
		if truth == nil {
			truth = &worker{}
		}
		w.session, w.gap = x.truth.rhythm(truth)
		w.streams = max(1, truth.streams)
		x.workers[key], x.order = w, append(x.order, w)
	}
	w.round = x.discovery.round
	if !w.busy {
		w.statusShown(status, at, now)
	}
}

// dropMissing drops the workers that do not exist any more and have no open session.
func (x *Index) dropMissing() {
	kept := x.order[:0]
	for _, w := range x.order {
		w.gone = w.gone || w.round != x.discovery.round
		if w.gone && !w.busy && len(w.open) == 0 {
			delete(x.workers, w.key)
		} else {
			kept = append(kept, w)
		}
	}
	clear(x.order[len(kept):])
	x.order = kept
}

// statusShown takes in a status. It is news if it says that a session is open, none is known to be open, and it cannot be the
// last one. An announcement stays until the worker is listed.
func (w *indexed) statusShown(status string, at, now time.Time) {
	switch {
	case len(w.open) > 0:
	case status != "RUNNING":
		w.statusAt, w.quietAt = at, at.Add(-heartbeat/2)
	case !w.announced && at.Sub(w.endedAt) >= newsAfter:
		w.announced, w.announcedAt = true, now
	}
}

// take takes in the sessions that an answer shows, of those workers that are in the set, or of all if it is nil. It returns
// how many starts are new.
func (x *Index) take(a schedule.Answer, of map[diff.WorkerKey]bool) int {
	found := 0
	for _, shown := range a.Sessions {
		w := x.workers[shown.WorkerKey]
		if w == nil || of != nil && !of[shown.WorkerKey] {
			continue
		}
		known := len(x.sessions)
		s := x.session(w, shown)
		if len(x.sessions) > known {
			found++
			s.foundAt = a.Sent
			x.foundStart(s, of == nil)
		}
		if shown.HasEnded() {
			w.endedAt = latest(w.endedAt, shown.EndedAt)
		} else {
			s.lookedAt = a.Sent
		}
	}
	return found
}

// foundStart notes a start that is new. One that a listing of its worker shows, and that is later than the last listing of its
// job, says that listings of the job find something again.
func (x *Index) foundStart(s *indexedSession, byWorker bool) {
	key := schedule.Job{FarmID: s.FarmID, QueueID: s.QueueID, JobID: s.JobID}
	j := x.jobs[key]
	if j == nil {
		j = &indexedJob{key: key, trust: 1, pages: 1}
		x.jobs[key], x.jobOrder = j, append(x.jobOrder, j)
	}
	j.finds.add(1, s.foundAt)
	x.finds.add(1, s.foundAt)
	if byWorker && s.StartedAt.After(j.askedAt) {
		j.trust = 1
	}
	s.worker.fresh, s.worker.announced = false, false
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// session returns what is known of a session.
func (x *Index) session(w *indexed, shown diff.Session) *indexedSession {
	s := x.sessions[shown.SessionID]
	if s == nil {
		const prefix = len("queue-")
		queue, _ := strconv.ParseUint(shown.QueueID[prefix:], 16, 8)
		s = &indexedSession{worker: w, queue: int(queue) % queues, lookedAt: shown.StartedAt}
		x.sessions[shown.SessionID] = s
	}
	s.Session = shown
	return s
}
