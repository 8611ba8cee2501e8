package farmtest

import (
	"fmt"
	"slices"
	"time"
)

// The worker statuses that the timeline uses. The service has more.
const (
	WorkerCreated       = "CREATED"
	WorkerStarted       = "STARTED"
	WorkerIdle          = "IDLE"
	WorkerRunning       = "RUNNING"
	WorkerStopping      = "STOPPING"
	WorkerNotResponding = "NOT_RESPONDING"
)

// Fleet is a fleet of a farm.
type Fleet struct {
	farm       *Farm
	id, name   string
	status     string
	createdAt  time.Time
	autoscales bool
	min, max   int
	workers    ordered[*Worker]
	workerByID map[string]*Worker
	hosts      int // number of host names given out
}

// AddFleet creates a fleet with the display name. It has the status ACTIVE and no workers.
func (f *Farm) AddFleet(name string) *Fleet {
	c := f.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	fleet := &Fleet{
		farm: f, id: c.newID("fleet"), name: name, status: "ACTIVE", createdAt: c.service(c.clock()),
		max: 7500, workerByID: map[string]*Worker{},
	}
	f.fleets.insert(c.nextKey(), fleet)
	f.fleetByID[fleet.id] = fleet
	return fleet
}

// ID returns the fleet's identifier.
func (f *Fleet) ID() string { return f.id }

// Name returns the fleet's display name.
func (f *Fleet) Name() string { return f.name }

// Farm returns the fleet's farm.
func (f *Fleet) Farm() *Farm { return f.farm }

// SetScaling sets the smallest and the largest number of workers that listings show for the fleet, and makes
// them show that the fleet scales. It adds and removes no worker.
func (f *Fleet) SetScaling(least, most int) {
	f.farm.cloud.mu.Lock()
	defer f.farm.cloud.mu.Unlock()
	f.autoscales, f.min, f.max = true, least, most
}

// SetStatus changes the fleet's status.
func (f *Fleet) SetStatus(status string) {
	f.farm.cloud.mu.Lock()
	defer f.farm.cloud.mu.Unlock()
	f.status = status
}

// Worker is a worker of a fleet.
type Worker struct {
	fleet                *Fleet
	id, host, status     string
	key                  uint64
	createdAt, updatedAt time.Time // the service's clock
	deletedAt            time.Time // our clock; zero if it exists
	sessions             ordered[*Session]
}

// AddWorker creates a worker. It has the status IDLE.
func (f *Fleet) AddWorker() *Worker {
	c := f.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	f.hosts++
	now := c.service(c.clock())
	w := &Worker{
		fleet: f, id: c.newID("worker"), host: fmt.Sprintf("%s-%04d", hostNamePart(f.name), f.hosts),
		status: WorkerIdle, key: c.nextKey(), createdAt: now, updatedAt: now,
	}
	f.workers.insert(w.key, w)
	f.workerByID[w.id] = w
	return w
}

// hostNamePart makes a fleet's name fit for a host name.
func hostNamePart(name string) string {
	b := []byte(name)
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			b[i] = '-'
		}
	}
	return string(b)
}

// ID returns the worker's identifier.
func (w *Worker) ID() string { return w.id }

// HostName returns the worker's host name.
func (w *Worker) HostName() string { return w.host }

// Fleet returns the worker's fleet.
func (w *Worker) Fleet() *Fleet { return w.fleet }

// SetStatus changes the worker's status.
func (w *Worker) SetStatus(status string) {
	c := w.fleet.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	w.status, w.updatedAt = status, c.service(c.clock())
}

// Delete deletes the worker and ends its open sessions at the same instant. GetSession and BatchGetSession
// still return the sessions.
func (w *Worker) Delete() { w.delete(true) }

// Lose deletes the worker without ending its open sessions. The caller may end them later.
func (w *Worker) Lose() { w.delete(false) }

func (w *Worker) delete(end bool) {
	c := w.fleet.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	if !w.deletedAt.IsZero() {
		return
	}
	now := c.clock()
	if end {
		for _, s := range w.sessions.items {
			s.end(now)
		}
	}
	w.deletedAt = now
	w.fleet.workers.remove(w.key)
	delete(w.fleet.workerByID, w.id)
}

// forgetSessions makes the service forget the worker's sessions that have ended.
func (w *Worker) forgetSessions() {
	c := w.fleet.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	for _, s := range slices.Clone(w.sessions.items) {
		if !s.endedAt.IsZero() {
			s.forget(now)
		}
	}
}
