package farmwire

import (
	"context"
	"slices"
	"sync"
	"time"

	"farmwire/diff"
	"farmwire/publisher"
	"farmwire/status"
)

// shardStates holds the state of each shard that the consumer group assigns to this instance. A state lives as long as the
// assignment, which is the context that it was set with: when that ends, in whatever moment, the state is gone.
type shardStates struct {
	mu     sync.Mutex
	shards map[int]*shardState // by number
}

// shardState is the state of a shard during one assignment.
type shardState struct {
	status.Shard
	assigned <-chan struct{}             // closed when the assignment ends
	failed   map[diff.WorkerKey]struct{} // see status.Shard.Unpublished
}

// update changes the state of a shard. The first call of an assignment makes it. A call after the end of the assignment does
// nothing, because the shard may already be assigned again.
func (s *shardStates) update(ctx context.Context, number int, change func(*shardState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	if s.shards == nil {
		s.shards = make(map[int]*shardState)
	}
	of := s.shards[number]
	if of == nil || of.assigned != ctx.Done() {
		of = &shardState{Shard: status.Shard{Number: number, Assigned: time.Now()}, assigned: ctx.Done(), failed: make(map[diff.WorkerKey]struct{})}
		s.shards[number] = of
	}
	change(of)
}

// set begins a step in the life of a shard.
func (s *shardStates) set(ctx context.Context, number int, state status.ShardState) {
	s.update(ctx, number, func(of *shardState) {
		of.State, of.Since = state, time.Now()
		of.Committed, of.Publishing, of.Leaderless = time.Time{}, time.Time{}, nil
	})
}

// failed notes that a shard could not be acquired, or could not be followed any more. It is acquired again after a pause.
func (s *shardStates) failed(ctx context.Context, number int, err error) {
	s.update(ctx, number, func(of *shardState) {
		if of.State == status.Followed && time.Since(of.Since) >= status.SettledFor {
			of.Failures = 0
		}
		of.State, of.Since, of.Err = status.Waiting, time.Now(), err
		of.Failures++
	})
}

// all returns the shards that are assigned now. Unasked has the numbers of restored open sessions that were not asked for
// yet, by shard.
func (s *shardStates) all(unasked map[int]int) []status.Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]status.Shard, 0, len(s.shards))
	for number, of := range s.shards {
		select {
		case <-of.assigned:
			delete(s.shards, number)
		default:
			shard := of.Shard
			shard.Unpublished, shard.Unasked = len(of.failed), unasked[number]
			all = append(all, shard)
		}
	}
	return all
}

// watchedWriter is a shardWriter that tells the states of the shards when it commits.
type watchedWriter struct {
	shardWriter
	states    *shardStates
	assigned  context.Context // ends with the assignment
	shard     int
	committed time.Time // the last commit
}

// PublishCoverage publishes coverage records, and what is stored of the coverage and of the watch.
func (w *watchedWriter) PublishCoverage(ctx context.Context, c publisher.Coverage) error {
	return w.watched(func() error { return w.shardWriter.PublishCoverage(ctx, c) })
}

// Publish publishes changes. If there are none, nothing is committed.
func (w *watchedWriter) Publish(ctx context.Context, changes []diff.Changes) error {
	publish := func() error { return w.shardWriter.Publish(ctx, changes) }
	var err error
	if slices.ContainsFunc(changes, commits) {
		err = w.watched(publish)
	} else {
		err = publish()
	}
	w.states.update(w.assigned, w.shard, func(of *shardState) {
		for _, c := range changes {
			if err != nil {
				of.failed[c.Worker] = struct{}{}
			} else {
				delete(of.failed, c.Worker)
			}
		}
	})
	return err
}

// commits reports whether publishing the changes commits a transaction.
func commits(c diff.Changes) bool {
	return len(c.Events)+len(c.Remembered)+len(c.Forgotten) > 0 || c.Absences != nil
}

// watched notes when publishing begins and when it was committed.
func (w *watchedWriter) watched(publish func() error) error {
	w.states.update(w.assigned, w.shard, func(of *shardState) { of.Publishing = time.Now() })
	err := publish()
	now := time.Now()
	w.states.update(w.assigned, w.shard, func(of *shardState) {
		of.Publishing = time.Time{}
		if err == nil {
			of.Committed, of.Newest = now, now
		}
	})
	if err == nil {
		w.committed = now
	}
	return err
}
