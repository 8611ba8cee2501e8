package event

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
		{Session: changes["started"].Session, Sequence: 1, Seen: epoch, Missing: epoch.Add(time.Hour)},
	} {
		text.Write(AppendSession(nil, &r))
		text.WriteByte('\n')
	}
	golden(t, "state.jsonl", text.String())
}

func TestEncodeWatch(t *testing.T) {
	w := WatchRecord{Schema: Schema, Region: "eu-west-1", Partitions: 12, Initial: "open",
		Farms:  map[string]FarmWatch{"farm-b": {Listed: epoch}, "farm-a": {Listed: epoch.Add(time.Minute), Gone: epoch.Add(time.Hour)}},
		Fleets: map[string]FleetWatch{"fleet-\"1\"": {Since: epoch, Farm: "farm-b"}, "fleet-0": {}, "fleet-2": {Since: epoch, Farm: "farm-a", Gone: epoch.Add(time.Hour)}}}
	value := AppendWatch(nil, w)
	golden(t, "watch.json", string(value)+"\n")
	got, err := DecodeState([]byte(WatchKey), value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(State{Key: WatchKey, Watch: &w}, got); diff != "" {
		t.Errorf("(-encoded +decoded):\n%s", diff)
	}
}

// What is written is read back equal, up to milliseconds, by the scanner where no string needs an escape and
// as JSON always.
func TestStateIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := diff.Record{
			Session:  anySession(t),
			Sequence: rapid.Uint64Range(0, 1<<50).Draw(t, "sequence"),
			Seen:     anyTime().Draw(t, "seen"),
			Vanished: rapid.Bool().Draw(t, "vanished"),
		}
		if rapid.Bool().Draw(t, "is missing") {
			want.Missing = anyTime().Draw(t, "missing")
		}
		value := AppendSession(nil, &want)
		decoded, err := DecodeState([]byte(want.Session.SessionID), value)
		if err != nil {
			t.Fatalf("as JSON: %v", err)
		}
		if diff := cmp.Diff(State{Key: want.Session.SessionID, Session: &want}, decoded); diff != "" {
			t.Fatalf("as JSON (-written +read):\n%s", diff)
		}
		var scanned ScannedSession
		if !scanned.Scan(value) {
			if !strings.Contains(string(value), `\`) {
				t.Fatalf("not scanned: %s", value)
			}
			return
		}
		if scanned.Ended() != (want.Vanished || want.Session.HasEnded()) {
			t.Fatal("scanned another end")
		}
		got, err := scanned.Record()
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
	value := string(AppendSession(nil, &diff.Record{Session: goldenChanges()["ended"].Session, Sequence: 2, Seen: epoch}))
	var r ScannedSession
	if !r.Scan([]byte(value)) {
		t.Fatal("the form itself is not scanned")
	}
	for i := range value {
		if r.Scan([]byte(value[:i])) {
			t.Errorf("scanned %s", value[:i])
		}
	}
	for _, other := range []string{
		value + " ", " " + value,
		strings.Replace(value, `"schema":1`, `"schema":2`, 1),
		strings.Replace(value, `"schema":1`, `"schema": 1`, 1),
		strings.Replace(value, `"seen"`, `"new":1,"seen"`, 1),
		strings.Replace(value, "queue-q", `queue-\u0071`, 1),
	} {
		if r.Scan([]byte(other)) {
			t.Errorf("scanned %s", other)
		}
	}
}

// DecodeState tells records that a newer version may have written from malformed ones.
func TestDecodeStateRefuses(t *testing.T) {
	s := goldenSession()
	value := string(AppendSession(nil, &diff.Record{Session: s, Sequence: 1, Seen: epoch}))
	for name, test := range map[string]struct {
		key, value string
		want       error // nil: decoded
	}{
		"more members":           {s.SessionID, strings.ReplaceAll(value, `,"`, `, "more": 1, "`), nil},
		"broken times":           {s.SessionID, strings.ReplaceAll(value, ":", ": "), ErrMalformed}, // the spaces are in the times too
		"a newer schema":         {s.SessionID, `{"schema":2,"session":17}`, ErrUnknown},
		"a newer watch":          {WatchKey, `{"schema":2,"farms":17}`, ErrUnknown},
		"another kind":           {"lineage", `{"schema":1,"gaps":[]}`, ErrUnknown},
		"another key":            {"session-2", value, ErrMalformed},
		"cut short":              {s.SessionID, `{"schema":1`, ErrMalformed},
		"a watch that is cut":    {WatchKey, `{"schema":1`, ErrMalformed},
		"a watch of nothing":     {WatchKey, `null`, ErrMalformed},
		"no schema of watch":     {WatchKey, `{}`, ErrMalformed},
		"no session":             {s.SessionID, `null`, ErrUnknown},
		"missing":                {s.SessionID, strings.TrimSuffix(value, "}") + `,"missing":"2030-01-02T03:04:05.678Z"}`, nil},
		"missing without a time": {s.SessionID, strings.TrimSuffix(value, "}") + `,"missing":true}`, ErrMalformed},
		"sequence 10^18":         {s.SessionID, strings.Replace(value, `"sequence":1`, `"sequence":1000000000000000000`, 1), nil},
		"sequence 2^64":          {s.SessionID, strings.Replace(value, `"sequence":1`, `"sequence":18446744073709551616`, 1), ErrMalformed},
		"no JSON":                {s.SessionID, "", ErrMalformed},
	} {
		got, err := DecodeState([]byte(test.key), []byte(test.value))
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if test.want == nil && (got.Session == nil || got.Forgotten()) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got, err := DecodeState([]byte("session-1"), nil); err != nil || !got.Forgotten() || got.Key != "session-1" {
		t.Errorf("a tombstone: %+v, %v", got, err)
	}
}

func FuzzDecodeState(f *testing.F) {
	s := goldenSession()
	f.Add([]byte(s.SessionID), AppendSession(nil, &diff.Record{Session: s, Sequence: 1, Seen: epoch}))
	f.Add([]byte(s.SessionID), AppendSession(nil, &diff.Record{Session: s, Sequence: 1, Seen: epoch, Missing: epoch}))
	f.Add([]byte(WatchKey), AppendWatch(nil, WatchRecord{Schema: Schema, Region: "eu-west-1", Fleets: map[string]FleetWatch{"f": {Since: epoch}}}))
	f.Add([]byte("session-1"), []byte(`{"schema":1,"session":null}`))
	f.Add([]byte("absent.farm/fleet/worker"), []byte(`{"schema":1,"marks":[{"since":"2030-01-01T00:00:00Z","sessions":["session-1"]}]}`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		var scanned ScannedSession
		if scanned.Scan(value) {
			_, _ = scanned.Record()
		}
		got, err := DecodeState(key, value)
		switch {
		case err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnknown):
			t.Errorf("%q is %v", value, err)
		case err == nil && got.Session != nil && string(key) != got.Session.Session.SessionID:
			t.Errorf("%q has the key %q", value, key)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	value := AppendSession(nil, &diff.Record{Session: goldenChanges()["ended"].Session, Sequence: 2, Seen: epoch})
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	var r ScannedSession
	for b.Loop() {
		if !r.Scan(value) {
			b.Fatalf("not scanned: %s", value)
		}
	}
}
