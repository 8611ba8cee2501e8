package farmtest

import (
	"math"
	"slices"
	"time"
)

// workersPerJob is how many workers a fleet has for each active job, if Config.JobSize is set.
const workersPerJob = 50

// simulatedFleet is the activity of one fleet. Jobs are submitted to its queue, workers run their tasks as sessions,
// and the fleet grows and shrinks with the work. Each fleet has one queue, so all sessions of a worker belong to it.
type simulatedFleet struct {
	*timeline
	fleet       *Fleet
	queue       string
	scales      bool
	least, most int                // bounds of the number of workers
	slots       float64            // mean number of sessions that a worker can run at the same time
	workers     []*simulatedWorker // all that exist
	free        []*simulatedWorker // those that can run another session
	queued      []*simulatedJob    // jobs with tasks that have not started
	queuedTasks int                // number of those tasks
	open        int                // number of open sessions
	limit       int                // bound of that number
}

// simulatedJob is a job with its tasks. Each task is one session.
type simulatedJob struct {
	job   *Job
	tasks int // number that have not started
	open  int // number of open sessions
}

// simulatedWorker is a worker and its open sessions.
type simulatedWorker struct {
	worker           *Worker
	slots            int // number of sessions that it can run at the same time
	sessions         []*simulatedSession
	lastStart        time.Time     // of a session, in our clock
	lastEnd          time.Time     // when it last had a session, in our clock
	starting         bool          // it runs no sessions yet
	draining         bool          // it is being stopped and gets no more sessions
	lost             bool          // its agent cannot be reached, and gets no more sessions
	index, freeIndex int           // in the fleet's workers and free; -1 if it is not there
	status           string        // that answers show
	phase            time.Duration // of its agent's heartbeats
	reports          bool          // the agent is to report the status with the next heartbeat
}

// addFleet adds the fleet's workers and their sessions at the start, and schedules its activity.
func (tl *timeline) addFleet(fleet *Fleet, workers, sessions int, scales bool) {
	f := &simulatedFleet{
		timeline: tl, fleet: fleet, queue: fleet.farm.NewQueue(), scales: scales,
		least: workers, most: workers,
		slots: max(1.25, 1.3*float64(sessions)/float64(workers)), limit: math.MaxInt,
	}
	if tl.cfg.JobSize > 0 {
		f.limit = sessions
	}
	now := workers
	if scales {
		f.least, f.most = max(1, workers*7/10), max(workers+1, workers*115/100)
		now = max(1, workers*9/10)
		fleet.SetScaling(f.least, f.most)
	}
	for range now {
		f.addHistory(f.addWorker(WorkerIdle))
	}
	for f.open < sessions && len(f.free) > 0 {
		f.addOpenSessions(f.newJob(f.drawJobSize()), sessions)
	}
	for _, w := range f.workers {
		f.report(w)
	}
	f.after(f.adjustInterval(), f.adjust)
	if tl.cfg.JobSize > 0 {
		return // the next job is submitted when the one before has started
	}
	rate := float64(sessions) / float64(tl.scaled(tl.cfg.MeanSession)) / f.meanJobSize()
	var submit func()
	submit = func() {
		f.submit()
		f.after(f.drawExponential(time.Duration(1/rate)), submit)
	}
	f.after(f.drawExponential(time.Duration(1/rate)), submit)
}

// addWorker adds a worker with the status. If that is IDLE, it can run sessions at once.
func (f *simulatedFleet) addWorker(status string) *simulatedWorker {
	w := &simulatedWorker{
		worker: f.fleet.addWorker(status), status: status, starting: status != WorkerIdle, phase: f.drawPhase(),
		slots: int(f.slots), index: len(f.workers), freeIndex: -1, lastStart: f.now,
	}
	if f.chance(f.slots - math.Floor(f.slots)) {
		w.slots++
	}
	f.workers = append(f.workers, w)
	f.updateFree(w)
	return w
}

// addHistory adds sessions of the worker that ended before the start.
func (f *simulatedFleet) addHistory(w *simulatedWorker) {
	if f.cfg.History < 0 {
		return
	}
	job := f.fleet.farm.AddJob(f.queue)
	end := f.cloud.Now().Add(-f.drawLogUniform(time.Minute, 5*time.Hour))
	for range int(f.drawExponential(time.Duration(f.cfg.History*1e6)) / 1e6) {
		start := end.Add(-f.drawSessionLength())
		w.worker.AddHistory(job, start, end)
		end = start.Add(-f.drawLogUniform(time.Second, time.Hour))
	}
}

// updateFree adds the worker to the free ones, or removes it, depending on whether it can run another session.
func (f *simulatedFleet) updateFree(w *simulatedWorker) {
	free := !w.starting && !w.draining && !w.lost && w.index >= 0 && len(w.sessions) < w.slots
	if free == (w.freeIndex >= 0) {
		return
	}
	if free {
		w.freeIndex = len(f.free)
		f.free = append(f.free, w)
		return
	}
	last := f.free[len(f.free)-1]
	f.free[w.freeIndex], last.freeIndex = last, w.freeIndex
	f.free, w.freeIndex = f.free[:len(f.free)-1], -1
}

// meanJobSize returns the mean number of tasks of a job.
func (f *simulatedFleet) meanJobSize() float64 {
	if f.cfg.JobSize > 0 {
		return float64(f.cfg.JobSize)
	}
	return 1 + max(2, float64(f.most)/25)
}

// drawJobSize draws the number of tasks of a job. By default it is often one and sometimes a fifth of the fleet's workers.
func (f *simulatedFleet) drawJobSize() int {
	return 1 + int(f.rng.ExpFloat64()*(f.meanJobSize()-1)+0.5)
}

func (f *simulatedFleet) newJob(tasks int) *simulatedJob {
	return &simulatedJob{job: f.fleet.farm.AddJob(f.queue), tasks: tasks}
}

// addOpenSessions adds open sessions of the job that began before the start, while there are fewer than upTo. The rest of
// the job is dropped, unless the next job waits for it.
func (f *simulatedFleet) addOpenSessions(j *simulatedJob, upTo int) {
	for ; j.tasks > 0 && f.open < upTo && len(f.free) > 0; j.tasks-- {
		w := f.free[f.rng.IntN(len(f.free))]
		whole := f.drawSessionLength()
		ran := time.Duration(f.rng.Float64() * float64(whole))
		session := w.worker.StartSessionAt(j.job, f.cloud.Now().Add(-ran))
		f.runSession(w, j, session, whole-ran)
	}
	if f.cfg.JobSize > 0 && j.tasks > 0 {
		f.enqueue(j)
		return
	}
	j.tasks = 0
}

func (f *simulatedFleet) enqueue(j *simulatedJob) {
	f.queued = append(f.queued, j)
	f.queuedTasks += j.tasks
}

// submit submits a job, unless too many tasks are queued.
func (f *simulatedFleet) submit() {
	if tasks := f.drawJobSize(); f.queuedTasks < 2*f.most+tasks {
		f.enqueue(f.newJob(tasks))
	}
	f.dispatch()
}

// dispatch starts sessions for queued tasks while there are free workers and the limit allows it.
func (f *simulatedFleet) dispatch() {
	for len(f.free) > 0 && f.open < f.limit {
		i := 0
		if f.cfg.JobSize > 0 {
			for len(f.queued) < max(1, f.most/workersPerJob) {
				f.enqueue(f.newJob(f.drawJobSize()))
			}
			i = f.rng.IntN(len(f.queued))
		}
		if len(f.queued) == 0 {
			return
		}
		j := f.queued[i]
		if j.tasks--; j.tasks == 0 {
			f.queued = slices.Delete(f.queued, i, i+1)
		}
		f.queuedTasks--
		w := f.free[f.rng.IntN(len(f.free))]
		w.lastStart = f.now
		f.runSession(w, j, w.worker.StartSession(j.job), f.drawSessionLength())
	}
}

// adjustInterval returns the time between two calls of adjust.
func (f *simulatedFleet) adjustInterval() time.Duration {
	return max(f.scaled(15*time.Second), time.Second)
}

// adjust grows or shrinks the fleet, reclaims workers and sometimes makes one unreachable.
func (f *simulatedFleet) adjust() {
	f.after(f.adjustInterval(), f.adjust)
	reclaim := f.cfg.Churn * float64(len(f.workers)) * f.adjustInterval().Minutes()
	for range int(reclaim + f.rng.Float64()) {
		f.drain(f.workerToReclaim())
	}
	want := f.least
	if f.scales {
		need := float64(f.open+f.queuedTasks) / f.slots * 1.5
		want = min(max(int(need), f.least), f.most)
	}
	staying := 0
	for _, w := range f.workers {
		if !w.draining {
			staying++
		}
	}
	few := max(1, len(f.workers)/10)
	for range min(want-staying, few) {
		f.launchWorker()
	}
	for range min(staying-want, few) {
		f.drain(f.idleWorker())
	}
	if len(f.workers) > 0 && f.chance(0.05) {
		f.loseContact(f.workers[f.rng.IntN(len(f.workers))])
	}
}

// workerToReclaim picks a worker to reclaim. It prefers one with sessions whose grace period is over, but tries only
// a few.
func (f *simulatedFleet) workerToReclaim() *simulatedWorker {
	var w *simulatedWorker
	for range 16 {
		w = f.workers[f.rng.IntN(len(f.workers))]
		if len(w.sessions) > 0 && !w.draining && !f.now.Before(w.lastStart.Add(f.cfg.Grace)) {
			break
		}
	}
	return w
}

// idleWorker picks a worker without sessions. It tries only a few and returns nil if all have sessions.
func (f *simulatedFleet) idleWorker() *simulatedWorker {
	for range min(8, len(f.free)) {
		if w := f.free[f.rng.IntN(len(f.free))]; len(w.sessions) == 0 {
			return w
		}
	}
	return nil
}

// launchWorker creates a worker that can run sessions after some time.
func (f *simulatedFleet) launchWorker() {
	w := f.addWorker(WorkerCreated)
	f.after(f.drawLogUniform(2*time.Second, 20*time.Second), func() {
		f.setStatus(w, WorkerStarted)
		f.after(f.drawLogUniform(time.Second, 10*time.Second), func() {
			w.starting = false
			f.updateFree(w)
			f.updateStatus(w)
			f.dispatch()
		})
	})
}

// drain starts no more sessions on the worker and deletes it after the grace period.
func (f *simulatedFleet) drain(w *simulatedWorker) {
	if w == nil || w.draining || w.starting {
		return
	}
	w.draining = true
	f.updateFree(w)
	f.setStatus(w, WorkerStopping)
	grace := max(w.lastStart.Add(f.cfg.Grace).Sub(f.now), 0)
	f.after(grace+f.drawLogUniform(500*time.Millisecond, 10*time.Second), func() { f.deleteWorker(w) })
}

// deleteWorker deletes the worker. Its open sessions end at once or a little later.
func (f *simulatedFleet) deleteWorker(w *simulatedWorker) {
	last := f.workers[len(f.workers)-1]
	f.workers[w.index], last.index = last, w.index
	f.workers, w.index = f.workers[:len(f.workers)-1], -1
	sessions := w.sessions
	longest := time.Duration(0)
	if f.chance(0.4) {
		w.worker.Delete()
		for _, s := range sessions {
			s.release()
		}
	} else {
		w.worker.Lose()
		for _, s := range sessions {
			s.stopped = true
			wait := max(f.drawLogUniform(500*time.Millisecond, 20*time.Second), 20*time.Millisecond)
			longest = max(longest, wait)
			f.after(wait, s.end)
		}
	}
	if f.cfg.Forget > 0 {
		f.after(longest+f.cfg.Forget, w.worker.forgetSessions)
	}
}
