package farmtest

import "time"

// runningSurvives is how long an agent reports RUNNING after its last session has ended.
const runningSurvives = 5 * time.Second

// heartbeat returns the time between two reports of an agent. It is 0 if agents report every change at once.
func (tl *timeline) heartbeat() time.Duration {
	if tl.cfg.Heartbeat < 0 {
		return 0
	}
	return max(tl.scaled(tl.cfg.Heartbeat), time.Millisecond)
}

// drawPhase draws the time of an agent's first heartbeat, counted from the start of the timeline.
func (tl *timeline) drawPhase() time.Duration {
	if tl.heartbeat() == 0 {
		return 0
	}
	return time.Duration(tl.rng.Int64N(int64(tl.heartbeat())))
}

// updateStatus makes the worker's agent report whether it has sessions: with its next heartbeat, if there are heartbeats.
// A heartbeat that would report nothing new is no event.
func (f *simulatedFleet) updateStatus(w *simulatedWorker) {
	beat := f.heartbeat()
	if beat == 0 {
		f.report(w)
		return
	}
	if w.reports {
		return
	}
	w.reports = true
	sinceLast := ((f.now.Sub(f.cloud.start)-w.phase)%beat + beat) % beat
	f.after(beat-sinceLast, func() {
		w.reports = false
		if f.report(w); w.status == WorkerRunning && len(w.sessions) == 0 {
			f.updateStatus(w)
		}
	})
}

// report sets the worker's status to RUNNING or IDLE, as its agent sees it.
func (f *simulatedFleet) report(w *simulatedWorker) {
	survives := f.heartbeat() > 0 && f.now.Sub(w.lastEnd) <= f.scaled(runningSurvives)
	switch {
	case w.starting || w.draining || w.lost || w.index < 0:
	case len(w.sessions) > 0 || survives:
		f.setStatus(w, WorkerRunning)
	default:
		f.setStatus(w, WorkerIdle)
	}
}

// setStatus sets the status that answers show from now on.
func (f *simulatedFleet) setStatus(w *simulatedWorker, status string) {
	if w.status != status {
		w.status = status
		w.worker.SetStatus(status)
	}
}

// loseContact makes the worker's agent unreachable for a while. The worker then has the status NOT_RESPONDING, and starts
// no sessions.
func (f *simulatedFleet) loseContact(w *simulatedWorker) {
	if w.draining || w.starting || w.lost {
		return
	}
	w.lost = true
	f.updateFree(w)
	f.setStatus(w, WorkerNotResponding)
	f.after(f.drawLogUniform(5*time.Second, time.Minute), func() {
		w.lost = false
		f.updateFree(w)
		f.updateStatus(w)
		f.dispatch()
	})
}
