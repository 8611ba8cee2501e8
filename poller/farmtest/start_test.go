package farmtest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Two starts have the same farms, fleets and queues, and no worker, job or session in common.
func TestStart(t *testing.T) {
	ids := func(start uint64) (places, others map[string]bool) {
		s := New(Config{Seed: 5, Start: start, Workers: 12, Fleets: 3, Clock: NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))})
		defer s.Close()
		places, others = map[string]bool{}, map[string]bool{}
		for _, session := range s.Cloud().Truth() {
			places[session.FarmID], places[session.FleetID], places[session.QueueID] = true, true, true
			others[session.WorkerID], others[session.JobID], others[session.SessionID] = true, true, true
		}
		return places, others
	}
	places, others := ids(1)
	for start := uint64(1); start <= 3; start++ {
		again, different := ids(start)
		if d := cmp.Diff(places, again); d != "" || len(places) != 7 {
			t.Errorf("start %d (-want +got):\n%s", start, d)
		}
		for _, id := range slices.Sorted(maps.Keys(different)) {
			if others[id] != (start == 1) {
				t.Errorf("start %d: %s in both is %v", start, id, others[id])
			}
		}
	}
}
