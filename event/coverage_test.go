package event

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/coverage"
	"farmwire/diff"
)

func goldenWatermark() coverage.Watermark {
	return coverage.Watermark{Changes: epoch, Announced: epoch.Add(-time.Second)}
}

func goldenGap() coverage.Gap {
	return coverage.Gap{
		Number: 7, Reason: coverage.Denied, Affects: coverage.Affects{Announced: true, Starts: true},
		Scope: coverage.Scope{FarmID: "farm-f", FleetID: "fleet-l"}, From: epoch,
	}
}

func goldenBehind() []coverage.Behind {
	return []coverage.Behind{{Gap: 7, Scope: goldenGap().Scope, Affects: goldenGap().Affects, Watermark: coverage.Watermark{Starts: epoch}}}
}

func goldenCoverage() map[string]coverage.Record {
	closed := goldenGap()
	closed.Closed, closed.To = true, epoch.Add(time.Minute)
	deleted := coverage.Gap{
		Number: 8, Closed: true, Reason: coverage.Deleted, Affects: coverage.Affects{Starts: true}, Scope: goldenGap().Scope,
		From: epoch, To: epoch.Add(time.Minute), Workers: map[string]coverage.Period{"worker-a": {From: epoch, To: epoch.Add(time.Minute)}},
	}
	return map[string]coverage.Record{
		"heartbeat":   {Heartbeat: &coverage.Heartbeat{Watermark: goldenWatermark(), Behind: goldenBehind(), Fleets: 2, Workers: 30, OpenSessions: 4}},
		"gap-opened":  {Gap: ptr(goldenGap())},
		"gap-closed":  {Gap: &closed},
		"gap-deleted": {Gap: &deleted},
		"watch-began": {Watch: &coverage.Watch{FarmID: "farm-f", FleetID: "fleet-l", Since: epoch}},
		"watch-ended": {Watch: &coverage.Watch{FarmID: "farm-f", FleetID: "fleet-l", Since: epoch, Ended: true, Reason: "the fleet is not listed any more"}},
	}
}

func ptr[T any](v T) *T { return &v }

func goldenEnvelope() CoverageEnvelope {
	return CoverageEnvelope{
		Region: "eu-west-1", StateTopic: "deadline.sessions.state", Shard: 3, Time: epoch.Add(time.Second), Recorded: epoch.Add(2 * time.Second),
		CoverageLog: Chain{Size: 41, Head: sha256.Sum256([]byte("coverage"))},
		Instance:    "host-1", Log: Chain{Size: 9, Head: sha256.Sum256([]byte("log"))}, Checkpoint: "note\n\n— key sig\n",
	}
}

func TestEncodeCoverage(t *testing.T) {
	for name, r := range goldenCoverage() {
		t.Run(name, func(t *testing.T) {
			record := EncodeCoverage(r, goldenEnvelope())
			var text strings.Builder
			fmt.Fprintf(&text, "key: %s\n", record.Key)
			for _, h := range record.Headers {
				fmt.Fprintf(&text, "%s: %s\n", h.Key, h.Value)
			}
			fmt.Fprintf(&text, "%s\n", record.Value)
			golden(t, name+".coverage", text.String())
		})
	}
}

func TestDecodeCoverage(t *testing.T) {
	env := goldenEnvelope()
	for name, r := range goldenCoverage() {
		t.Run(name, func(t *testing.T) {
			record := EncodeCoverage(r, env)
			got, err := DecodeCoverage(record.Key, record.Value, record.Headers)
			if err != nil {
				t.Fatal(err)
			}
			want := Coverage{
				Record: r, ID: "coverage.3.42", Source: "/farmwire/eu-west-1/deadline.sessions.state", Type: got.Type, Time: env.Time,
				RecordedTime: env.Recorded, Region: env.Region, StateTopic: env.StateTopic, Shard: 3, Number: 42,
			}
			if r.Heartbeat != nil {
				want.Instance, want.Log, want.CoverageLog, want.Checkpoint = env.Instance, env.Log, env.CoverageLog, env.Checkpoint
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A record in which anything that was checked is changed is refused.
func TestDecodeCoverageRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		of   string
		edit func(*Record)
		want error
	}{
		"no type":        {"heartbeat", func(r *Record) { r.Headers = slices.DeleteFunc(r.Headers, isHeader(typeHeader)) }, ErrMalformed},
		"newer type":     {"heartbeat", setHeader(typeHeader, "farmwire.coverage.heartbeat.v2"), ErrUnknown},
		"other type":     {"heartbeat", setHeader(typeHeader, "farmwire.coverage.pulse.v1"), ErrUnknown},
		"key":            {"heartbeat", func(r *Record) { r.Key = []byte("03") }, ErrMalformed},
		"subject":        {"heartbeat", setHeader(subjectHeader, "4"), ErrMalformed},
		"id of another":  {"heartbeat", setHeader(idHeader, "coverage.4.42"), ErrMalformed},
		"number":         {"heartbeat", setHeader(idHeader, "coverage.3.43"), ErrMalformed},
		"number 0":       {"gap-opened", setHeader(idHeader, "coverage.3.0"), ErrMalformed},
		"source":         {"gap-opened", setHeader(sourceHeader, "/farmwire/eu-west-1"), ErrMalformed},
		"time":           {"gap-opened", setHeader(timeHeader, "2026-03-01"), ErrMalformed},
		"recorded":       {"gap-opened", setHeader(recordedTimeHeader, ""), ErrMalformed},
		"schema":         {"gap-opened", setHeader(dataSchemaHeader, dataSchema), ErrMalformed},
		"no JSON":        {"heartbeat", func(r *Record) { r.Value = r.Value[1:] }, ErrMalformed},
		"shard":          {"heartbeat", replaceValue(`"shard":3`, `"shard":4`), ErrMalformed},
		"head":           {"heartbeat", replaceValue(`"head":"`, `"head":"0`), ErrMalformed},
		"gap of another": {"gap-opened", replaceValue(`"gap":"3.7"`, `"gap":"4.7"`), ErrMalformed},
		"gap's state":    {"gap-opened", replaceValue(`"opened"`, `"ajar"`), ErrMalformed},
		"affects":        {"gap-opened", replaceValue(`"announced"`, `"all"`), ErrMalformed},
		"watch's state":  {"watch-began", replaceValue(`"began"`, `"begun"`), ErrMalformed},
		"watch's fleet":  {"watch-began", replaceValue(`"fleet-l"`, `""`), ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			r := EncodeCoverage(goldenCoverage()[tc.of], goldenEnvelope())
			tc.edit(&r)
			if _, err := DecodeCoverage(r.Key, r.Value, r.Headers); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

func isHeader(name string) func(Header) bool { return func(h Header) bool { return h.Key == name } }

func setHeader(name, value string) func(*Record) {
	return func(r *Record) { r.Headers[slices.IndexFunc(r.Headers, isHeader(name))].Value = []byte(value) }
}

func replaceValue(old, with string) func(*Record) {
	return func(r *Record) { r.Value = []byte(strings.ReplaceAll(string(r.Value), old, with)) }
}

func TestCoverageState(t *testing.T) {
	want := CoverageState{Shard: 3, Log: goldenEnvelope().CoverageLog}
	want.State = coverage.State{
		Alive: epoch, Watermark: goldenWatermark(), Behind: goldenBehind(), Gaps: []coverage.Gap{goldenGap()}, NextGap: 9,
		Unanswered: []coverage.Unanswered{{
			Scope: coverage.Scope{FarmID: "farm-f", FleetID: "fleet-m", WorkerID: "worker-a"}, Affects: coverage.Affects{Starts: true}, Good: epoch,
			First: epoch.Add(time.Second), Reason: coverage.Failing,
		}},
	}
	value := AppendCoverageState(nil, want)
	golden(t, "coverage-state.json", string(value)+"\n")
	got, err := DecodeState([]byte(CoverageKey), value)
	if diff := cmp.Diff(&want, got.Coverage); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestLogState(t *testing.T) {
	want := goldenEnvelope().Log
	got, err := DecodeState([]byte(LogKey), AppendLog(nil, want))
	if diff := cmp.Diff(&want, got.Log); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := DecodeState([]byte(LogKey), []byte(`{"schema":1,"size":2}`)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a log without a head gives %v, want ErrMalformed", err)
	}
}

func TestWorkersState(t *testing.T) {
	key := func(farm, fleet, worker string) diff.WorkerKey {
		return diff.WorkerKey{FarmID: farm, FleetID: fleet, WorkerID: worker}
	}
	all := []diff.WorkerKey{key("f1", "l1", "w1"), key("f1", "l1", "w2"), key("f1", "l2", "w1"), key("f2", "l3", "w3")}
	sorted := func(workers []diff.WorkerKey) []diff.WorkerKey {
		slices.SortFunc(workers, func(a, b diff.WorkerKey) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return workers
	}
	for _, want := range [][]diff.WorkerKey{{}, all} {
		got, err := DecodeState([]byte(WorkersKey), AppendWorkers(nil, want, 10_000))
		if diff := cmp.Diff(want, sorted(got.Workers)); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	for room := range 400 {
		value := AppendWorkers(nil, all, room)
		if len(value) > max(room, len(`{"schema":1,"workers":{}}`)) {
			t.Errorf("%d bytes for a room of %d: %s", len(value), room, value)
		}
	}
}
