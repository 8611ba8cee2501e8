package farmtest

import (
	"slices"
	"time"
)

// simulatedSession is the course of one session until its end.
type simulatedSession struct {
	fleet   *simulatedFleet
	worker  *simulatedWorker
	job     *simulatedJob
	session *Session
	ends    time.Time // when it is to end, in our clock
	stopped bool      // it gets no more updates and is about to end
	ended   bool
}

// runSession schedules the rest of an open session, which ends after left unless it is cancelled or its worker
// deleted.
func (f *simulatedFleet) runSession(w *simulatedWorker, j *simulatedJob, session *Session, left time.Duration) {
	s := &simulatedSession{fleet: f, worker: w, job: j, session: session, ends: f.now.Add(left)}
	w.sessions = append(w.sessions, s)
	j.open++
	f.open++
	f.updateFree(w)
	if len(w.sessions) == 1 {
		f.updateStatus(w)
	}
	if f.chance(shareCancelled) {
		f.after(time.Duration(f.rng.Float64()*float64(left)), s.cancel)
	}
	f.after(left, func() {
		if !s.stopped {
			s.end()
		}
	})
	s.scheduleUpdate()
}

// Probabilities of what happens to a session or an update.
const (
	shareCancelled     = 0.12 // of the sessions
	shareFailedUpdates = 0.15 // of the updates
	shareUnknownStatus = 0.02 // of the updates: they get a status that is not documented
)

// scheduleUpdate schedules the next update, unless the session ends before.
func (s *simulatedSession) scheduleUpdate() {
	left := s.ends.Sub(s.fleet.now)
	gap := s.fleet.drawExponential(max(left, 50*time.Millisecond))
	if gap < left {
		s.fleet.after(gap, s.beginUpdate)
	}
}

// beginUpdate begins an update. Some updates are shorter than the interval of any poller.
func (s *simulatedSession) beginUpdate() {
	if s.stopped {
		return
	}
	if s.fleet.chance(shareUnknownStatus) {
		s.session.Update("MIGRATING")
	} else {
		s.session.Update("UPDATE_IN_PROGRESS")
	}
	s.fleet.after(max(s.fleet.drawLogUniform(time.Second, 2*time.Minute), 10*time.Millisecond), s.finishUpdate)
}

func (s *simulatedSession) finishUpdate() {
	if s.stopped {
		return
	}
	if s.fleet.chance(shareFailedUpdates) {
		s.session.Update("UPDATE_FAILED")
	} else {
		s.session.Update("UPDATE_SUCCEEDED")
	}
	s.scheduleUpdate()
}

// cancel sets the target status, and schedules the end for a little later.
func (s *simulatedSession) cancel() {
	if s.stopped {
		return
	}
	s.stopped = true
	s.session.SetTarget()
	s.fleet.after(max(s.fleet.drawLogUniform(500*time.Millisecond, 40*time.Second), 10*time.Millisecond), s.end)
}

func (s *simulatedSession) end() {
	if !s.ended {
		s.session.End()
		s.release()
	}
}

// release frees what the ended session occupied on its worker and in its job.
func (s *simulatedSession) release() {
	if s.ended {
		return
	}
	f, w, j := s.fleet, s.worker, s.job
	s.ended, s.stopped = true, true
	f.open--
	j.open--
	w.sessions = slices.DeleteFunc(slices.Clone(w.sessions), func(other *simulatedSession) bool { return other == s })
	f.updateFree(w)
	if len(w.sessions) == 0 {
		w.lastEnd = f.now
		f.updateStatus(w)
	}
	if f.cfg.Retention > 0 {
		f.after(f.cfg.Retention, s.session.Forget)
	}
	if f.cfg.Forget > 0 && j.open == 0 && j.tasks == 0 && f.chance(0.05) {
		f.after(f.cfg.Forget, j.job.Delete)
	}
	f.dispatch()
}
