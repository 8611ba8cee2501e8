package poller

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"
)

// A worker whose pages do not end delays no other worker, even at the default rate, because new calls take turns
// with its pages.
func TestEndlessPagesDelayNoOtherWorker(t *testing.T) {
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
		if got := w.kinds(s.ID()); got != "started ended" {
			t.Errorf("events of the neighbour's session: %q", got)
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
			t.Error("the worker was not listed again after its pages ended")
		}
	})
}

// A fleet whose pages of workers do not end does not delay the discovery of other fleets.
func TestEndlessFleetDelaysNoOtherFleet(t *testing.T) {
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
