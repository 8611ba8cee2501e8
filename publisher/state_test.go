package publisher

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"farmwire/diff"
)

func TestEncodeState(t *testing.T) {
	changes := goldenChanges()
	var text strings.Builder
	for _, r := range []diff.Record{
		{Session: changes["started"].Session, Sequence: 1, Seen: epoch},
		{Session: changes["ended"].Session, Sequence: 3, Seen: epoch},
		{Session: changes["vanished"].Session, Sequence: 2, Seen: epoch, Vanished: true},
		{Session: changes["ended"].Session, Seen: epoch},
		{Session: changes["changed"].Session, Sequence: 5, Seen: epoch},
	} {
		text.Write(appendState(nil, &r))
		text.WriteByte('\n')
	}
	golden(t, "state.jsonl", text.String())
}

func TestEncodeWatch(t *testing.T) {
	w := Watch{Schema: schema, Region: "eu-west-1", Partitions: 12, Initial: "open",
		Farms:  map[string]FarmWatch{"farm-b": {Listed: epoch}, "farm-a": {Listed: epoch.Add(time.Minute)}},
		Fleets: map[string]FleetWatch{"fleet-\"1\"": {Since: epoch}, "fleet-0": {}}}
	value := appendWatch(nil, w)
	golden(t, "watch.json", string(value)+"\n")
	got, err := decodeWatch(value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, got); diff != "" {
		t.Errorf("(-encoded +decoded):\n%s", diff)
	}
}

// What is written is read back equal, up to milliseconds, by the scanner where no string needs an escape and
// as JSON always.
func TestStateIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(rapid.StringMatching(`[a-z]{1,5}-[0-9a-f]{0,32}`), rapid.String())
		at := rapid.Custom(func(t *rapid.T) time.Time {
			return epoch.Add(time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "ms")) * time.Millisecond)
		})
		maybe := rapid.OneOf(rapid.Just(time.Time{}), at)
		want := diff.Record{
			Session: diff.Session{
				WorkerKey: diff.WorkerKey{FarmID: id.Draw(t, "farm"), FleetID: id.Draw(t, "fleet"), WorkerID: id.Draw(t, "worker")},
				QueueID:   id.Draw(t, "queue"), JobID: id.Draw(t, "job"), SessionID: id.Draw(t, "session"),
				LifecycleStatus:       rapid.OneOf(rapid.SampledFrom([]string{"STARTED", "ENDED"}), rapid.String()).Draw(t, "status"),
				TargetLifecycleStatus: rapid.SampledFrom([]string{"", "ENDED"}).Draw(t, "target"),
				StartedAt:             at.Draw(t, "started"), EndedAt: maybe.Draw(t, "ended"),
			},
			Sequence: rapid.Uint64Range(0, 1<<50).Draw(t, "sequence"),
			Seen:     maybe.Draw(t, "seen"),
			Vanished: rapid.Bool().Draw(t, "vanished"),
		}
		value := appendState(nil, &want)
		got, found, err := decodeState(value)
		if err != nil || found != schema {
			t.Fatalf("as JSON: schema %d, %v", found, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("as JSON (-written +read):\n%s", diff)
		}
		var scanned stateRecord
		if !scanState(value, &scanned) {
			if !strings.Contains(string(value), `\`) {
				t.Fatalf("not scanned: %s", value)
			}
			return
		}
		if scanned.ended() != (want.Vanished || want.Session.HasEnded()) {
			t.Fatal("scanned another end")
		}
		got, err = scanned.record()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("scanned (-written +read):\n%s", diff)
		}
	})
}

// Every part of a value that is cut short or has something foreign in it is left to the JSON decoder.
func TestScanRejectsOtherForms(t *testing.T) {
	value := string(appendState(nil, &diff.Record{Session: ended(session(1, 1)).Session, Sequence: 2, Seen: epoch}))
	var r stateRecord
	if !scanState([]byte(value), &r) {
		t.Fatal("the form itself is not scanned")
	}
	for i := range value {
		if scanState([]byte(value[:i]), &r) {
			t.Errorf("scanned %s", value[:i])
		}
	}
	for _, other := range []string{
		value + " ", " " + value,
		strings.Replace(value, `"schema":1`, `"schema":2`, 1),
		strings.Replace(value, `"schema":1`, `"schema": 1`, 1),
		strings.Replace(value, `"seen"`, `"new":1,"seen"`, 1),
		strings.Replace(value, "queue-1", `queue\u0031`, 1),
	} {
		if scanState([]byte(other), &r) {
			t.Errorf("scanned %s", other)
		}
	}
}

func record(key, value string) *kgo.Record {
	r := &kgo.Record{Key: []byte(key)}
	if value != "" {
		r.Value = []byte(value)
	}
	return r
}

// Another JSON form of a record means the same, and a newer schema is refused, whatever else it says.
func TestFold(t *testing.T) {
	s := session(1, 1)
	value := string(appendState(nil, &diff.Record{Session: s, Sequence: 1, Seen: epoch}))
	f := newFold("topic")
	if err := f.add(record(s.SessionID, strings.ReplaceAll(value, ":", ": "))); err == nil {
		t.Error("a broken time was read") // the spaces are in the times too
	}
	f = newFold("topic")
	if err := f.add(record(s.SessionID, strings.ReplaceAll(value, `,"`, `, "more": 1, "`))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]diff.Session{s}, f.result().snapshots[s.WorkerID].Open()); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	for _, newer := range []*kgo.Record{
		record(s.SessionID, `{"schema":2,"session":17}`),
	} {
		if err := newFold("topic").add(newer); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", newer.Value, err)
		}
	}
	if err := newFold("topic").add(record(s.SessionID, `{"schema":1`)); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("a broken record: %v", err)
	}
}
