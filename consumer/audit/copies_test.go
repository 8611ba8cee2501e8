package audit

import (
	"hash/maphash"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
	"farmwire/event"
)

// endedOf returns a copy of an event with an index in the log of the shard of its worker, or of a version that had no log.
func endedOf(a *audit, session string, index int, logged bool) *kgo.Record {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := diff.Change{
		Kind: diff.Ended, Sequence: 2,
		Session: diff.Session{
			WorkerKey: diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: "worker-1"}, QueueID: "queue-1", JobID: "job-1",
			SessionID: session, LifecycleStatus: diff.StatusEnded, TargetLifecycleStatus: diff.StatusEnded, StartedAt: at, EndedAt: at,
		},
		Previous: &diff.Session{LifecycleStatus: diff.StatusStarted},
		Observed: diff.Bounds{Before: at, Exact: true},
	}
	r := event.Encode(&c, event.Envelope{Region: "eu-west-1", Shard: a.shardOf([]byte("worker-1")), LogIndex: uint64(index)})
	k := &kgo.Record{Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		if logged || h.Key != headerNames[atShard] && h.Key != headerNames[atLogIndex] {
			k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
	}
	return k
}

// After retention of the events, the oldest records of the ended topic are copies of events that are gone. A record among the copies of
// what is left is none of those, whatever index it has.
func TestForgedCopiesAfterRetention(t *testing.T) {
	a := &audit{found: newFindings(), seed: maphash.MakeSeed(), states: make([]*shardState, 3)}
	shard := a.shardOf([]byte("worker-1"))
	first := []int64{none, none, none}
	first[shard] = 20
	garbage := &kgo.Record{Key: []byte("x"), Value: []byte("y")}
	for name, tc := range map[string]struct {
		forged *kgo.Record
		place  int
		want   int
	}{
		"none":                         {nil, 0, 0},
		"one of a trimmed index":       {endedOf(a, "session-forged", 5, true), 4, 1},
		"one without an index":         {endedOf(a, "session-forged", 5, false), 4, 1},
		"one that cannot be read":      {garbage, 4, 1},
		"one of an index that is left": {endedOf(a, "session-forged", 25, true), 4, 1},
	} {
		t.Run(name, func(t *testing.T) {
			a.found = newFindings()
			c := a.newCopies(0, false)
			var all []*kgo.Record
			for i := range 6 { // an event without an index, and those with 10, 15, 20, 25 and 30, of which the last three are left
				all = append(all, endedOf(a, "session-"+strconv.Itoa(i), 5+5*i, i > 0))
			}
			left := all[3:]
			if tc.forged != nil {
				all = append(append(append([]*kgo.Record{}, all[:tc.place]...), tc.forged), all[tc.place:]...)
			}
			for i, r := range all {
				r.Offset = int64(i)
				c.visit(r)
			}
			var d event.Digester
			for _, r := range left {
				c.event(d.Digest(convert(r, nil)), shard, true, where{}, r.Key, "id")
			}
			c.finish(true, first)
			if got := int(a.found.counts[CopyWrong]); got != tc.want {
				t.Errorf("%d findings, want %d", got, tc.want)
			}
		})
	}
}
