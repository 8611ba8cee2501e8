package farmtest

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Cloud is the model of the service in one region. Its methods and those of its farms, fleets, workers
// and sessions are safe for concurrent use. Answers show a change as soon as the method returns, unless a
// fault delays it.
type Cloud struct {
	mu      sync.RWMutex // guards everything below, and all farms, fleets, workers and sessions
	clock   func() time.Time
	skew    time.Duration
	order   Order
	rng     *rand.Rand // for the ids of farms, fleets and queues
	moving  *rand.Rand // for the ids of workers, jobs and sessions
	created uint64     // number of entries created so far; determines an entry's place in the listings

	farms    ordered[*Farm]
	farmByID map[string]*Farm
	sessions map[string]*Session // all that are not forgotten, by id
	jobs     map[string]*Job
	deleted  map[string]bool // queues, fleets and farms, by id

	faults *faults
	start  time.Time
	record record

	keepsRequests bool      // there is a request file
	workers       []*Worker // for the request file: all that there ever were

	seed   uint64              // for the truth
	quotas map[Operation]Quota // for the truth
}

func newCloud(cfg Config, clock func() time.Time, f *faults) *Cloud {
	rng := rand.New(rand.NewPCG(cfg.Seed, 1))
	moving := rng
	if cfg.Start != 0 {
		moving = rand.New(rand.NewPCG(cfg.Start, 4))
	}
	return &Cloud{
		clock: clock, skew: cfg.Skew, order: cfg.Order,
		rng: rng, moving: moving,
		farmByID: map[string]*Farm{}, sessions: map[string]*Session{}, jobs: map[string]*Job{}, deleted: map[string]bool{},
		faults: f, start: clock(), seed: cfg.Seed, quotas: cfg.Quotas,
		keepsRequests: cfg.RequestFile != "",
	}
}

// Now returns the time of the service's clock: our clock plus the skew, truncated to milliseconds.
func (c *Cloud) Now() time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.service(c.clock())
}

// SetSkew sets how far the service's clock is ahead of ours.
func (c *Cloud) SetSkew(skew time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew = skew
}

// service converts a time of our clock to the service's clock, in the precision of the answers.
func (c *Cloud) service(now time.Time) time.Time {
	return now.Add(c.skew).UTC().Truncate(time.Millisecond)
}

func (c *Cloud) newID(kind string) string {
	rng := c.moving
	switch kind {
	case "farm", "fleet", "queue":
		rng = c.rng
	}
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], rng.Uint64())
	binary.BigEndian.PutUint64(id[8:], rng.Uint64())
	return kind + "-" + hex.EncodeToString(id[:])
}

func (c *Cloud) nextKey() uint64 {
	c.created++
	return c.order.key(c.created)
}

// Farm is one farm of the service.
type Farm struct {
	cloud     *Cloud
	id, name  string
	createdAt time.Time
	fleets    ordered[*Fleet]
	fleetByID map[string]*Fleet
}

// AddFarm creates a farm with the display name.
func (c *Cloud) AddFarm(name string) *Farm {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &Farm{cloud: c, id: c.newID("farm"), name: name, createdAt: c.service(c.clock()), fleetByID: map[string]*Fleet{}}
	c.farms.insert(c.nextKey(), f)
	c.farmByID[f.id] = f
	return f
}

// ID returns the farm's identifier.
func (f *Farm) ID() string { return f.id }

// Name returns the farm's display name.
func (f *Farm) Name() string { return f.name }

// NewQueue returns the identifier of a new queue of the farm.
func (f *Farm) NewQueue() string {
	f.cloud.mu.Lock()
	defer f.cloud.mu.Unlock()
	return f.cloud.newID("queue")
}

// Job is a job of a queue.
type Job struct {
	farm        *Farm
	id, queueID string
	sessions    ordered[*Session] // those that the service knows, of all workers
}

// AddJob submits a job to the queue, or to a new queue if queueID is empty.
func (f *Farm) AddJob(queueID string) *Job {
	c := f.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	if queueID == "" {
		queueID = c.newID("queue")
	}
	j := &Job{farm: f, id: c.newID("job"), queueID: queueID}
	c.jobs[j.id] = j
	return j
}

// ID returns the job's identifier.
func (j *Job) ID() string { return j.id }

// Farm returns the job's farm.
func (j *Job) Farm() *Farm { return j.farm }

// QueueID returns the identifier of the job's queue.
func (j *Job) QueueID() string { return j.queueID }

// Delete deletes the job. The service forgets its sessions, including the open ones.
func (j *Job) Delete() {
	c := j.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.jobs, j.id)
	now := c.clock()
	for _, s := range slices.Clone(j.sessions.items) {
		s.forget(now)
	}
}
