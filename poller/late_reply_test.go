package poller

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"
	"farmwire/poller/schedule"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// A lookup that asks about workers of two shards has failed, and before the loop takes in the reply, one of the shards is
// disowned. Nothing is asked about the workers of that shard any more. Otherwise what the other shard would be given is of
// workers that another instance may own already.
func TestLookupOfTwoShardsFailsBeforeOneIsDisowned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{Faults: []farmtest.Fault{{Kind: farmtest.ServerError, Operation: farmtest.BatchGetSession}}})
		other := world.fleet.AddWorker()
		config := testConfig
		config.Shards = 2
		config.Shard = func(id string) int { return slices.Index([]string{world.worker.ID(), other.ID()}, id) }
		l := newLoop(t.Context(), New(directClient(direct{handler: world}), config, zap.NewNop(), prometheus.NewRegistry()))
		for shard, w := range []*farmtest.Worker{world.worker, other} {
			one := *world
			one.worker = w
			l.own(&ownership{shard: shard, snapshots: []diff.Snapshot{restored(&one, w.StartSession(nil))}, box: newOutbox()}, time.Now())
		}
		c, _ := l.schedule.Next(time.Now())
		if c.Kind != schedule.BatchGetSession || len(c.Shards) != 2 {
			t.Fatalf("the first call is %s of shards %v", c.Kind.Operation(), c.Shards)
		}
		l.start(c)
		r := <-l.replies
		l.disown(1, time.Now())
		l.take(&r, time.Now())
		asked := false
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			c, _ := l.schedule.Next(time.Now())
			if slices.Contains(workers(c), diff.WorkerKey{FarmID: world.farm.ID(), FleetID: world.fleet.ID(), WorkerID: other.ID()}) {
				t.Errorf("%s of shards %v asks about a worker of a shard that was disowned", c.Kind.Operation(), c.Shards)
			}
			asked = asked || c.Kind == schedule.BatchGetSession
		}
		if !asked {
			t.Error("the session of the other worker is not looked up again")
		}
	})
}
