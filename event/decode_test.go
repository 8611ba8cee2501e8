package event

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"farmwire/diff"
)

// anyText is an id or a status: often of the usual form, and else any text.
func anyText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[a-z]{1,5}-[0-9a-f]{0,32}`),
		rapid.String().Filter(utf8.ValidString),
		rapid.SampledFrom([]string{"", "/", "a/b", ".", "null", strings.Repeat("long", 2000), "\x00\"\\\n\u2028日"}),
	)
}

// anyTime is a time that the wire form can hold, or none.
func anyTime() *rapid.Generator[time.Time] {
	last := time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)
	return rapid.OneOf(rapid.Just(time.Time{}), rapid.Custom(func(t *rapid.T) time.Time {
		return epoch.Add(time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "ms")) * time.Millisecond)
	}), rapid.Just(time.Time{}.Add(time.Millisecond)), rapid.Just(last))
}

func anySession(t *rapid.T) diff.Session {
	id := anyText()
	return diff.Session{
		WorkerKey:             diff.WorkerKey{FarmID: id.Draw(t, "farm"), FleetID: id.Draw(t, "fleet"), WorkerID: id.Draw(t, "worker")},
		QueueID:               id.Draw(t, "queue"),
		JobID:                 id.Draw(t, "job"),
		SessionID:             id.Draw(t, "session"),
		LifecycleStatus:       rapid.OneOf(rapid.SampledFrom([]string{"STARTED", "ENDED"}), id).Draw(t, "status"),
		TargetLifecycleStatus: rapid.OneOf(rapid.SampledFrom([]string{"", "ENDED"}), id).Draw(t, "target"),
		StartedAt:             anyTime().Draw(t, "started"),
		EndedAt:               anyTime().Draw(t, "ended"),
	}
}

func anyChange(t *rapid.T) diff.Change {
	c := diff.Change{
		Kind:     rapid.SampledFrom(Kinds()).Draw(t, "kind"),
		Sequence: rapid.OneOf(rapid.Uint64Range(1, 9), rapid.Uint64Min(1)).Draw(t, "sequence"),
		Inferred: rapid.Bool().Draw(t, "inferred"),
		Snapshot: rapid.Bool().Draw(t, "snapshot"),
		Session:  anySession(t),
		Observed: diff.Bounds{After: anyTime().Draw(t, "after"), Before: anyTime().Draw(t, "before"), Exact: rapid.Bool().Draw(t, "exact")},
	}
	if c.Session.SessionID == "" {
		c.Session.SessionID = "session"
	}
	if rapid.Bool().Draw(t, "known") {
		previous := c.Session
		previous.LifecycleStatus = anyText().Draw(t, "previous status")
		previous.TargetLifecycleStatus = anyText().Draw(t, "previous target")
		previous.EndedAt = anyTime().Draw(t, "previous end")
		c.Previous = &previous
	}
	return c
}

func anyEnvelope(t *rapid.T) Envelope {
	env := Envelope{Region: rapid.StringMatching(`[a-z0-9-]{1,20}`).Draw(t, "region"), Recorded: anyTime().Draw(t, "recorded")}
	env.Shard, env.LogIndex = rapid.IntRange(0, 1<<31-1).Draw(t, "shard"), rapid.Uint64().Draw(t, "index")
	if rapid.Bool().Draw(t, "listed") {
		env.Status = &diff.WorkerStatus{Status: anyText().Draw(t, "worker status"), HostName: anyText().Draw(t, "host")}
	}
	return env
}

// What is encoded is decoded equal, whatever other headers a record has.
func TestDecodeIsTheInverseOfEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, env := anyChange(t), anyEnvelope(t)
		r := Encode(&c, env)
		headers := append([]Header{{Key: "traceparent", Value: []byte("00-1")}, {Key: "ce_other", Value: []byte("7")}}, r.Headers...)
		got, err := Decode(r.Key, r.Value, headers)
		if err != nil {
			t.Fatalf("%v: %s", err, r.Value)
		}
		id := c.Session.SessionID
		want := Event{
			Change:       c,
			ID:           id + "." + string(appendSequence(nil, c.Sequence)),
			Source:       "/deadline/" + env.Region + "/" + c.Session.FarmID + "/" + c.Session.FleetID + "/" + c.Session.WorkerID,
			Type:         "farmwire.session." + string(c.Kind) + ".v1",
			Subject:      id,
			Time:         changedAt(&c),
			RecordedTime: env.Recorded,
			DataSchema:   "urn:farmwire:session:v1",
			Region:       env.Region,
			Status:       env.Status,
			Logged:       true,
			Shard:        env.Shard,
			LogIndex:     env.LogIndex,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-encoded +decoded):\n%s", diff)
		}
	})
}

// with returns a record of a change of which one header has another value, or none if the value is "-".
func with(header, value string) Record {
	c := goldenChanges()["ended"]
	r := Encode(&c, Envelope{Region: "eu-west-1", Recorded: epoch})
	at := slices.IndexFunc(r.Headers, func(h Header) bool { return h.Key == header })
	switch {
	case value == "-":
		r.Headers = slices.Delete(r.Headers, at, at+1)
	case at < 0:
		r.Headers = append(r.Headers, Header{header, []byte(value)})
	default:
		r.Headers[at].Value = []byte(value)
	}
	return r
}

func TestDecodeRefuses(t *testing.T) {
	const session = "session-0123456789abcdef0123456789abcdef"
	for header, values := range map[string][]string{
		"ce_shard":        {"-", "", "-1", "01", "x", "2147483648"},
		"ce_logindex":     {"-", "", "-1", "01", "1.0", "18446744073709551616"},
		"ce_specversion":  {"-", "", "0.3", "2.0"},
		"ce_id":           {"-", "", session, session + ".3", session + ".000004", session + ".0000003", "x.000003"},
		"ce_source":       {"-", "", "/deadline/", "/deadline/eu-west-1/farm-f/fleet-l/worker-x", "/other/eu-west-1/farm-f/fleet-l/worker-w", "/deadline/farm-f/fleet-l/worker-w", "/deadline//farm-f/fleet-l/worker-w", "/deadline/eu/west/farm-f/fleet-l/worker-w"},
		"ce_type":         {"-", "", "ended", "farmwire.session.ended", "farmwire.session.ended.v0", "farmwire.session.ended.v01", "farmwire.session..v1", "com.session.ended.v1", "farmwire.session.started.v1"},
		"ce_subject":      {"-", "", "session-1"},
		"ce_time":         {"-", "", "now", "2026-03-01T13:30:00Z", "2026-03-01T13:30:00.998Z", "2026-03-01T14:30:00.999+01:00", "2026-03-01T13:30:00,999Z"},
		"ce_sequence":     {"-", "", "3", "0000003", "+00003", "00000000000000000000003", "000000", "18446744073709551616", "000003 ", "٣"},
		"ce_partitionkey": {"-", "", "session-1"},
		"ce_recordedtime": {"-", "", "2026-03-01T12:00:00Z", "1772366400", "2026-03-01T2:00:00.000Z"},
		"ce_dataschema":   {"-", "", "urn:farmwire:session:v2"},
		"content-type":    {"-", "", "application/xml"},
	} {
		for _, value := range values {
			r := with(header, value)
			if _, err := Decode(r.Key, r.Value, r.Headers); !errors.Is(err, ErrMalformed) || errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), header) {
				t.Errorf("%s: %q is %v", header, value, err)
			}
		}
	}
	twice := with("other", "")
	twice.Headers = append(twice.Headers, Header{"ce_id", []byte("x")})
	if _, err := Decode(twice.Key, twice.Value, twice.Headers); !errors.Is(err, ErrMalformed) {
		t.Errorf("a header that is there twice: %v", err)
	}
	for _, key := range [][]byte{nil, {}, []byte("session-1")} {
		r := with("other", "")
		if _, err := Decode(key, r.Value, r.Headers); !errors.Is(err, ErrMalformed) {
			t.Errorf("the key %q: %v", key, err)
		}
	}
}

func TestDecodeRefusesValues(t *testing.T) {
	r := with("other", "")
	value := string(r.Value)
	if _, err := Decode(r.Key, []byte(strings.Replace(value, `{`, `{"new": [1], `, 1)), r.Headers); err != nil {
		t.Errorf("a new member: %v", err)
	}
	for _, edit := range [][2]string{
		{`"change":"ended"`, `"change":"started"`},
		{`"change":"ended",`, ``},
		{`"sequence":3`, `"sequence":4`},
		{`"sequence":3`, `"sequence":-3`},
		{`"inferred":false,`, ``},
		{`"snapshot":false,`, ``},
		{`"sessionId":"session-0`, `"sessionId":"session-1`},
		{`"workerId":"worker-w"`, `"workerId":17`},
		{`"observed"`, `"seen"`},
		{`,"exact":true`, ``},
		{`"exact":true`, `"exact":null`},
		{`"jobId":"job-j"`, `"jobId":null`},
		{`"queueId":"queue-q",`, ``},
		{`"previous":{"lifecycleStatus":"STARTED"`, `"previous":{"lifecycleStatus":null`},
		{`"sequence":3`, `"sequence":1e99`},
		{`"session"`, `"Sessions"`},
		{`"endedAt":"2026-03-01T13:30:00.999Z"`, `"endedAt":"yesterday"`},
		{`"endedAt":"2026-03-01T13:30:00.999Z"`, `"endedAt":null`},
		{`}`, ``},
		{value, `null`},
		{value, ``},
	} {
		edited := strings.Replace(value, edit[0], edit[1], 1)
		if edited == value {
			t.Fatalf("%s is not in %s", edit[0], value)
		}
		if _, err := Decode(r.Key, []byte(edited), r.Headers); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s for %s: %v", edit[1], edit[0], err)
		}
	}
	if _, err := Decode(r.Key, nil, r.Headers); !errors.Is(err, ErrMalformed) {
		t.Errorf("no value: %v", err)
	}
}

// A type that a newer version may have written is unknown, whatever the rest of the record is.
func TestNewTypesCanBeSkipped(t *testing.T) {
	for _, name := range []string{"farmwire.session.ended.v2", "farmwire.session.paused.v1", "farmwire.coverage.heartbeat.v1", "farmwire.session.paused.v10"} {
		_, err := Decode(nil, []byte("?"), []Header{{"ce_time", nil}, {"ce_time", nil}, {"ce_type", []byte(name)}})
		if !errors.Is(err, ErrUnknown) || errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Unknown statuses are taken as they come.
func TestUnknownStatusIsDecoded(t *testing.T) {
	c := goldenChanges()["changed"]
	c.Session.LifecycleStatus = "PAUSED"
	r := Encode(&c, Envelope{Region: "eu-west-1"})
	if e, err := Decode(r.Key, r.Value, r.Headers); err != nil || e.Session.LifecycleStatus != "PAUSED" {
		t.Errorf("%+v, %v", e, err)
	}
}

// No bytes make Decode panic, and what it decodes can be encoded and decoded again.
func FuzzDecode(f *testing.F) {
	for _, c := range goldenChanges() {
		r := Encode(&c, Envelope{Region: "eu-west-1", Recorded: epoch, Status: &diff.WorkerStatus{Status: "RUNNING"}})
		var headers strings.Builder
		for _, h := range r.Headers {
			headers.WriteString(h.Key + ": " + string(h.Value) + "\n")
		}
		f.Add(r.Key, r.Value, headers.String())
	}
	f.Add([]byte(nil), []byte(nil), "")
	f.Add([]byte("s"), []byte("{}"), "ce_type: farmwire.session.ended.v2\n")
	f.Fuzz(func(t *testing.T, key, value []byte, text string) {
		var headers []Header
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			headers = append(headers, Header{name, []byte(value)})
		}
		e, err := Decode(key, value, headers)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnknown) {
				t.Errorf("%v", err)
			}
			return
		}
		r := Encode(&e.Change, Envelope{Region: e.Region, Status: e.Status, Recorded: e.RecordedTime})
		again, err := Decode(r.Key, r.Value, r.Headers)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("(-decoded +again):\n%s", diff)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	c := goldenChanges()["started"]
	var e Encoder
	env := Envelope{Region: "eu-west-1", Status: &diff.WorkerStatus{Status: "RUNNING", HostName: "render-1"}, Recorded: epoch}
	b.ReportAllocs()
	for b.Loop() {
		e.Encode(&c, env)
	}
}

// Events of versions that had no log have neither a shard nor an index.
func TestDecodeWithoutLog(t *testing.T) {
	r := with("ce_shard", "-")
	r.Headers = slices.DeleteFunc(r.Headers, func(h Header) bool { return h.Key == "ce_logindex" })
	e, err := Decode(r.Key, r.Value, r.Headers)
	if err != nil || e.Logged {
		t.Errorf("an event without a log: %v, logged %v", err, e.Logged)
	}
}
