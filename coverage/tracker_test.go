package coverage_test

import (
	"testing"
	"time"

	"farmwire/coverage"
	"farmwire/diff"
)

// One request may give observations of workers of several shards. A Tracker does not wait for the commits of other shards.
func TestObservationsOfOtherShards(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	own, other := diff.WorkerKey{FarmID: "f", FleetID: "l", WorkerID: "own"}, diff.WorkerKey{FarmID: "f", FleetID: "l", WorkerID: "other"}
	stored := &coverage.State{Alive: at, Watermark: coverage.Watermark{Changes: at, Announced: at, Starts: at}, NextGap: 1}
	tracker := coverage.NewTracker(coverage.Config{GapAfter: time.Minute, Owns: func(id string) bool { return id == "own" }}, stored, nil, at)
	for n := range 3 {
		at = at.Add(5 * time.Second)
		r := coverage.Request{Number: uint64(n + 1), Operation: coverage.Lookup, Workers: []diff.WorkerKey{own, other}, At: at}
		tracker.Sent(r)
		tracker.Answered(coverage.Answer{Request: r, Observed: r.Workers}, at)
		tracker.Committed(diff.Observation{Worker: own}, diff.NewSnapshot(own, diff.Watch{}), at)
	}
	records, _ := tracker.Take(at, true)
	if h := records[len(records)-1].Heartbeat; !h.Watermark.Changes.Equal(at) {
		t.Errorf("the watermark of changes is %v, want %v", h.Watermark.Changes, at)
	}
}
