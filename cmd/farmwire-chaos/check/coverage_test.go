package check

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"farmwire/coverage"
)

func TestRightCoverage(t *testing.T) {
	w := newCoveredWorld(newWorld(t))
	report := w.check()
	if report.Total() != 0 {
		t.Fatalf("anomalies in a right history:\n%s", printed(report))
	}
	c := report.Counts
	if c.Coverage != 5 || c.Heartbeats != partitions || c.Gaps["failing"] != 1 || c.Fresh != partitions || c.Looks == 0 || c.Claims == 0 || c.Outages != 1 {
		t.Errorf("%+v", c)
	}
	if c.Logged != len(w.events) || c.Heads < 3*partitions {
		t.Errorf("%d of %d events in logs, %d heads", c.Logged, len(w.events), c.Heads)
	}
}

// Each of these makes one thing of the coverage or of a log wrong, and exactly its kind is found.
func TestCoverageAnomalies(t *testing.T) {
	still := partitionOf("worker-still", partitions)
	number := func(n uint64) *uint64 { return &n }
	for _, test := range []struct {
		name string
		kind Kind
		make func(w *world)
	}{
		{"an index is left out", LogIndex, func(w *world) { w.skipLast(1) }},
		{"an index comes twice", LogIndex, func(w *world) { w.skipLast(-1) }},
		{"an aborted head in a heartbeat", LogHead, func(w *world) { w.heartbeat("worker-still").head = strings.Repeat("ab", 32) }},
		{"an old head in .state", LogHead, func(w *world) { w.logSizes = map[int]uint64{still: 1} }},
		{"a number is left out", CoverageNumber, func(w *world) {
			// The last record of a shard, so that only its own number and what it says of the records before are wrong.
			g := coverage.Gap{Number: 2, Closed: true, Reason: coverage.Kafka, Affects: coverage.Affects{Changes: true}, From: w.at(200), To: w.at(210)}
			w.gap(g, still, 251, 210).number = 1
		}},
		{"another form", BadCoverage, func(w *world) {
			g := coverage.Gap{Number: 2, Reason: coverage.Deleted, Affects: coverage.Affects{Starts: true}, From: w.at(200)}
			closed := g
			w.gap(g, still, 251, 0)
			w.gap(closed, still, 252, 251)
		}},
		{"a session was not asked for", FalseWatermark, func(w *world) {
			w.heartbeat("worker-still").record.Heartbeat.Watermark.Changes = w.at(246)
		}},
		{"a status was not asked for", FalseWatermark, func(w *world) {
			w.heartbeat("worker-still").record.Heartbeat.Watermark.Announced = w.at(246)
		}},
		{"a worker was not listed", FalseWatermark, func(w *world) {
			w.unask(func(a *asked) bool { return a.worker == "worker-history" && a.arrived > 200 })
		}},
		{"the end of a listing", FalseWatermark, func(w *world) {
			for i, a := range w.asked {
				if a.worker == "worker-history" && a.arrived > 200 {
					begun := 238.5
					a.begun, a.complete = &begun, true
					first := *a
					first.arrived, first.done, first.complete = 238, 239, false
					w.asked = slices.Insert(w.asked, i, &first)
					break
				}
			}
		}},
		{"the fleet was not listed", FalseWatermark, func(w *world) {
			w.unask(func(a *asked) bool { return a.operation == "ListWorkers" && a.arrived > 200 })
			w.ask("BatchGetWorker", "", 245, w.workers()...).complete = false
		}},
		{"answered after the heartbeat", FalseWatermark, func(w *world) {
			for _, a := range w.asked {
				if a.worker == "worker-history" && a.arrived > 200 {
					a.done = 251
				}
			}
		}},
		{"a start that was listed is not published", Unpublished, func(w *world) {
			h := w.heartbeat("worker-still")
			h.size = number(w.chainOf(still, 0).Size - 1)
		}},
		{"an end that was shown is not published", Unpublished, func(w *world) {
			shard := partitionOf("worker-open", partitions)
			h := w.heartbeat("worker-open")
			h.size = number(uint64(w.indexOf(w.of("open", 2))))
			_ = shard
		}},
		{"old although nothing fails", OldWatermark, func(w *world) {
			w.heartbeat("worker-still").record.Heartbeat.Watermark.Changes = w.at(189)
		}},
		{"a watermark goes back", WatermarkBack, func(w *world) { w.beat(still, 252, 239) }},
		{"no gap", MissingGap, func(w *world) {
			w.covered = slices.DeleteFunc(w.covered, func(c *covered) bool { return c.record.Gap != nil })
		}},
		{"no gap while no process ran", MissingGap, func(w *world) {
			w.disturbances = []Disturbance{{Kind: Absence, From: w.at(190), To: w.at(215)}}
		}},
		{"a gap covers a listing", FalseGap, func(w *world) {
			w.falseGap(coverage.Affects{Starts: true}, w.scope("worker-still"))
			w.ask("ListSessionsForWorker", "worker-still", 210, "session-still")
		}},
		{"a gap covers a look at a session", FalseGap, func(w *world) {
			w.falseGap(coverage.Affects{Changes: true}, coverage.Scope{})
			w.ask("BatchGetSession", "", 210, "session-still").complete = false
		}},
		{"a gap covers a look at a status", FalseGap, func(w *world) {
			w.falseGap(coverage.Affects{Announced: true}, coverage.Scope{FarmID: "farm-1"})
			w.ask("BatchGetWorker", "", 210, "worker-still").complete = false
		}},
		{"closed without being opened", BadGap, func(w *world) {
			w.covered = slices.DeleteFunc(w.covered, func(c *covered) bool { return c.record.Gap != nil && !c.record.Gap.Closed })
		}},
		{"never closed", BadGap, func(w *world) {
			g := coverage.Gap{Number: 2, Reason: coverage.Failing, Affects: coverage.Affects{Starts: true}, Scope: w.scope("worker-none"), From: w.at(240)}
			w.gap(g, still, 251, 0)
		}},
		{"a gap's number is left out", BadGap, func(w *world) {
			g := coverage.Gap{Number: 3, Reason: coverage.Kafka, Affects: coverage.Affects{Changes: true}, From: w.at(200)}
			w.gap(g, still, 251, 210)
		}},
	} {
		t.Run(string(test.kind)+"/"+test.name, func(t *testing.T) {
			w := newCoveredWorld(newWorld(t))
			test.make(w)
			report := w.check()
			if found := slices.Collect(maps.Keys(report.Found)); len(found) != 1 || found[0] != test.kind {
				t.Errorf("found %v, want %s\n%s", found, test.kind, printed(report))
			}
		})
	}
}

// A gap may cover a good answer from which what it affects does not come, or from which it does not come alone.
func TestGapOfOtherLooks(t *testing.T) {
	for operation, id := range map[string]string{"BatchGetSession": "session-still", "BatchGetWorker": "worker-still", "ListWorkers": "worker-still"} {
		w := newCoveredWorld(newWorld(t))
		w.falseGap(coverage.Affects{Announced: true, Starts: true}, coverage.Scope{})
		w.ask(operation, "", 210, id).complete = false
		if report := w.check(); report.Total() != 0 {
			t.Errorf("%s:\n%s", operation, printed(report))
		}
	}
}

// What is behind has a watermark of its own: that of the most specific entry.
func TestBehind(t *testing.T) {
	w := newCoveredWorld(newWorld(t))
	w.unask(func(a *asked) bool { return a.worker == "worker-still" && a.arrived > 200 })
	w.ask("BatchGetSession", "", 245, "session-still").complete = false
	h := w.heartbeat("worker-still").record.Heartbeat
	affects := coverage.Affects{Starts: true}
	h.Behind = []coverage.Behind{
		{Gap: 1, Scope: w.scope(""), Affects: affects, Watermark: coverage.Watermark{Starts: w.at(10)}},
		{Gap: 1, Scope: w.scope("worker-still"), Affects: affects, Watermark: coverage.Watermark{Starts: w.at(130)}},
	}
	if report := w.check(); report.Total() != 0 {
		t.Fatalf("anomalies in a right history:\n%s", printed(report))
	}
	h.Behind[1].Watermark.Starts = w.at(131)
	if report := w.check(); report.Found[FalseWatermark] != 1 || report.Total() != 1 {
		t.Errorf("the entry of the worker is wrong:\n%s", printed(report))
	}
	h.Behind = h.Behind[:1]
	h.Behind[0].Watermark.Starts = w.at(131)
	if report := w.check(); report.Found[FalseWatermark] == 0 {
		t.Errorf("the entry of the fleet is wrong:\n%s", printed(report))
	}
}

// A worker that was deleted with a session which no complete listing has shown is in a gap.
func TestDeletedWorkers(t *testing.T) {
	w := newCoveredWorld(newWorld(t))
	brief := w.session("brief", w.status(100, "STARTED"))
	brief.Deleted = w.maybe(130)
	if report := w.check(); report.Total() != 0 {
		t.Fatalf("no list has shown the worker, so nobody can know of it:\n%s", printed(report))
	}
	w.ask("ListWorkers", "", 99, brief.Worker)
	if report := w.check(); report.Found[MissingGap] != 1 || report.Total() != 1 {
		t.Errorf("there is no gap:\n%s", printed(report))
	}
	w.disturb("kill", "a-1", 101, 0)
	if report := w.check(); report.Total() != 0 {
		t.Errorf("who knew of it was killed at once:\n%s", printed(report))
	}
	w.disturbances = nil
	other := w.ask("ListFarms", "", 99)
	other.by = "b-1"
	if report := w.check(); report.Total() != 0 {
		t.Errorf("the other instance does not know of it:\n%s", printed(report))
	}
	w.asked = slices.DeleteFunc(w.asked, func(a *asked) bool { return a == other })
	shard := partitionOf(brief.Worker, partitions)
	number := uint64(1)
	if shard == partitionOf("worker-still", partitions) {
		number = 2
	}
	g := coverage.Gap{Number: number, Reason: coverage.Deleted, Affects: coverage.Affects{Starts: true}, Scope: w.scope(""), From: w.at(99),
		Workers: map[string]coverage.Period{brief.Worker: {From: w.at(99), To: w.at(131)}}}
	w.gap(g, shard, 190, 131)
	report := w.check()
	if report.Total() != 0 || report.Counts.DeletedWorkers != 1 {
		t.Errorf("there is one:\n%s", printed(report))
	}
	for _, p := range []coverage.Period{{From: w.at(110), To: w.at(131)}, {From: w.at(99), To: w.at(120)}} {
		g.Workers[brief.Worker] = p
		if report := w.check(); report.Found[MissingGap] != 1 || report.Total() != 1 {
			t.Errorf("it is from %v to %v:\n%s", p.From, p.To, printed(report))
		}
	}
}

// An outage is one gap or several, which may leave out as much as a gap takes to be published.
func TestOutage(t *testing.T) {
	for _, test := range []struct {
		name   string
		gaps   [][2]float64
		change func(*world)
		wrong  int
	}{
		{"none", nil, nil, partitions},
		{"one", [][2]float64{{-500, -400}}, nil, 0},
		{"two", [][2]float64{{-500, -450}, {-390, -380}}, nil, 0},
		{"half", [][2]float64{{-500, -470}}, nil, partitions},
		{"half, and nothing was sent later", [][2]float64{{-500, -470}}, func(w *world) {
			w.asked = slices.DeleteFunc(w.asked, func(a *asked) bool { return a.arrived > -470 && a.arrived < 0 })
		}, 0},
		{"half, and nothing was sent for long", [][2]float64{{-500, -470}}, func(w *world) {
			w.asked = slices.DeleteFunc(w.asked, func(a *asked) bool { return a.arrived > -470 && a.arrived < -400 })
		}, partitions},
		{"an owner was lost", nil, func(w *world) { w.disturb("kill", "a", -481, 0) }, partitions},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newCoveredWorld(newWorld(t))
			for at := -500.0; at <= -400; at += 5 {
				w.ask("ListFarms", "", at).outcome = "InternalServerErrorException"
			}
			still := partitionOf("worker-still", partitions)
			for shard := range partitions {
				first := uint64(1)
				if shard == still {
					first = 2
				}
				for i, g := range test.gaps {
					one := coverage.Gap{Number: first + uint64(i), Reason: coverage.Failing, Affects: coverage.Affects{Changes: true, Announced: true, Starts: true}, From: w.at(g[0])}
					w.gap(one, shard, 200, 0)
					w.gap(one, shard, 201, g[1])
				}
			}
			if test.change != nil {
				test.change(w)
			}
			report := w.check()
			if report.Found[MissingGap] != test.wrong || report.Total() != test.wrong {
				t.Error(printed(report))
			}
		})
	}
}

// An owner that is lost may not have stored that the listings of a worker have failed, and the next one may ask for one only.
func TestForgottenOutage(t *testing.T) {
	for name, tc := range map[string]struct {
		failed  []float64
		disturb func(*world)
		want    int
	}{
		"no owner was lost":           {[]float64{-500, -490, -420}, func(*world) {}, 2},
		"soon after the first":        {[]float64{-500, -490, -420}, func(w *world) { w.disturb("kill", "a", -481, 0) }, 0},
		"later":                       {[]float64{-500, -490, -420}, func(w *world) { w.disturb("kill", "a", -479, 0) }, 2},
		"between later ones":          {[]float64{-500, -490, -420, -350}, func(w *world) { w.disturb("kill", "a", -400, 0) }, 2},
		"two owners between two":      {[]float64{-500, -470, -400}, func(w *world) { w.disturb("kill", "a", -440, 0); w.disturb("kill", "b", -430, 0) }, 0},
		"the API failed":              {[]float64{-500, -490, -420}, func(w *world) { w.disturb(APIOutage, "", -501, -410) }, 2},
		"it was denied, then a crash": {[]float64{-500, -490, -420}, func(w *world) { w.disturb(DeniedFleet, "", -501, -410); w.disturb("kill", "a", -450, 0) }, 2},
	} {
		w := newCoveredWorld(newWorld(t))
		for at := -500.0; at <= -300; at += 5 {
			w.ask("ListFarms", "", at)
		}
		for _, at := range tc.failed {
			w.ask("ListSessionsForWorker", "worker-still", at).outcome = "InternalServerErrorException"
		}
		tc.disturb(w)
		if report := w.check(); report.Found[MissingGap] != tc.want || report.Total() != tc.want {
			t.Errorf("%s: want %d, %s", name, tc.want, printed(report))
		}
	}
}

// That the listings of a worker were throttled says nothing of the worker. Every other answer does.
func TestThrottledWorker(t *testing.T) {
	for outcome, want := range map[string]int{"ThrottlingException": 0, "429": 0, "AccessDeniedException": 2} {
		w := newCoveredWorld(newWorld(t))
		for at := -500.0; at <= -400; at += 5 {
			w.ask("ListFarms", "", at)
			w.ask("ListSessionsForWorker", "worker-still", at).outcome = outcome
		}
		if report := w.check(); report.Found[MissingGap] != want || report.Total() != want {
			t.Errorf("%s: %s", outcome, printed(report))
		}
	}
}

// skipLast makes the index of the last event of a shard with several wrong.
func (w *world) skipLast(by int) {
	for _, e := range slices.Backward(w.events) {
		if w.indexOf(e) > 0 {
			w.skip = map[*published]int{e: by}
			return
		}
	}
}

func (w *world) workers() (ids []string) {
	for _, s := range w.truth {
		ids = append(ids, s.Worker)
	}
	return ids
}
