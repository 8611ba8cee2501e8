package event

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/diff"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

// golden compares text with a file of testdata; -update writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-golden +got):\n%s", path, diff)
	}
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// goldenSession has times finer than milliseconds, which the wire form cuts off.
func goldenSession() diff.Session {
	return diff.Session{
		WorkerKey:       diff.WorkerKey{FarmID: "farm-f", FleetID: "fleet-l", WorkerID: "worker-w"},
		QueueID:         "queue-q",
		JobID:           "job-j",
		SessionID:       "session-0123456789abcdef0123456789abcdef",
		LifecycleStatus: "STARTED",
		StartedAt:       time.Date(2026, 3, 1, 12, 0, 0, 123_999_999, time.UTC),
	}
}

func goldenChanges() map[string]diff.Change {
	s := goldenSession()
	before := s
	end := s
	end.LifecycleStatus, end.TargetLifecycleStatus = "ENDED", "ENDED"
	end.EndedAt = time.Date(2026, 3, 1, 14, 30, 0, 999_600_000, time.FixedZone("CET", 3600))
	late := end // the service showed the status, and no time
	late.EndedAt = time.Time{}
	odd := s
	odd.LifecycleStatus, odd.QueueID = "PAUSED \"now\" \\ <&>\n\x01 日本\xff", "queue-ü"
	exact := diff.Bounds{After: s.StartedAt.Add(time.Second), Before: s.StartedAt.Add(2 * time.Second), Exact: true}
	inexact := exact
	inexact.Exact = false
	return map[string]diff.Change{
		"started":    {Kind: diff.Started, Sequence: 1, Session: s, Observed: diff.Bounds{Before: exact.Before, Exact: true}},
		"discovered": {Kind: diff.Discovered, Sequence: 1, Inferred: true, Snapshot: true, Session: s, Observed: inexact},
		"ended":      {Kind: diff.Ended, Sequence: 3, Session: end, Previous: &before, Observed: exact},
		"endedlate":  {Kind: diff.Ended, Sequence: 1_234_567, Session: late, Previous: &before, Observed: inexact},
		"vanished":   {Kind: diff.Vanished, Sequence: 2, Session: s, Previous: &before, Observed: inexact},
		"changed":    {Kind: diff.Changed, Sequence: 99_999, Session: odd, Previous: &before, Observed: inexact},
	}
}

func TestEncode(t *testing.T) {
	for name, c := range goldenChanges() {
		t.Run(name, func(t *testing.T) {
			env := Envelope{Region: "eu-west-1", Recorded: time.Date(2026, 3, 1, 13, 0, 0, 500_900_000, time.UTC)}
			if name != "started" {
				env.Status = &diff.WorkerStatus{Status: "RUNNING", HostName: "render-7"}
			}
			if name == "vanished" {
				env.Status.HostName = ""
			}
			e := Encode(&c, env)
			var text bytes.Buffer
			fmt.Fprintf(&text, "%s\n", e.Key)
			for _, h := range e.Headers {
				fmt.Fprintf(&text, "%s: %s\n", h.Key, h.Value)
			}
			fmt.Fprintf(&text, "%s\n", e.Value)
			golden(t, name+".event", text.String())
			if !json.Valid(e.Value) {
				t.Error("not JSON")
			}
		})
	}
}

// The buffers of an encoder are used again. What an event says does not depend on those before it.
func TestEncoderIsUsedAgain(t *testing.T) {
	var reused Encoder
	env := Envelope{Region: "eu-west-1", Recorded: epoch}
	for range 2 {
		for name, c := range goldenChanges() {
			if diff := cmp.Diff(Encode(&c, env), reused.Encode(&c, env)); diff != "" {
				t.Errorf("%s (-fresh +reused):\n%s", name, diff)
			}
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "session-1", "a\"b\\c", "\x00\x1f\x7f\u2028日", "\xff\xc0\xaf"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got, want string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		encoded, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(encoded, &want); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%q became %q, want %q", s, got, want)
		}
	})
}

// The structured form has the attributes without their prefix, and the value as data.
func TestMarshalJSON(t *testing.T) {
	c := goldenChanges()["started"]
	r := Encode(&c, Envelope{Region: "eu-west-1", Recorded: epoch})
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	var data any
	if err := json.Unmarshal(r.Value, &data); err != nil {
		t.Fatal(err)
	}
	id := c.Session.SessionID
	want := map[string]any{
		"specversion": "1.0", "id": id + ".000001", "source": "/deadline/eu-west-1/farm-f/fleet-l/worker-w",
		"type": "farmwire.session.started.v1", "subject": id, "time": "2026-03-01T12:00:00.123Z", "sequence": "000001",
		"partitionkey": id, "recordedtime": "2026-03-01T12:00:00.000Z", "shard": "0", "logindex": "0", "dataschema": "urn:farmwire:session:v1",
		"datacontenttype": "application/json", "data": data,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
