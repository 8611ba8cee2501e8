package schedule

import (
	"math"
	"time"

	"farmwire/diff"
)

// What announces a session is that its worker's status becomes RUNNING. The agent reports the status with its heartbeat. So
// after the end of a session RUNNING is no news until the next heartbeat: only what is seen after that announces another
// session. In fleets where most sessions follow another one at once, workers are listed when the next session has probably
// begun. If it has not, its status tells.
//
// An announcement stays until the worker was listed, even if its status changes again. A worker that is being stopped is listed
// once more.

const (
	heartbeat = 15 * time.Second          // of an agent
	afterEnd  = heartbeat + 5*time.Second // after the end of a session RUNNING is news; an agent may report it for some seconds

	// A worker that is RUNNING and of which no listing shows a session is listed again after a heartbeat, two, four, and so on
	// up to this.
	longestFruitless = 15 * time.Minute
	mostFruitless    = 10 // such listings in a row count

	// Parts of the typical time between two looks at a status, within which those of a worker are.
	soonestStatus = 0.25
	latestStatus  = 8.0

	running = "RUNNING"
)

// statuses returns a request for the statuses of a farm's workers that are due first. It leaves out those of which an answer
// would say nothing yet.
func (c *choice) statuses(f *farm) *task {
	t := &task{kind: BatchGetWorker, farm: f}
	var passed []*worker
	for p := f.statuses.first(); p != nil && len(t.workers) < batchSize && len(passed) < mostPassed; p = f.statuses.first() {
		w := p.worker
		c.s.leaveStatuses(w)
		if latest(w.statusAt.Add(leastStatus), w.endedAt.Add(afterEnd)).After(c.now) {
			passed = append(passed, w)
		} else {
			t.workers = append(t.workers, w)
		}
	}
	for _, w := range passed {
		c.s.queueStatus(w)
	}
	if len(t.workers) == 0 {
		return nil
	}
	return t
}

// queueStatus queues a worker for the next look at its status. It leaves the queue if a status can announce nothing: while a
// session is open, if it is to be listed anyway, or if it is not known to exist.
func (s *Schedule) queueStatus(w *worker) {
	if w.presence != presenceShown || len(w.Open) > 0 || w.urgent || w.answer == noSuchWorker || w.activity != resting {
		s.leaveStatuses(w)
		return
	}
	if w.statusPlace.in == nil {
		s.sweeps.watching++
	}
	due := w.statusAt.Add(s.statusPause(w))
	w.statusPlace.enter(&w.fleet.farm.statuses, s.key(latest(due, w.endedAt.Add(afterEnd))))
}

func (s *Schedule) leaveStatuses(w *worker) {
	if w.statusPlace.in != nil {
		w.statusPlace.leave()
		s.sweeps.watching--
	}
}

// statusPause returns how long after a look at the status of a worker the next look is worth a request: the longer, the fewer
// sessions begin on the worker.
func (s *Schedule) statusPause(w *worker) time.Duration {
	factor := 1.0
	if w.isLeaving {
		factor = 4
	}
	factor *= math.Sqrt(s.meanStartRate() / s.startRate(w))
	return time.Duration(max(soonestStatus, min(latestStatus, factor)) * float64(s.sweeps.typicalStatus))
}

// statusesDone takes in the answer to BatchGetWorker.
func (s *Schedule) statusesDone(t *task, a Answer, now time.Time, o *Outcome) {
	s.judgeBatch(BatchGetWorker, t.farm.id, a.Reason, now, o)
	if a.Reason != "" && a.Reason != Throttled && a.Reason != Cancelled {
		t.farm.resting[BatchGetWorker] = now.Add(failedRest) // what fails must not have the requests of the listings
	}
	for _, w := range t.workers {
		if w.activity == dropped {
			continue
		}
		if status, ok := a.Statuses[w.Worker]; ok {
			s.showStatus(w, status, a.Sent)
			s.noteStatus(w, a.Sent, now)
			s.noteAwaiting(w, o)
		} else if a.Reason == "" {
			w.statusAt = a.Sent // nothing usable was said of it, which need not change soon
		}
		s.queueStatus(w)
	}
	for _, k := range a.Gone {
		if w := s.workers[k]; w != nil && w.presence == presenceShown && !w.isGone {
			w.isGone = true
			s.ask(w, now) // its listing says whether it exists
		}
	}
}

// showStatus takes in the status of a worker, in answer to a request that was sent then. A list of workers that was asked for
// later may have been answered before.
func (s *Schedule) showStatus(w *worker, status diff.WorkerStatus, sent time.Time) {
	if sent.Before(w.statusAt) {
		return
	}
	if shown, ok := w.fleet.shown[w.Worker.WorkerID]; ok {
		shown.sent = sent
		w.fleet.shown[w.Worker.WorkerID] = shown
	}
	if w.status != nil && *w.status == status {
		return
	}
	w.fleet.countStatus(w, -1)
	if w.status != nil && status.HostName == "" {
		status.HostName = w.status.HostName // BatchGetWorker may not tell it
	}
	w.status = &status
	w.fleet.countStatus(w, 1)
	if shown, ok := w.fleet.shown[w.Worker.WorkerID]; ok {
		shown.status = w.status
		w.fleet.shown[w.Worker.WorkerID] = shown
	}
}

// noteStatus takes in a look at the status of a worker, by a request that was sent then.
func (s *Schedule) noteStatus(w *worker, sent, now time.Time) {
	if sent.Before(w.statusAt) {
		return
	}
	w.statusAt = sent
	wasLeaving := w.isLeaving
	w.isLeaving = isLeaving(w.status.Status)
	switch {
	case w.status.Status != running:
		w.rested = !sent.Before(w.endedAt)
		w.fruitless = 0
		if w.isLeaving && !wasLeaving {
			s.ask(w, now) // it may soon be deleted, and with it what nothing has announced
		}
	case len(w.Open) > 0 || w.isBusy() || !s.isUrgentByStatus(w):
	case w.rested, !sent.Before(latest(w.endedAt, w.fruitlessSince()).Add(afterEnd)):
		w.announced = true
		if w.urgent {
			w.awaits = awaitsListing
		} else {
			s.ask(w, s.sinceListed(w, now))
		}
	}
}

// ask makes the listing of a worker urgent because its status asks for it.
func (s *Schedule) ask(w *worker, due time.Time) {
	w.awaits = awaitsListing
	s.makeUrgent(w, due)
}

// noteAwaiting adds a worker whose status was shown to those that await a listing. RUNNING that is shown during a call about
// the worker asks for nothing, but the session that it announces may have begun after the call. So what counts is the next look.
//
// A worker whose status says that no session is open on it awaits nothing, unless a listing of it is urgent or it is being stopped.
// If its status announced a session before, a job's listing has shown that session. If the worker was never listed, its first listing
// comes in its turn, and the status does not ask for it.
func (s *Schedule) noteAwaiting(w *worker, o *Outcome) {
	if w.awaits == awaitsListing && w.activity == resting && !w.urgent && !w.announced && w.listingFailures == 0 && w.isAtRest() && !w.isLeaving {
		w.awaits = awaitsNothing
	}
	isUnclear := w.status.Status == running && w.isBusy() && len(w.Open) == 0 && s.isUrgentByStatus(w)
	if w.awaits != awaitsNothing || isUnclear {
		o.Awaiting = append(o.Awaiting, w.Worker)
	}
}

// isLeaving reports whether a status says that no session begins on a worker, and that it may soon be deleted.
func isLeaving(status string) bool {
	switch status {
	case "STOPPING", "STOPPED", "NOT_RESPONDING", "NOT_COMPATIBLE":
		return true
	}
	return false
}

// sinceListed returns when a worker on which a session has begun becomes due: at once, or, if many wait, before those that were
// listed later, because more may be found of it. One that was never listed goes first: it may soon be deleted.
func (s *Schedule) sinceListed(w *worker, now time.Time) time.Time {
	switch {
	case !s.isTight:
		return now
	case w.listingBegun.IsZero():
		return s.made
	}
	return w.listingBegun
}

// fruitlessSince returns from when on RUNNING announces a session again of a worker of which listings have shown none although
// it was RUNNING. It is the zero time if there was no such listing.
func (w *worker) fruitlessSince() time.Time {
	if w.fruitless == 0 {
		return time.Time{}
	}
	return w.listingBegun.Add(min(longestFruitless, heartbeat<<min(w.fruitless, mostFruitless)) - heartbeat)
}

// endAnnouncement takes in that an announced worker was listed. News says whether the listing has shown a new session.
func (s *Schedule) endAnnouncement(w *worker, wasAnnounced, news bool) {
	if wasAnnounced && !news {
		w.fruitless = min(w.fruitless+1, mostFruitless)
	} else if news {
		w.fruitless = 0
	}
	w.announced, w.rested = false, false
}

// expect lets a worker be listed when the next session has probably begun after an end, if that can be said of its fleet.
func (s *Schedule) expect(w *worker, ended time.Time) {
	if wait, ok := w.fleet.gaps.wait(); ok && w.presence == presenceShown {
		w.expectedPlace.enter(&s.expected, s.key(ended.Add(wait)))
	}
}

// announceExpected makes the workers urgent on which a session has probably begun.
func (s *Schedule) announceExpected(now time.Time) {
	limit := s.key(now)
	for range atOnce {
		p := s.expected.first()
		if p == nil || p.key > limit {
			return
		}
		p.leave()
		if w := p.worker; len(w.Open) == 0 && !w.urgent {
			s.makeUrgent(w, s.sinceListed(w, now))
		}
	}
}

// isAtRest reports whether the status of a worker says that no session is open on it, and a sweep would tell when one begins.
func (w *worker) isAtRest() bool {
	return w.fleet.farm.isSwept && w.status != nil && w.status.Status != running && w.status.Status != "" && len(w.Open) == 0 && w.presence == presenceShown
}
