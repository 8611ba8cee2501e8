package audit

import (
	"fmt"
	"hash/maphash"
	"testing"
	"time"

	"pgregory.net/rapid"

	"farmwire/diff"
	"farmwire/event"
)

// drawEvent returns the record of any change.
func drawEvent(t *rapid.T) event.Record {
	text := rapid.SampledFrom([]string{"a", "farm-1", "STARTED", "a/b", ""})
	id := rapid.SampledFrom([]string{"a", "farm-1", "session-00000000000000000000000000000001"})
	if rapid.IntRange(0, 3).Draw(t, "odd") == 0 { // what the scanner leaves to event.Decode
		text = rapid.SampledFrom([]string{"a", `q"\uote`, "\x00", "\x7f", "ü", "bad\xff", ""})
		id = rapid.SampledFrom([]string{"a", "ü", `q"`})
	}
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.IntRange(0, 9).Draw(t, "zero") == 0 {
			return time.Time{}
		}
		return time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "time")).UTC()
	})
	session := func(name string) diff.Session {
		return diff.Session{
			WorkerKey: diff.WorkerKey{FarmID: id.Draw(t, name+" farm"), FleetID: id.Draw(t, name+" fleet"), WorkerID: id.Draw(t, name+" worker")},
			QueueID:   text.Draw(t, name+" queue"), JobID: text.Draw(t, name+" job"), SessionID: id.Draw(t, name+" session"),
			LifecycleStatus: text.Draw(t, name+" status"), TargetLifecycleStatus: text.Draw(t, name+" target"),
			StartedAt: instant.Draw(t, name+" started"), EndedAt: instant.Draw(t, name+" ended"),
		}
	}
	c := diff.Change{
		Kind: rapid.SampledFrom(event.Kinds()).Draw(t, "kind"), Sequence: rapid.Uint64Range(1, 2_000_000).Draw(t, "sequence"), Session: session("session"),
		Inferred: rapid.Bool().Draw(t, "inferred"), Snapshot: rapid.Bool().Draw(t, "snapshot"),
		Observed: diff.Bounds{After: instant.Draw(t, "after"), Before: instant.Draw(t, "before"), Exact: rapid.Bool().Draw(t, "exact")},
	}
	if rapid.Bool().Draw(t, "has previous") {
		previous := session("previous")
		c.Previous = &previous
	}
	env := event.Envelope{Region: "eu-west-1", Recorded: instant.Draw(t, "recorded"), Shard: rapid.IntRange(0, 99).Draw(t, "shard"), LogIndex: rapid.Uint64Range(0, 1e17).Draw(t, "index")}
	if rapid.Bool().Draw(t, "has worker") {
		env.Status = &diff.WorkerStatus{Status: text.Draw(t, "worker status"), HostName: text.Draw(t, "host")}
	}
	return event.Encode(&c, env)
}

// What the scanner accepts, event.Decode accepts too, and both read the same. The records are those of any change, whole or damaged.
func TestScanAgreesWithDecode(t *testing.T) {
	seed := maphash.MakeSeed()
	scanned, damaged := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		r := drawEvent(t)
		isDamaged := rapid.Bool().Draw(t, "damage")
		if isDamaged {
			part := r.Value
			if rapid.Bool().Draw(t, "header") {
				part = r.Headers[rapid.IntRange(0, len(r.Headers)-1).Draw(t, "which")].Value
			}
			if len(part) > 0 {
				part[rapid.IntRange(0, len(part)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("0123456789\"{}:,nax\\\x01\xff .Z-T")).Draw(t, "byte")
			}
		}
		var fast, slow fields
		s := newScanner(seed)
		accepted := s.scan(&fast, r)
		err := slow.decode(r, newHasher(seed))
		if !accepted {
			return
		}
		scanned++
		if isDamaged {
			damaged++
		}
		if err != nil {
			t.Fatalf("scanned what cannot be decoded: %v\n%s\n%s", err, r.Headers, r.Value)
		}
		if a, b := describe(fast), describe(slow); a != b {
			t.Fatalf("scanned %s, decoded %s:\n%s", a, b, r.Value)
		}
	})
	t.Logf("the scanner accepted %d records, and of those %d that were damaged", scanned, damaged)
	if scanned < 10 {
		t.Error("too few to prove anything")
	}
}

func describe(f fields) string {
	f.recorded = f.recorded.UTC()
	return fmt.Sprintf("%+v %s %s", f, f.session, f.worker)
}

// The scanner accepts what Farmwire writes for ids and statuses as they are, so that an audit is fast.
func TestScanAcceptsUsualEvents(t *testing.T) {
	c := diff.Change{
		Kind: diff.Ended, Sequence: 1_234_567,
		Session: diff.Session{
			WorkerKey: diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: "worker-1"}, QueueID: "queue-1", JobID: "job-1",
			SessionID: "session-1", LifecycleStatus: diff.StatusEnded, TargetLifecycleStatus: diff.StatusEnded,
			StartedAt: time.Date(2024, 2, 29, 23, 59, 59, 1e6, time.UTC), EndedAt: time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC),
		},
		Previous: &diff.Session{LifecycleStatus: diff.StatusStarted},
		Observed: diff.Bounds{Before: time.Date(2024, 3, 1, 0, 0, 1, 0, time.UTC), Exact: true},
	}
	for _, status := range []*diff.WorkerStatus{nil, {Status: "RUNNING"}, {Status: "RUNNING", HostName: "render-1"}} {
		var f fields
		if r := event.Encode(&c, event.Envelope{Region: "eu-west-1", Status: status, Shard: 11, LogIndex: 5}); !newScanner(maphash.MakeSeed()).scan(&f, r) {
			t.Errorf("not accepted: %s %s", r.Headers, r.Value)
		}
	}
}
