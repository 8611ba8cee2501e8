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
	open := holdings{open: []diff.Session{{SessionID: "session-1"}}}
	for shard := range shards {
		now = now.Add(time.Millisecond)
		for n := range workers {
			w := key(shard*workers + n)
			s.own(w, shard, open, s.turn(now))
			if n%2 == 0 {
				s.saw(w, shard, &diff.WorkerStatus{Status: "RUNNING"}, s.turn(now))
			}
		}
	}
	asked := map[int]int{}
	for range workers {
		c, at := s.next(now, &gates{})
		if c.kind != listSessions {
			t.Fatalf("kind %d at %s, want a listing at once", c.kind, at)
		}
		asked[c.entries[0].shard]++
	}
	for shard := range shards {
		if asked[shard] < workers/shards/3 {
			t.Errorf("of the first %d calls %d were for shard %d: %v", workers, asked[shard], shard, asked)
		}
	}
}
