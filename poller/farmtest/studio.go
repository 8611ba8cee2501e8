package farmtest

import (
	"math"
	"time"
)

// studio plays one fleet: jobs come to its queue, workers take their tasks as sessions, and the
// fleet grows and shrinks with the work. One queue per fleet, so a worker never has sessions of two.
type studio struct {
	*timeline
	fleet       *Fleet
	queue       string
	scales      bool
	least, most int
	slots       float64 // mean number of sessions that a worker takes at a time
	workers     []*host // those that exist
	free        []*host // those that can take a session
	waiting     []*batch
	tasks       int // waiting
	open        int // sessions
}

// batch is a job and its tasks.
type batch struct {
	job  *Job
	left int // tasks waiting
	open int // sessions
}

// host plays a worker.
type host struct {
	worker    *Worker
	slots     int
	lives     []*life
	lastStart time.Time // our clock
	arriving  bool
	draining  bool
	at, spare int // places in workers and in free; -1: not there
}

func (tl *timeline) addStudio(fleet *Fleet, workers, sessions int, scales bool) {
	s := &studio{
		timeline: tl, fleet: fleet, queue: fleet.farm.NewQueue(), scales: scales,
		least: workers, most: workers,
		slots: max(1.25, 1.3*float64(sessions)/float64(workers)),
	}
	now := workers
	if scales {
		s.least, s.most = max(1, workers*7/10), max(workers+1, workers*115/100)
		now = max(1, workers*9/10)
		fleet.SetScaling(s.least, s.most)
	}
	for range now {
		s.past(s.hire())
	}
	for s.open < sessions && len(s.free) > 0 {
		s.resume(s.newBatch(s.burst()), sessions)
	}
	rate := float64(sessions) / float64(tl.scaled(tl.cfg.MeanSession)) / s.meanBurst()
	var submit func()
	submit = func() {
		s.submit()
		s.after(s.around(time.Duration(1/rate)), submit)
	}
	s.after(s.around(time.Duration(1/rate)), submit)
	s.after(s.beat(), s.manage)
}

// hire adds a worker that can take sessions.
func (s *studio) hire() *host {
	h := &host{worker: s.fleet.AddWorker(), slots: int(s.slots), at: len(s.workers), spare: -1, lastStart: s.now}
	if s.chance(s.slots - math.Floor(s.slots)) {
		h.slots++
	}
	s.workers = append(s.workers, h)
	s.offer(h)
	return h
}

// past gives a new worker its ended sessions from before the start.
func (s *studio) past(h *host) {
	if s.cfg.History < 0 {
		return
	}
	job := s.fleet.farm.AddJob(s.queue)
	end := s.cloud.Now().Add(-s.between(time.Minute, 5*time.Hour))
	for range int(s.around(time.Duration(s.cfg.History*1e6)) / 1e6) {
		start := end.Add(-s.length())
		h.worker.AddHistory(job, start, end)
		end = start.Add(-s.between(time.Second, time.Hour))
	}
}

// offer puts the worker among the free ones, or takes it away, as it can take a session or not.
func (s *studio) offer(h *host) {
	free := !h.arriving && !h.draining && h.at >= 0 && len(h.lives) < h.slots
	if free == (h.spare >= 0) {
		return
	}
	if free {
		h.spare = len(s.free)
		s.free = append(s.free, h)
		return
	}
	last := s.free[len(s.free)-1]
	s.free[h.spare], last.spare = last, h.spare
	s.free, h.spare = s.free[:len(s.free)-1], -1
}

// meanBurst is the mean number of tasks of a job.
func (s *studio) meanBurst() float64 { return 1 + max(2, float64(s.most)/25) }

// burst draws how many tasks a job has: often one, at times a fifth of the fleet.
func (s *studio) burst() int { return 1 + int(s.rng.ExpFloat64()*(s.meanBurst()-1)+0.5) }

func (s *studio) newBatch(tasks int) *batch {
	return &batch{job: s.fleet.farm.AddJob(s.queue), left: tasks}
}

// resume lets sessions of a job run that began before the start.
func (s *studio) resume(b *batch, upTo int) {
	for ; b.left > 0 && s.open < upTo && len(s.free) > 0; b.left-- {
		h := s.free[s.rng.IntN(len(s.free))]
		whole := s.length()
		ran := time.Duration(s.rng.Float64() * float64(whole))
		session := h.worker.StartSessionAt(b.job, s.cloud.Now().Add(-ran))
		s.live(h, b, session, whole-ran)
	}
	b.left = 0
}

// submit submits a job, unless too much waits already.
func (s *studio) submit() {
	if tasks := s.burst(); s.tasks < 2*s.most+tasks {
		s.waiting = append(s.waiting, s.newBatch(tasks))
		s.tasks += tasks
	}
	s.dispatch()
}

// dispatch starts sessions for waiting tasks as long as there are free workers.
func (s *studio) dispatch() {
	for len(s.waiting) > 0 && len(s.free) > 0 {
		b := s.waiting[0]
		if b.left--; b.left == 0 {
			s.waiting[0] = nil
			s.waiting = s.waiting[1:]
		}
		s.tasks--
		h := s.free[s.rng.IntN(len(s.free))]
		h.lastStart = s.now
		s.live(h, b, h.worker.StartSession(b.job), s.length())
	}
}

// beat is the pause between two looks at the fleet's size.
func (s *studio) beat() time.Duration { return max(s.scaled(15*time.Second), time.Second) }

// manage grows or shrinks the fleet, reclaims workers, and troubles one now and then.
func (s *studio) manage() {
	s.after(s.beat(), s.manage)
	reclaim := s.cfg.Churn * float64(len(s.workers)) * s.beat().Minutes()
	for range int(reclaim + s.rng.Float64()) {
		s.drain(s.victim())
	}
	want := s.least
	if s.scales {
		need := float64(s.open+s.tasks) / s.slots * 1.5
		want = min(max(int(need), s.least), s.most)
	}
	staying := 0
	for _, h := range s.workers {
		if !h.draining {
			staying++
		}
	}
	few := max(1, len(s.workers)/10)
	for range min(want-staying, few) {
		s.arrive()
	}
	for range min(staying-want, few) {
		s.drain(s.idle())
	}
	if len(s.workers) > 0 && s.chance(0.05) {
		s.trouble(s.workers[s.rng.IntN(len(s.workers))])
	}
}

// victim picks a worker to reclaim: if one is found quickly, one that has sessions and can go at once.
func (s *studio) victim() *host {
	var h *host
	for range 16 {
		h = s.workers[s.rng.IntN(len(s.workers))]
		if len(h.lives) > 0 && !h.draining && !s.now.Before(h.lastStart.Add(s.cfg.Grace)) {
			break
		}
	}
	return h
}

// idle finds a worker without sessions; nil: none was found quickly.
func (s *studio) idle() *host {
	for range min(8, len(s.free)) {
		if h := s.free[s.rng.IntN(len(s.free))]; len(h.lives) == 0 {
			return h
		}
	}
	return nil
}

// arrive creates a worker; it takes sessions some time later.
func (s *studio) arrive() {
	h := s.hire()
	h.arriving = true
	s.offer(h)
	h.worker.SetStatus(WorkerCreated)
	s.after(s.between(2*time.Second, 20*time.Second), func() {
		h.worker.SetStatus(WorkerStarted)
		s.after(s.between(time.Second, 10*time.Second), func() {
			h.arriving = false
			s.offer(h)
			s.status(h)
			s.dispatch()
		})
	})
}

// drain takes no more sessions on the worker and deletes it, not before the grace is over.
func (s *studio) drain(h *host) {
	if h == nil || h.draining || h.arriving {
		return
	}
	h.draining = true
	s.offer(h)
	h.worker.SetStatus(WorkerStopping)
	grace := max(h.lastStart.Add(s.cfg.Grace).Sub(s.now), 0)
	s.after(grace+s.between(500*time.Millisecond, 10*time.Second), func() { s.dismiss(h) })
}

// dismiss deletes the worker; its open sessions are ended at once or a little later.
func (s *studio) dismiss(h *host) {
	last := s.workers[len(s.workers)-1]
	s.workers[h.at], last.at = last, h.at
	s.workers, h.at = s.workers[:len(s.workers)-1], -1
	lives := h.lives
	longest := time.Duration(0)
	if s.chance(0.4) {
		h.worker.Delete()
		for _, l := range lives {
			l.over()
		}
	} else {
		h.worker.Lose()
		for _, l := range lives {
			l.stopped = true
			wait := max(s.between(500*time.Millisecond, 20*time.Second), 20*time.Millisecond)
			longest = max(longest, wait)
			s.after(wait, l.end)
		}
	}
	if s.cfg.Forget > 0 {
		s.after(longest+s.cfg.Forget, h.worker.forgetSessions)
	}
}

// trouble lets a worker be out of reach for a while.
func (s *studio) trouble(h *host) {
	if h.draining || h.arriving {
		return
	}
	h.worker.SetStatus(WorkerNotResponding)
	s.after(s.between(5*time.Second, time.Minute), func() { s.status(h) })
}

// status sets the status that the worker's sessions make.
func (s *studio) status(h *host) {
	switch {
	case h.draining || h.at < 0:
	case len(h.lives) > 0:
		h.worker.SetStatus(WorkerRunning)
	default:
		h.worker.SetStatus(WorkerIdle)
	}
}
