package poller

import (
	"math/rand/v2"
	"testing"
	"time"

	"farmwire/diff"
)

// If several shards are owned at the same time, workers of each are listed long before all workers of the first.
func TestShardsTakeTurns(t *testing.T) {
	const shards, workers = 6, 100
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := newSchedule(15*time.Second, 30*time.Second, rand.New(rand.NewPCG(1, 1)))
	open := committedSessions{open: []diff.Session{{SessionID: "session-1"}}}
	for shard := range shards {
		now = now.Add(time.Millisecond)
		for n := range workers {
			w := key(shard*workers + n)
			s.addKnown(w, shard, open, s.randomDue(now))
			if n%2 == 0 {
				s.workerShown(w, shard, &diff.WorkerStatus{Status: "RUNNING"}, now)
			}
		}
	}
	listed := map[int]int{}
	for range workers {
		c, at := s.next(now, &startTimes{})
		if c.kind != listSessions {
			t.Fatalf("kind %d at %s, want a listing at once", c.kind, at)
		}
		listed[c.workers[0].shard]++
	}
	for shard := range shards {
		if listed[shard] < workers/shards/3 {
			t.Errorf("of the first %d calls %d were for shard %d: %v", workers, listed[shard], shard, listed)
		}
	}
}

// An instance that is restarted again and again never has the time to list all workers, and ListWorkers always shows
// them in the same order. Nevertheless each worker is listed in one of its lives.
func TestShortLivesReachAllWorkers(t *testing.T) {
	const lives, pages, page, calls = 60, 6, 10, 5
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	listed := map[diff.WorkerKey]int{}
	for life := range uint64(lives) {
		s := newSchedule(15*time.Second, 30*time.Second, rand.New(rand.NewPCG(life, 1)))
		for n := range pages * page {
			s.workerShown(key(n), 0, &diff.WorkerStatus{Status: "IDLE"}, now)
			if n%page != page-1 {
				continue
			}
			for range calls {
				c, _ := s.next(now, &startTimes{})
				listed[c.workers[0].key]++
			}
			now = now.Add(100 * time.Millisecond)
		}
	}
	for n := range pages * page {
		if listed[key(n)] == 0 {
			t.Errorf("worker %d was never listed in %d lives", n, lives)
		}
	}
}
