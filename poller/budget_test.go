package poller

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The budget never gives more than its rate, and discovery never more than a fifth.
func TestBudgetIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(1, 200).Draw(t, "rate")
		owned := rapid.IntRange(1, 12).Draw(t, "owned")
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		b := newBudget(rate, start)
		b.setShare(owned, 12, start)
		share := rate * float64(owned) / 12
		now, all, discovery := start, 0, 0
		for now.Before(start.Add(time.Minute)) {
			now = b.ready(opListSessions, now)
			operation := opListSessions
			if rapid.Bool().Draw(t, "discovery") && !b.ready(opListWorkers, now).After(now) {
				operation = opListWorkers
				discovery++
			}
			if taken := b.take(operation, now); taken.After(now) {
				t.Fatalf("ready at %v, but taken for %v", now, taken)
			}
			all++
			seconds := now.Sub(start).Seconds()
			if limit := max(1, rate/10) + share*seconds + 1; float64(all) > limit {
				t.Fatalf("%d requests in %f s", all, seconds)
			}
			if limit := max(firstDiscovery, 2*rate) + share/5*seconds + 1; float64(discovery) > limit {
				t.Fatalf("%d requests of discovery in %f s", discovery, seconds)
			}
		}
	})
}

// A reserved token is one of the burst: after a long pause there is none more because of it.
func TestReservedTokenIsPartOfTheBurst(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b := bucket{rate: 50, burst: 5, at: now}
	b.reserve(now)
	now = now.Add(time.Minute)
	n := 0
	for ; !b.ready(now).After(now); n++ {
		b.spend(now)
	}
	if n != 5 {
		t.Errorf("%d calls began at once, want 5", n)
	}
}
