package simulation

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

const (
	heartbeat   = 15 * time.Second // between two reports of an agent
	survivedGap = 5 * time.Second  // RUNNING survives it
	queues      = 4
	never       = time.Duration(math.MaxInt64)
)

// queueLength is the mean length of a queue's sessions, as a multiple of Config.Session.
func queueLength(queue int) float64 { return [queues]float64{0.5, 0.8, 1.2, 1.5}[queue] }

func queueID(queue int) string { return fmt.Sprintf("queue-%032x", queue) }

// world is the truth. It is made up to a time that only grows. Times are counted from the start of the simulation, which
// is later than the start of the world.
type world struct {
	config   Config
	random   *rand.Rand
	agenda   agenda
	farms    []string
	fleets   []*fleet
	workers  map[diff.WorkerKey]*worker
	alive    int // workers that are not deleted and not about to be
	sessions []*session
	ofJob    map[schedule.Job][]*session
	jobs     []*job // those that are active
	jobCount int
}

type fleet struct {
	farm, id string
	pages    int
	workers  []*worker // also deleted ones
}

type worker struct {
	key              diff.WorkerKey
	pages            int
	phase            time.Duration // of its heartbeats
	created, deleted time.Duration
	hasHistory       bool          // its listings are full from the beginning
	hot              bool          // see Skewed
	streams          int           // of sessions, see world.beginStream
	fault            Fault         // of its listings
	sessions         []*session    // by their start
	longest          time.Duration // of its sessions
	busyUntil        time.Duration // see Bursts

	snapshot diff.Snapshot
	listed   []time.Duration // when its complete listings began
	inCall   uint64          // the list or lookup that asks about it, or that is not committed yet; 0 for none
}

type session struct {
	worker         *worker
	queue, job, id string
	start, end     time.Duration
	updates        []time.Duration
	startKnown     time.Duration // when it was first known; never if it was not
	endKnown       time.Duration
	updatesKnown   []known
}

// known is an update that was seen.
type known struct {
	number int // from 1
	at     time.Duration
}

type job struct {
	id    string
	queue int
	left  int // sessions
}

func newWorld(c Config) *world {
	w := &world{
		config: c, random: rand.New(rand.NewPCG(c.Seed, 1)),
		workers: make(map[diff.WorkerKey]*worker), ofJob: make(map[schedule.Job][]*session),
	}
	lead := -5 * c.Session // so that the sessions are in a steady state at 0
	for i, f := range c.Fleets {
		for len(w.farms) <= f.Farm {
			w.farms = append(w.farms, fmt.Sprintf("farm-%032x", len(w.farms)))
		}
		added := &fleet{farm: w.farms[f.Farm], id: fmt.Sprintf("fleet-%032x", i), pages: f.Pages}
		setDefault(&added.pages, c.Pages)
		w.fleets = append(w.fleets, added)
		for range f.Workers {
			w.addWorker(added, lead).hasHistory = true
		}
	}
	for range max(1, c.Workers/50) {
		w.jobs = append(w.jobs, w.newJob(w.jobSize()))
	}
	w.begin(lead)
	return w
}

func (w *world) addWorker(f *fleet, created time.Duration) *worker {
	n := len(w.workers)
	added := &worker{
		key:   diff.WorkerKey{FarmID: f.farm, FleetID: f.id, WorkerID: fmt.Sprintf("worker-%032x", n)},
		pages: f.pages, created: created, deleted: never,
		phase: time.Duration(w.random.Int64N(int64(heartbeat))),
		hot:   w.config.Mix == Skewed && n%10 == 0,
	}
	switch x := w.random.Float64(); {
	case x < w.config.Hanging:
		added.fault = Hang()
	case x < w.config.Hanging+w.config.Refused:
		added.fault = Fault{Reason: "denied"}
	}
	added.snapshot = diff.NewSnapshot(added.key, diff.Watch{Since: timeOf(0)})
	f.workers = append(f.workers, added)
	w.workers[added.key] = added
	w.alive++
	return added
}

// makeUntil makes the truth up to that time.
func (w *world) makeUntil(t time.Duration) {
	for next, ok := w.agenda.next(); ok && next <= t; next, ok = w.agenda.next() {
		w.agenda.take()()
	}
}

func (w *world) jobSize() int {
	size := w.config.JobSize
	return max(1, size/2+w.random.IntN(size+1))
}

func (w *world) newJob(size int) *job {
	w.jobCount++
	return &job{id: fmt.Sprintf("job-%032x", w.jobCount), queue: w.random.IntN(queues), left: size}
}

// nextJob returns the job of the next session.
func (w *world) nextJob() *job {
	i := w.random.IntN(len(w.jobs))
	j := w.jobs[i]
	if j.left--; j.left == 0 {
		w.jobs[i] = w.newJob(w.jobSize())
	}
	return j
}

// length returns the length of a session of a queue.
func (w *world) length(queue int, mean time.Duration) time.Duration {
	variation := 0.3
	switch w.config.Mix {
	case Exponential:
		return w.exponential(time.Duration(float64(mean) * queueLength(queue)))
	case Regular:
		return w.lognormal(mean, 0.1)
	case HeavyTail:
		variation = 2
	}
	return w.lognormal(time.Duration(float64(mean)*queueLength(queue)), variation)
}

// lognormal returns a random duration with that mean and coefficient of variation.
func (w *world) lognormal(mean time.Duration, variation float64) time.Duration {
	sigma := math.Sqrt(math.Log(1 + variation*variation))
	return time.Duration(float64(mean) * math.Exp(sigma*w.random.NormFloat64()-sigma*sigma/2))
}

// addSession adds a session of a job. The mean length is that of all queues.
func (w *world) addSession(k *worker, j *job, start, mean time.Duration) *session {
	length := w.length(j.queue, mean)
	s := &session{
		worker: k, start: start, end: start + length, startKnown: never, endKnown: never,
		queue: queueID(j.queue), job: j.id, id: fmt.Sprintf("session-%032x", len(w.sessions)),
	}
	if w.config.Mix == Updates {
		for range 4 {
			s.updates = append(s.updates, start+time.Duration(w.random.Int64N(int64(length))))
		}
		slices.Sort(s.updates)
	}
	w.sessions, k.sessions = append(w.sessions, s), append(k.sessions, s)
	w.addToJob(s)
	k.longest, k.busyUntil = max(k.longest, length), max(k.busyUntil, s.end)
	return s
}

// existed reports whether the worker existed at that time.
func (k *worker) existed(t time.Duration) bool { return k.created <= t && t < k.deleted }

// lastHeartbeat returns when the agent has reported last at that time.
func (k *worker) lastHeartbeat(t time.Duration) time.Duration {
	return t - ((t-k.phase)%heartbeat+heartbeat)%heartbeat
}

// status returns what the agent had reported last at that time.
func (k *worker) status(t time.Duration) string {
	last := k.lastHeartbeat(t)
	for i := len(k.sessions) - 1; i >= 0; i-- {
		s := k.sessions[i]
		if s.start+k.longest < last-survivedGap {
			break
		}
		if s.start <= last && s.end > last-survivedGap {
			return "RUNNING"
		}
	}
	return "IDLE"
}

// shown returns the session as the service shows it at that time. It must have started.
func (s *session) shown(t time.Duration) diff.Session {
	shown := diff.Session{
		WorkerKey: s.worker.key, QueueID: s.queue, JobID: s.job, SessionID: s.id,
		LifecycleStatus: diff.StatusStarted, StartedAt: timeOf(s.start),
	}
	for i, at := range s.updates {
		if at <= t {
			shown.LifecycleStatus = [...]string{diff.StatusUpdateInProgress, diff.StatusUpdateSucceeded}[i%2]
		}
	}
	if s.end <= t {
		shown.LifecycleStatus, shown.EndedAt = diff.StatusEnded, timeOf(s.end)
	}
	return shown
}

// timeOf returns a time of the simulation as a date.
func timeOf(t time.Duration) time.Time {
	const start = 1767225600 // 2026-01-01T00:00:00Z; time.Date takes longer than all the rest of an answer
	return time.Unix(start, 0).UTC().Add(t)
}
