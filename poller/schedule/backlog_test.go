package schedule

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What concerns many workers is done for each of them once, in order, by one call after another. While that goes on, Next
// wants to be called again soon.
func TestBacklog(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := New(Config{
		Rate: 1, Staleness: time.Hour, Discovery: time.Hour, Shards: 1, Shard: func(string) int { return 0 },
		Random: rand.New(rand.NewPCG(1, 2)),
	}, now)
	s.Own(0, nil, now)
	s.Next(now) // ListFarms, which is not answered
	const n = 9*atOnce/2 + 7
	var want, got, nested []int
	for i := range n {
		want = append(want, i)
	}
	forAll(s, want, now, func(i int, now time.Time) {
		got = append(got, i)
		if i == atOnce+1 {
			forAll(s, []int{-1, -2}, now, func(i int, _ time.Time) { nested = append(nested, i) })
		}
	})
	if len(got) != atOnce {
		t.Errorf("the first call dealt with %d workers, not with %d", len(got), atOnce)
	}
	calls := 0
	for s.isBehind(now) {
		if calls++; calls > n {
			t.Fatal("the backlog does not end")
		}
		before := len(got)
		_, wake := s.Next(now)
		if s.isBehind(now) && wake != now.Add(backlogPause) {
			t.Errorf("with a backlog Next wants to be called again after %v", wake.Sub(now))
		}
		if len(got) > before+2*atOnce {
			t.Errorf("one call dealt with %d workers", len(got)-before)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("what was done (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]int{-1, -2}, nested); d != "" {
		t.Errorf("what was begun meanwhile (-want +got):\n%s", d)
	}
}
