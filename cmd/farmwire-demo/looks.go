package main

import (
	"maps"
	"sync"
	"time"

	"farmwire/poller/farmtest"
)

const (
	// Farmwire asks for a worker again only when what it saw of the worker before is committed. So when a worker was
	// listed as often as this since a change, the change is published.
	ownLooks = 3

	// When most workers were listed as often as this since a change, Farmwire had its turn at every worker.
	otherLooks = 8

	// readTime is how long the demo's consumer may take to read what is published.
	readTime = 5 * time.Second

	// lookMemory is how long looks are remembered. It is longer than the demo waits for an event at its end.
	lookMemory = 2 * time.Minute
)

// looks knows when Farmwire looked at each worker. It tells an event that is missing from an event that comes late
// because the machine is too slow for the farm's speed: an event is missing when Farmwire had its turn and did not use
// it, however slow the machine is.
type looks struct {
	mu       sync.Mutex
	byWorker map[string][]time.Time // when the requests arrived, in order
	last     time.Time
}

func newLooks() *looks { return &looks{byWorker: map[string][]time.Time{}} }

// observe takes in a call that the farm answers.
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

// forget drops the workers that nobody has looked at since then: they were deleted.
func (l *looks) forget(then time.Time) {
	maps.DeleteFunc(l.byWorker, func(_ string, times []time.Time) bool { return times[len(times)-1].Before(then) })
}

// hadTurn reports whether by now an event should have been read that tells a change of a worker's session. The change
// could be seen from shown on.
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

// silentSince reports whether Farmwire has looked at no worker since then.
func (l *looks) silentSince(t time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last.Before(t)
}

// count is how many of the times are between two others.
func count(times []time.Time, after, before time.Time) int {
	n := 0
	for _, t := range times {
		if t.After(after) && t.Before(before) {
			n++
		}
	}
	return n
}
