package main

import (
	"maps"
	"sync"
	"time"

	"farmwire/poller/farmtest"
)

const (
	// Farmwire lists a worker again only after it has committed the listing before. So a change must be published when its
	// worker was listed this many times since.
	ownLooks = 3

	// Farmwire lists the workers in turn. So every worker should have been listed since a change when most workers were
	// listed this many times.
	otherLooks = 8

	// readTime is how long the consumer of the demo may take to read what is published.
	readTime = 5 * time.Second

	// lookMemory is how long looks are remembered. It is longer than the demo waits for an event at its end.
	lookMemory = 2 * time.Minute
)

// looks knows when Farmwire listed each worker. It distinguishes an event that is missing from one that is late because the
// machine is too slow for the speed of the farm. An event is missing if Farmwire has listed the worker often enough to
// publish it, however long that took.
type looks struct {
	mu       sync.Mutex
	byWorker map[string][]time.Time // when the requests for a listing arrived, in order
	last     time.Time              // when the last of all requests for a listing arrived
}

func newLooks() *looks { return &looks{byWorker: map[string][]time.Time{}} }

// observe notes a call that the farm answers.
func (l *looks) observe(c farmtest.Call) {
	if c.Operation != farmtest.ListSessionsForWorker || c.Outcome != farmtest.OutcomeOK || c.Page != 1 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = c.Arrived
	times, known := l.byWorker[c.WorkerID]
	if !known {
		l.forget(c.Arrived.Add(-lookMemory))
	}
	for len(times) > 0 && times[0].Before(c.Arrived.Add(-lookMemory)) {
		times = times[1:]
	}
	l.byWorker[c.WorkerID] = append(times, c.Arrived)
}

// forget removes the workers that were not listed since then, because they were deleted.
func (l *looks) forget(then time.Time) {
	maps.DeleteFunc(l.byWorker, func(_ string, times []time.Time) bool { return times[len(times)-1].Before(then) })
}

// hadTurn reports whether the event of a change should have been read by now. The change is of a session of the worker and
// was visible from shown on.
func (l *looks) hadTurn(workerID string, shown, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := now.Add(-readTime)
	if count(l.byWorker[workerID], shown, until) >= ownLooks {
		return true
	}
	listed, often := 0, 0
	for _, times := range l.byWorker {
		n := count(times, shown, until)
		if n > 0 {
			listed++
		}
		if n >= otherLooks {
			often++
		}
	}
	return often > listed/2
}

// silentSince reports whether Farmwire has listed no worker since then.
func (l *looks) silentSince(t time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last.Before(t)
}

// count returns how many of the times are between two others.
func count(times []time.Time, after, before time.Time) int {
	n := 0
	for _, t := range times {
		if t.After(after) && t.Before(before) {
			n++
		}
	}
	return n
}
