package poller

import (
	"testing"

	"farmwire/diff"
)

// What is kept of a worker is removed when its snapshot is empty and the schedule does not know it.
func TestWorkersAreForgotten(t *testing.T) {
	restorer := diff.NewRestorer()
	restorer.Put(diff.Record{Sequence: 1, Seen: testTime, Session: openOf("worker-1", "a")})
	key := func(id string) diff.WorkerKey {
		return diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: id}
	}
	s := &shard{workers: map[diff.WorkerKey]committed{
		testKey:         {snapshot: restorer.Snapshots(func(string) diff.Watch { return diff.Watch{} })[testKey]},
		key("is-shown"): {listed: testTime},
		key("is-gone"):  {listed: testTime},
	}}
	s.forget(func(w diff.WorkerKey) bool { return w == key("is-shown") })
	if _, kept := s.workers[key("is-gone")]; kept || len(s.workers) != 2 {
		t.Errorf("kept: %v", s.workers)
	}
}
