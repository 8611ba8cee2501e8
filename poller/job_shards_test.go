package poller

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// loopOfShards is a loop that owns shards, and has found the fleets fleet-1, fleet-2 and fleet-other of farm-1. The last is not
// to be polled, and fleet-2 is gone. The shard of a worker is the number at the end of its id.
func loopOfShards(t *testing.T, h http.Handler, shards ...int) *loop {
	config := Config{Shards: 3, Fleets: []string{"fleet-1", "fleet-2"}, Shard: func(id string) int {
		n, err := strconv.Atoi(id[strings.LastIndex(id, "-")+1:])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}}
	slow := func(*http.Request) time.Duration { return time.Second }
	l := newLoop(t.Context(), New(directClient(direct{handler: h, delay: slow}), config, zap.NewNop(), prometheus.NewRegistry()))
	for _, id := range []string{"fleet-1", "fleet-2", "fleet-other"} {
		l.directory.addFleet("farm-1", listedFleet{id: id, date: testTime})
	}
	l.directory.removeFleets(func(id string, _ FoundFleet) bool { return id == "fleet-2" }, testTime)
	for _, number := range shards {
		l.own(&ownership{shard: number, box: newOutbox()}, testTime)
	}
	return l
}

func key(farm, fleet, worker string) diff.WorkerKey {
	return diff.WorkerKey{FarmID: farm, FleetID: fleet, WorkerID: worker}
}

// What the page of a job shows counts for workers of shards that were owned since before the request, in fleets that are found
// and polled.
func TestWorkersThatCountOnAJobPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := loopOfShards(t, http.NotFoundHandler(), 0)
		l.lastCall = 5
		l.own(&ownership{shard: 1, box: newOutbox()}, testTime)
		known := diff.NewSnapshot(key("farm-1", "fleet-1", "worker-0"), diff.Watch{Since: testTime})
		l.commit(known, testTime)
		for name, c := range map[string]struct {
			call   uint64
			worker diff.WorkerKey
			want   bool
		}{
			"of an owned shard":                  {5, key("farm-1", "fleet-1", "worker-0"), true},
			"that is new":                        {5, key("farm-1", "fleet-1", "worker-9-0"), true},
			"of a shard of nobody":               {6, key("farm-1", "fleet-1", "worker-2"), false},
			"of a shard that was owned later":    {5, key("farm-1", "fleet-1", "worker-1"), false},
			"of that shard, and it is asked now": {6, key("farm-1", "fleet-1", "worker-1"), true},
			"of a fleet that is not found":       {6, key("farm-1", "fleet-9", "worker-0"), false},
			"of a fleet that is gone":            {6, key("farm-1", "fleet-2", "worker-0"), false},
			"of a fleet of another farm":         {6, key("farm-2", "fleet-1", "worker-0"), false},
			"of a fleet that is not polled":      {6, key("farm-1", "fleet-other", "worker-0"), false},
		} {
			f := &flight{Call: schedule.Call{Number: c.call, Kind: schedule.ListSessions}}
			got, counts := l.known(f, c.worker)
			if counts != c.want {
				t.Errorf("a worker %s: %v", name, counts)
			}
			if hasSnapshot := got.Worker() == c.worker; hasSnapshot != (c.worker == known.Worker() && c.want) {
				t.Errorf("a worker %s: the snapshot is of %v", name, got.Worker())
			}
		}
	})
}

// What a job's page shows is delivered to the shards that are still owned, each worker's to its own. A shard does not wait for
// such a call when it is disowned, and does not cancel it. One that is owned again gets nothing of the old request.
func TestJobPageIsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := loopOfShards(t, http.NotFoundHandler(), 0, 1, 2)
		boxes := []*outbox{l.shards[0].box, l.shards[1].box, l.shards[2].box}
		l.start(schedule.Call{Number: 7, List: 7, Kind: schedule.ListSessions, Job: testJob, Page: 1})
		f := l.flights[7]
		l.disown(1, testTime)
		l.disown(2, testTime)
		l.own(&ownership{shard: 2, box: newOutbox()}, testTime)
		boxes = append(boxes, l.shards[2].box)
		for _, id := range []string{"worker-0", "worker-1", "worker-2", "worker-9-0"} {
			l.deliver(f, diff.Observation{Worker: key("farm-1", "fleet-1", id)}, false)
		}
		if r := <-l.replies; reasonOf(r.err) != schedule.ResourceNotFound {
			t.Errorf("the call ended with %v", r.err)
		}
		l.disown(0, testTime)
		l.disown(2, testTime)
		var got []string
		for _, box := range boxes {
			all, took := rest(box.out)
			for _, o := range all {
				got = append(got, o.Worker.WorkerID)
			}
			if took > 0 {
				t.Errorf("a channel was closed after %v", took)
			}
		}
		if diff := cmp.Diff([]string{"worker-0", "worker-9-0"}, got); diff != "" {
			t.Errorf("observations (-want +got):\n%s", diff)
		}
	})
}

// BatchGetWorker gives no observations, so a shard that is disowned does not wait for it and does not cancel it.
func TestDisownDoesNotWaitForStatuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := loopOfShards(t, http.NotFoundHandler(), 0)
		box := l.shards[0].box
		l.start(schedule.Call{Number: 1, Kind: schedule.BatchGetWorker, Workers: []diff.WorkerKey{key("farm-1", "fleet-1", "worker-0")}, Shards: []int{0}})
		l.disown(0, testTime)
		if _, took := rest(box.out); took > 0 {
			t.Errorf("the channel was closed after %v", took)
		}
		if r := <-l.replies; reasonOf(r.err) != schedule.ResourceNotFound {
			t.Errorf("the call ended with %v", r.err)
		}
	})
}
