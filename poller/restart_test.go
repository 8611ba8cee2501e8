package poller

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"
)

// If discovery fails after a restart, workers that are only known from snapshots are listed even if they have no open
// sessions. This holds for a shard that is owned later, too.
func TestRestartWithoutDiscovery(t *testing.T) {
	for _, operation := range []farmtest.Operation{farmtest.ListFarms, farmtest.ListFleets, farmtest.ListWorkers} {
		for _, kind := range []farmtest.Kind{farmtest.Denied, farmtest.ServerError} {
			t.Run(string(operation)+" "+string(kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { restartWithoutDiscovery(t, operation, kind) })
			})
		}
	}
}

func restartWithoutDiscovery(t *testing.T, operation farmtest.Operation, kind farmtest.Kind) {
	world := newWorld(farmtest.Config{})
	second := world.fleet.AddWorker()
	snapshots := []diff.Snapshot{idle(world, world.worker), idle(world, second)}
	world.SetFaults(farmtest.Fault{Kind: kind, Operation: operation})
	config := testConfig
	config.Shards = 2
	config.Shard = func(id string) int { return slices.Index([]string{world.worker.ID(), second.ID()}, id) }
	w := watch(t, directClient(direct{handler: world}), config, snapshots[0])
	time.Sleep(100 * time.Second)
	s := world.worker.StartSession(nil)
	time.Sleep(11 * time.Second)
	if got := w.kinds(s.ID()); got != "started" && got != "discovered" {
		t.Errorf("events of a session of a restored worker: %q", got)
	}
	w.mu.Lock()
	w.snapshots[snapshots[1].Worker()] = snapshots[1]
	w.mu.Unlock()
	later := w.poller.Own(1, snapshots[1:])
	t.Cleanup(func() { w.poller.Disown(1) })
	go func() {
		for o := range later {
			w.take(o)
		}
	}()
	time.Sleep(61 * time.Second)
	if w.seen(second.ID())[diff.CompleteListing] == 0 {
		t.Error("the worker of the shard that is owned later was not listed")
	}
}

// idle returns the restored snapshot of a worker that has only an ended session.
func idle(world *world, worker *farmtest.Worker) diff.Snapshot {
	old := worker.StartSession(nil)
	old.End()
	key := diff.WorkerKey{FarmID: world.farm.ID(), FleetID: world.fleet.ID(), WorkerID: worker.ID()}
	r := diff.NewRestorer()
	r.Put(diff.Record{Sequence: 2, Seen: time.Now(), Session: diff.Session{
		WorkerKey: key, QueueID: old.Job().QueueID(), JobID: old.Job().ID(), SessionID: old.ID(),
		LifecycleStatus: diff.StatusEnded, StartedAt: old.StartedAt(), EndedAt: time.Now(),
	}})
	return r.Snapshots(func(string) diff.Watch { return diff.Watch{Since: time.Now()} })[key]
}
