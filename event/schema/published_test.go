package schema_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"farmwire/coverage"
	"farmwire/diff"
	"farmwire/event"
)

// All records that the package event keeps as examples of its wire form are valid.
func TestWireForm(t *testing.T) {
	c := load(t)
	files, err := filepath.Glob("../testdata/*.*")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		channel, records := "state", []event.Record(nil)
		switch name := filepath.Base(file); {
		case filepath.Ext(name) == ".event":
			channel, records = "events", []event.Record{goldenEvent(lines)}
		case filepath.Ext(name) == ".coverage":
			lines[0] = strings.TrimPrefix(lines[0], "key: ")
			channel, records = "coverage", []event.Record{goldenEvent(lines)}
		case name == "coverage-state.json":
			records = []event.Record{{Key: []byte(event.CoverageKey), Value: []byte(lines[0])}}
		case name == "state.jsonl":
			for _, line := range lines {
				records = append(records, event.Record{Key: []byte("session-0123456789abcdef0123456789abcdef"), Value: []byte(line)})
			}
		case name == "watch.json":
			records = []event.Record{{Key: []byte(event.WatchKey), Value: []byte(lines[0])}}
		case name == "absences.txt":
			for _, line := range lines[1:] {
				records = append(records, event.Record{Key: []byte(lines[0]), Value: []byte(line)})
			}
		default:
			t.Errorf("%s is not tested", file)
		}
		for i, r := range records {
			if err := c.check(channel, r); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			pass(t, "valid/"+schemaOf(channel), fmt.Sprint(filepath.Base(file), "-", i), string(r.Value))
		}
	}
}

// goldenEvent reads the lines of a record: the key, the headers, and the value.
func goldenEvent(lines []string) event.Record {
	last := len(lines) - 1
	r := event.Record{Key: []byte(lines[0]), Value: []byte(lines[last])}
	for _, line := range lines[1:last] {
		name, value, _ := strings.Cut(line, ": ")
		r.Headers = append(r.Headers, event.Header{Key: name, Value: []byte(value)})
	}
	return r
}

// schemaOf names the schema of the values of a topic.
func schemaOf(channel string) string {
	if channel == "coverage" || channel == "state" {
		return channel
	}
	return "event"
}

// Whatever the service shows of a worker, in whatever order, the records of what changes are valid.
func TestWhateverIsPublishedIsValid(t *testing.T) {
	c := load(t)
	kinds := map[diff.Kind]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		snapshot := diff.NewSnapshot(session().WorkerKey, diff.Watch{
			Since:   epoch.Add(rapid.SampledFrom([]time.Duration{-time.Hour, 0, time.Hour}).Draw(t, "since")),
			Initial: rapid.SampledFrom([]diff.Initial{diff.InitialOpen, diff.InitialAll, diff.InitialNone}).Draw(t, "initial"),
		})
		for range rapid.IntRange(10, 20).Draw(t, "observations") {
			changes := diff.Between(snapshot, w.observe())
			for channel, records := range recordsOf(changes, w.envelope()) {
				for _, r := range records {
					if err := c.check(channel, r); err != nil {
						t.Fatalf("%s: %v", r.Value, err)
					}
				}
			}
			for i := range changes.Events {
				kinds[changes.Events[i].Kind]++
			}
			snapshot = diff.Apply(snapshot, changes)
		}
	})
	t.Log(kinds)
	for name, example := range changes() {
		if kinds[example.Kind] == 0 {
			t.Errorf("no record was of a change like %s", name)
		}
	}
}

// recordsOf are the records of changes, by the ends of the topics' names. The publisher writes the same.
func recordsOf(c diff.Changes, env event.Envelope) map[string][]event.Record {
	records := map[string][]event.Record{}
	for i := range c.Events {
		r := event.Encode(&c.Events[i], env)
		records["events"] = append(records["events"], r)
		if c.Events[i].Kind == diff.Ended && !c.Events[i].Snapshot {
			records["ended"] = append(records["ended"], r)
		}
	}
	for _, stored := range c.Records() {
		records["state"] = append(records["state"], event.Record{Key: []byte(stored.Session.SessionID), Value: event.AppendSession(nil, &stored)})
	}
	for _, id := range c.Forgotten {
		records["state"] = append(records["state"], event.Record{Key: []byte(id)})
	}
	if c.Absences != nil {
		r := event.Record{Key: event.AppendAbsencesKey(nil, c.Absences.Worker)}
		if value := event.AppendAbsences(nil, *c.Absences, 1<<20); len(value) > 0 { // else a tombstone
			r.Value = value
		}
		records["state"] = append(records["state"], r)
	}
	return records
}

// world is a service that may show anything.
type world struct {
	t    *rapid.T
	now  time.Time
	tick uint64
	ids  []string
}

func newWorld(t *rapid.T) *world {
	id := rapid.OneOf(rapid.StringMatching(`session-[0-9a-f]{32}`), rapid.StringMatching(`[a-z\x01-\x1f"\\é日]{2,9}`))
	ids := rapid.SliceOfNDistinct(id.Filter(func(s string) bool { return !event.IsOwnKey(s) }), 1, 4, rapid.ID[string]).Draw(t, "ids")
	return &world{t: t, now: epoch, ids: ids}
}

// seconds is a time around now.
func (w *world) seconds(name string) time.Duration {
	return time.Duration(rapid.IntRange(-3000, 3000).Draw(w.t, name)) * time.Millisecond
}

// exchange is the next one. Often so much time passes before it that sessions vanish or are forgotten.
func (w *world) exchange() diff.Exchange {
	pause := rapid.SampledFrom([]time.Duration{1_000_001, 3 * time.Minute, 3 * time.Minute, 25 * time.Hour}).Draw(w.t, "pause")
	x := diff.Exchange{Sent: w.now.Add(pause), SentTick: w.tick + 1, ArrivedTick: w.tick + 2}
	x.Arrived = x.Sent.Add(1_234_567)
	w.now, w.tick = x.Arrived, x.ArrivedTick
	return x
}

// observe is what one listing shows, or some answers. Often the service shows none of the sessions, so that they vanish.
func (w *world) observe() diff.Observation {
	x := w.exchange()
	hides := rapid.IntRange(0, 2).Draw(w.t, "hides") > 0
	o := diff.Observation{Worker: session().WorkerKey, FirstRequest: x, Date: x.Sent.Truncate(time.Second), Pages: 1}
	o.Source = rapid.SampledFrom([]diff.Source{diff.CompleteListing, diff.Answers, diff.NoSuchWorker}).Draw(w.t, "source")
	for _, id := range w.ids {
		switch {
		case o.Source == diff.Answers && hides:
			n := diff.NotFound{SessionID: id, Exchange: x}
			if rapid.IntRange(0, 3).Draw(w.t, "container") == 0 {
				n.MissingAt = x.Sent.Truncate(time.Second)
			}
			o.NotFound = append(o.NotFound, n)
		case o.Source != diff.NoSuchWorker && !hides:
			o.Sightings = append(o.Sightings, diff.Sighting{Session: w.session(id), Exchange: x})
		}
	}
	return o
}

// session is one that the poller accepts: what the API requires is there.
func (w *world) session(id string) diff.Session {
	text := rapid.OneOf(rapid.StringMatching(`[A-Z_]{1,9}`), rapid.StringMatching(`[\x01-\x1f"\\é日 ]{1,9}`))
	s := session()
	s.SessionID, s.StartedAt = id, w.now.Add(w.seconds("start"))
	s.QueueID, s.JobID = text.Draw(w.t, "queue"), text.Draw(w.t, "job")
	s.LifecycleStatus = rapid.OneOf(rapid.SampledFrom([]string{
		diff.StatusStarted, diff.StatusUpdateInProgress, diff.StatusUpdateSucceeded, diff.StatusUpdateFailed, diff.StatusEnded,
	}), text).Draw(w.t, "status")
	s.TargetLifecycleStatus = rapid.OneOf(rapid.SampledFrom([]string{"", diff.StatusEnded}), text).Draw(w.t, "target")
	if rapid.IntRange(0, 4).Draw(w.t, "has end") == 0 {
		s.EndedAt = w.now.Add(w.seconds("end"))
	}
	return s
}

func (w *world) envelope() event.Envelope {
	env := event.Envelope{Region: "eu-west-1", Recorded: w.now}
	if rapid.Bool().Draw(w.t, "listed") {
		text := rapid.SampledFrom([]string{"", "text"})
		env.Status = &diff.WorkerStatus{Status: text.Draw(w.t, "worker"), HostName: text.Draw(w.t, "host")}
	}
	return env
}

// Every coverage record is valid, and so is what is stored of the coverage, of the log and of the workers.
func TestCoverageIsValid(t *testing.T) {
	c := load(t)
	rapid.Check(t, func(t *rapid.T) {
		g := coverageGenerator{t}
		env := event.CoverageEnvelope{
			Region: "eu-west-1", StateTopic: "deadline.sessions.state", Shard: rapid.IntRange(0, 1000).Draw(t, "shard"), Time: epoch, Recorded: epoch,
			CoverageLog: g.chain(), Instance: rapid.String().Draw(t, "instance"), Log: g.chain(), Checkpoint: rapid.String().Draw(t, "checkpoint"),
		}
		records := map[string][]event.Record{"coverage": {
			event.EncodeCoverage(coverage.Record{Heartbeat: g.heartbeat()}, env),
			event.EncodeCoverage(coverage.Record{Gap: g.gap()}, env),
			event.EncodeCoverage(coverage.Record{Watch: g.watch()}, env),
		}}
		stored := event.CoverageState{Shard: env.Shard, Log: env.CoverageLog}
		stored.State = coverage.State{Alive: g.instant("alive"), Watermark: g.watermark(), Behind: g.behind(), NextGap: rapid.Uint64Max(99).Draw(t, "next")}
		for range rapid.IntRange(0, 3).Draw(t, "gaps") {
			stored.Gaps = append(stored.Gaps, *g.gap())
			failing := g.gap()
			stored.Unanswered = append(stored.Unanswered, coverage.Unanswered{Scope: failing.Scope, Affects: failing.Affects, Good: failing.From, First: failing.To, Reason: failing.Reason})
		}
		workers := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) diff.WorkerKey {
			id := rapid.StringN(1, 9, -1)
			return diff.WorkerKey{FarmID: id.Draw(t, "farm"), FleetID: id.Draw(t, "fleet"), WorkerID: id.Draw(t, "worker")}
		}), 0, 9).Draw(t, "workers")
		for key, value := range map[string][]byte{
			event.CoverageKey: event.AppendCoverageState(nil, stored), event.LogKey: event.AppendLog(nil, env.Log),
			event.WorkersKey: event.AppendWorkers(nil, workers, 200),
		} {
			records["state"] = append(records["state"], event.Record{Key: []byte(key), Value: value})
		}
		for channel, all := range records {
			for _, r := range all {
				if err := c.check(channel, r); err != nil {
					t.Fatalf("%s: %v", r.Value, err)
				}
			}
		}
	})
}

// coverageGenerator makes any coverage records that a shard can publish.
type coverageGenerator struct{ t *rapid.T }

func (g coverageGenerator) instant(name string) time.Time {
	return rapid.SampledFrom([]time.Time{{}, epoch, epoch.Add(time.Hour)}).Draw(g.t, name)
}

func (g coverageGenerator) watermark() coverage.Watermark {
	return coverage.Watermark{Changes: g.instant("changes"), Announced: g.instant("announced"), Starts: g.instant("starts")}
}

func (g coverageGenerator) scope() coverage.Scope {
	id := rapid.OneOf(rapid.Just(""), rapid.String())
	return coverage.Scope{FarmID: id.Draw(g.t, "farm"), FleetID: id.Draw(g.t, "fleet"), WorkerID: id.Draw(g.t, "worker")}
}

func (g coverageGenerator) affects() coverage.Affects {
	bits := rapid.IntRange(1, 7).Draw(g.t, "affects") // never nothing
	return coverage.Affects{Changes: bits&1 != 0, Announced: bits&2 != 0, Starts: bits&4 != 0}
}

func (g coverageGenerator) number() uint64 { return rapid.Uint64Range(1, 1<<63).Draw(g.t, "number") }

func (g coverageGenerator) behind() (all []coverage.Behind) {
	for range rapid.IntRange(0, 3).Draw(g.t, "behind") {
		all = append(all, coverage.Behind{Gap: g.number(), Scope: g.scope(), Affects: g.affects(), Watermark: g.watermark()})
	}
	return all
}

func (g coverageGenerator) heartbeat() *coverage.Heartbeat {
	count := rapid.IntRange(0, 10_000)
	return &coverage.Heartbeat{
		Watermark: g.watermark(), Behind: g.behind(), Fleets: count.Draw(g.t, "fleets"), Workers: count.Draw(g.t, "workers"),
		OpenSessions: count.Draw(g.t, "open"),
	}
}

func (g coverageGenerator) gap() *coverage.Gap {
	gap := coverage.Gap{
		Number: g.number(), Closed: rapid.Bool().Draw(g.t, "closed"), Affects: g.affects(), Scope: g.scope(), From: g.instant("from"),
		Reason: rapid.SampledFrom([]coverage.Reason{
			coverage.Down, coverage.Throttled, coverage.Denied, coverage.Credentials, coverage.Unreachable, coverage.Failing, coverage.Kafka,
			coverage.Unresolved, coverage.Deleted,
		}).Draw(g.t, "reason"),
	}
	if gap.Reason == coverage.Deleted {
		gap.Closed = true
		gap.Workers = map[string]coverage.Period{rapid.String().Draw(g.t, "deleted"): {From: g.instant("period"), To: epoch}}
	}
	if gap.Closed {
		gap.To = epoch.Add(2 * time.Hour)
	}
	return &gap
}

func (g coverageGenerator) watch() *coverage.Watch {
	w := coverage.Watch{
		FarmID: rapid.String().Draw(g.t, "farm"), FleetID: rapid.StringN(1, 9, -1).Draw(g.t, "fleet"), Since: g.instant("since"),
		Ended: rapid.Bool().Draw(g.t, "ended"),
	}
	if w.Ended {
		w.Reason = rapid.StringN(1, 9, -1).Draw(g.t, "reason")
	}
	return &w
}

func (g coverageGenerator) chain() event.Chain {
	var c event.Chain
	for range rapid.IntRange(0, 3).Draw(g.t, "records") {
		c.Add(event.Digest(event.Record{Key: rapid.SliceOf(rapid.Byte()).Draw(g.t, "record")}))
	}
	return c
}

// Every record of the watch that the publisher can write is valid.
func TestWatchIsValid(t *testing.T) {
	c := load(t)
	rapid.Check(t, func(t *rapid.T) {
		instant := func(name string) time.Time {
			return rapid.SampledFrom([]time.Time{{}, epoch, epoch.Add(time.Hour)}).Draw(t, name)
		}
		w := event.WatchRecord{
			Schema: event.Schema, Region: "eu-west-1", Partitions: rapid.IntRange(1, 1000).Draw(t, "partitions"),
			Initial: rapid.SampledFrom([]string{"open", "all", "none"}).Draw(t, "initial"),
			Farms:   map[string]event.FarmWatch{}, Fleets: map[string]event.FleetWatch{},
		}
		for _, id := range rapid.SliceOfN(rapid.String(), 0, 4).Draw(t, "farms") {
			w.Farms[id] = event.FarmWatch{Listed: instant("listed"), Gone: instant("gone")}
		}
		for _, id := range rapid.SliceOfN(rapid.String(), 0, 4).Draw(t, "fleets") {
			farm := rapid.SampledFrom([]string{"", "farm-f"}).Draw(t, "farm")
			w.Fleets[id] = event.FleetWatch{
				Since: instant("since"), Farm: farm, Gone: instant("gone"),
				Published: rapid.SampledFrom([]string{"", event.WatchBegan, event.WatchEnded}).Draw(t, "published"),
			}
		}
		if err := c.check("state", event.Record{Key: []byte(event.WatchKey), Value: event.AppendWatch(nil, w)}); err != nil {
			t.Fatal(err)
		}
	})
}
