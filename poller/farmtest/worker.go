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

// Worker is a worker of a fleet.
type Worker struct {
	fleet     *Fleet
	id, host  string
	key       uint64
	createdAt time.Time      // the service's clock
	addedAt   time.Time      // the same in our clock
	deletedAt time.Time      // our clock; zero if it exists
	statuses  []workerStatus // the last ones, ordered by shown; never empty
	sessions  ordered[*Session]
}

// workerStatus is a status of a worker, which answers show from an instant on.
type workerStatus struct {
	status string
	at     time.Time // the service's clock
	shown  time.Time // our clock
}

// keptStatuses is the number of statuses of each worker that answers with the fault StaleStatuses can show.
const keptStatuses = 64

// AddWorker creates a worker. It has the status IDLE.
func (f *Fleet) AddWorker() *Worker { return f.addWorker(WorkerIdle) }

func (f *Fleet) addWorker(status string) *Worker {
	c := f.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	f.hosts++
	now := c.clock()
	w := &Worker{
		fleet: f, id: c.newID("worker"), host: fmt.Sprintf("%s-%04d", hostNamePart(f.name), f.hosts),
		key: c.nextKey(), createdAt: c.service(now), addedAt: now,
		statuses: []workerStatus{{status, c.service(now), now}},
	}
	f.workers.insert(w.key, w)
	f.workerByID[w.id] = w
	if c.keepsRequests {
		c.workers = append(c.workers, w)
	}
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

// SetStatus changes the worker's status. Answers show it at once.
func (w *Worker) SetStatus(status string) {
	c := w.fleet.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(w.statuses) == keptStatuses {
		w.statuses = slices.Delete(w.statuses, 0, 1)
	}
	now := c.clock()
	w.statuses = append(w.statuses, workerStatus{status, c.service(now), now})
}

// show returns the status that an answer for the instant now shows. It is the oldest known one for an answer that shows
// the worker as it was earlier.
func (w *Worker) show(now time.Time, by staleness) *workerStatus {
	at := now.Add(-by.statuses)
	for i := len(w.statuses) - 1; i > 0; i-- {
		if !w.statuses[i].shown.After(at) {
			return &w.statuses[i]
		}
	}
	return &w.statuses[0]
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
