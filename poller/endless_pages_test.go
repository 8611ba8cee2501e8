package poller

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"
)

// At the default rate a worker whose pages have no end holds up nobody: calls that begin take
// turns with its pages.
func TestEndlessPagesStarveNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		neighbour := world.fleet.AddWorker()
		s := neighbour.StartSession(nil)
		config := Config{Rate: 10, Staleness: 15 * time.Second, Discovery: 30 * time.Second}
		w := watch(t, directClient(direct{handler: world, delay: func(*http.Request) time.Duration { return 30 * time.Millisecond }}), config)
		time.Sleep(60 * time.Second)
		world.SetFaults(farmtest.Fault{Kind: farmtest.EndlessPages, Worker: world.worker.ID(), Operation: farmtest.ListSessionsForWorker})
		time.Sleep(20 * time.Second)
		s.End()
		time.Sleep(17 * time.Second)
		if got := w.story(s.ID()); got != "started ended" {
			t.Errorf("told of the neighbour's session: %q", got)
		}
		time.Sleep(10 * time.Minute)
		if gap := w.longestGap(neighbour.ID()); gap > 17*time.Second {
			t.Errorf("the neighbour was not listed for %v", gap)
		}
		before := sum(world.Calls()[farmtest.ListSessionsForWorker])
		time.Sleep(time.Hour)
		if rate := float64(sum(world.Calls()[farmtest.ListSessionsForWorker])-before) / 3600; rate > 2 {
			t.Errorf("%.1f requests a second for two workers", rate)
		}
		world.SetFaults()
		had := w.seen(world.worker.ID())[diff.CompleteListing]
		time.Sleep(70 * time.Second)
		if w.seen(world.worker.ID())[diff.CompleteListing] == had {
			t.Error("the worker was not listed again when its pages had an end")
		}
	})
}

// A fleet whose workers have no end does not keep discovery from the others.
func TestEndlessFleetStarvesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		other := world.farm.AddFleet("other")
		config := Config{Rate: 10, Staleness: 15 * time.Second, Discovery: 30 * time.Second}
		w := watch(t, directClient(direct{handler: world, delay: func(*http.Request) time.Duration { return 30 * time.Millisecond }}), config)
		time.Sleep(time.Minute)
		world.SetFaults(farmtest.Fault{Kind: farmtest.EndlessPages, Fleet: world.fleet.ID(), Operation: farmtest.ListWorkers})
		time.Sleep(time.Minute)
		worker := other.AddWorker()
		time.Sleep(time.Minute)
		if len(w.seen(worker.ID())) == 0 {
			t.Error("the new worker of the other fleet was not found")
		}
	})
}

// What is reserved is of the burst: a long pause gives no token more for it.
func TestReservedIsOfTheBurst(t *testing.T) {
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
