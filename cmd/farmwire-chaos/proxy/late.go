package proxy

import (
	"slices"
	"sync"
	"time"
)

// Outcome is what became of a late request.
type Outcome int

const (
	Undelivered Outcome = iota // no later transaction came in time, or the broker did not answer
	Refused                    // the broker answered with an error; to a produce request, with one for each partition
	Accepted                   // the broker answered without an error; to a produce request, for at least one partition
)

// outcomeWithin waits up to d for an outcome.
func outcomeWithin(d time.Duration, outcome <-chan Outcome, done <-chan struct{}) Outcome {
	select {
	case o := <-outcome:
		return o
	case <-time.After(d):
	case <-done:
	}
	return Undelivered
}

// lateList has the late requests of one kind: those that are held back and those that are still awaited.
type lateList[T any] struct {
	mu   sync.Mutex
	late []*T
}

func (l *lateList[T]) any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.late) > 0
}

func (l *lateList[T]) add(one *T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late = append(l.late, one)
}

func (l *lateList[T]) remove(one *T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late = slices.DeleteFunc(l.late, func(other *T) bool { return other == one })
}
