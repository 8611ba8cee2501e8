package farmwire

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"farmwire/diff"
	"farmwire/event"
	"farmwire/poller"
)

// What the page of a job shows of a worker counts only if the watch on its fleet is stored, or the worker is known. It may show
// workers that no listing has shown yet.
func TestOnlyWatchedFleetsAreBelieved(t *testing.T) {
	worker := func(fleet string) diff.WorkerKey {
		return diff.WorkerKey{FarmID: "farm", FleetID: fleet, WorkerID: "worker"}
	}
	since := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	watch := event.WatchRecord{Fleets: map[string]event.FleetWatch{"watched": {Since: since, Farm: "farm"}}}
	known := newSnapshots(map[diff.WorkerKey]diff.Snapshot{worker("forgotten"): diff.NewSnapshot(worker("forgotten"), diff.Watch{})})
	l := &loop{poller: poller.New(nil, poller.Config{}, zap.NewNop(), nil), log: zap.NewNop()}
	covered := uncovered(l)
	for _, other := range []bool{false, true} {
		var batch []diff.Observation
		for _, fleet := range []string{"new", "watched", "forgotten"} {
			page := diff.Observation{Worker: worker(fleet), Source: diff.Answers, Sightings: []diff.Sighting{{Session: diff.Session{WorkerKey: worker(fleet), SessionID: "a"}}}}
			gone := diff.Observation{Worker: worker(fleet), Source: diff.NoSuchWorker}
			batch = append(batch, page, gone)
		}
		var got []string
		for _, o := range l.believed(batch, watch, known, covered, other) {
			got = append(got, o.Worker.FleetID+map[diff.Source]string{diff.Answers: " answers", diff.NoSuchWorker: " no worker"}[o.Source])
		}
		want := []string{"watched answers", "watched no worker", "forgotten answers", "forgotten no worker"}
		if other {
			want = []string{"watched answers", "watched answers", "forgotten answers", "forgotten answers"}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("another account %v (-want +got):\n%s", other, d)
		}
	}
}
