package poller

import (
	"math/rand/v2"
	"testing"
	"time"

	"farmwire/diff"
)

// TestTurns takes over several shards at a time: long before all workers of the first were
// asked for, each shard has had its turn.
func TestTurns(t *testing.T) {
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
	asked := map[int]int{}
	for range workers {
		c, at := s.next(now, &startTimes{})
		if c.kind != listSessions {
			t.Fatalf("kind %d at %s, want a listing at once", c.kind, at)
		}
		asked[c.workers[0].shard]++
	}
	for shard := range shards {
		if asked[shard] < workers/shards/3 {
			t.Errorf("of the first %d calls %d were for shard %d: %v", workers, asked[shard], shard, asked)
		}
	}
}

// TestTurnsOfShortLives starts again and again and never comes to the end of the workers that
// ListWorkers shows, page by page and always in the same order: those of the last page have
// their turn too.
func TestTurnsOfShortLives(t *testing.T) {
	const lives, pages, page, calls = 60, 6, 10, 5
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	asked := map[diff.WorkerKey]int{}
	for life := range uint64(lives) {
		s := newSchedule(15*time.Second, 30*time.Second, rand.New(rand.NewPCG(life, 1)))
		for n := range pages * page {
			s.workerShown(key(n), 0, &diff.WorkerStatus{Status: "IDLE"}, now)
			if n%page != page-1 {
				continue
			}
			for range calls {
				c, _ := s.next(now, &startTimes{})
				asked[c.workers[0].key]++
			}
			now = now.Add(100 * time.Millisecond)
		}
	}
	for n := range pages * page {
		if asked[key(n)] == 0 {
			t.Errorf("worker %d was never asked for in %d lives", n, lives)
		}
	}
}
