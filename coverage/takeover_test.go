package coverage_test

import (
	"testing"

	"farmwire/coverage"
)

// storedAt is the State of a shard in which everything was looked at a number of seconds after the start.
func storedAt(n float64, paths ...string) *coverage.State {
	at := seconds(n)
	return &coverage.State{
		Alive: at, Watermark: coverage.Watermark{Changes: at, Announced: at, Starts: at}, NextGap: 1, Workers: workers(paths...),
	}
}

// After a take-over everything has the stored watermark until discovery was complete once: also what is found only now, because an
// earlier owner may have found it, too. From then on a new worker has the look of the last list of its fleet that lacked it.
func TestTakeOver(t *testing.T) {
	e := newExample(t, coverage.Config{})
	e.at(110).own(storedAt(100, "f/a/w1"))
	e.at(120).listFarms("f")
	e.publishes("watermark: changes 120s announced 100s starts 100s") // No session is open.
	e.at(130).listFleets("f", "a", "b")
	e.at(140).listWorkers("f/a", "w1", "w2")
	e.list("f/a/w1", 1)
	e.publishes("watermark: changes 140s announced 100s starts 100s") // f/b is not listed.
	e.at(150).listWorkers("f/b")
	e.publishes("watermark: changes 150s announced 120s starts 100s") // w2 is not listed, so it may have had a session since then.
	e.at(160).list("f/a/w2", 1)
	e.publishes("watermark: changes 160s announced 120s starts 120s")

	e.at(170).listFarms("f")
	e.listFleets("f", "a", "b")
	e.listWorkers("f/b", "w3")
	e.publishes("watermark: changes 170s announced 140s starts 140s")
	e.at(180).listWorkers("f/a", "w1", "w2")
	e.list("f/a/w1", 1)
	e.list("f/a/w2", 1)
	e.publishes("watermark: changes 180s announced 170s starts 150s") // of w3, which the list of 150s lacked
	e.at(190).list("f/b/w3", 1)
	e.publishes("watermark: changes 190s announced 170s starts 170s")
}

// Open sessions have the stored watermark, too, until they are asked for.
func TestTakeOverOfSessions(t *testing.T) {
	e := newExample(t, oneFleet)
	e.at(10).listWorkers("f/a", "w1")
	e.list("f/a/w1", 1, "s1")
	e.take(true)
	state := e.state
	e.at(20).own(&state)
	e.listWorkers("f/a", "w1")
	e.publishes("watermark: changes 10s announced 20s starts 10s")
	e.at(30).sweep("f/a/w1")
	e.publishes("watermark: changes 30s announced 20s starts 10s")
}

// What was behind is behind after a take-over, too, until there is a new look.
func TestTakeOverOfBehind(t *testing.T) {
	e := newExample(t, oneFleet)
	stored := storedAt(100, "f/a/w1", "f/a/w2")
	stored.Behind = []coverage.Behind{
		{Gap: 1, Scope: scope("f/a/w1"), Affects: coverage.Affects{Starts: true}, Watermark: coverage.Watermark{Starts: seconds(30)}},
	}
	e.at(110).own(stored)
	e.listWorkers("f/a", "w1", "w2")
	e.list("f/a/w2", 1)
	e.publishes("watermark: changes 110s announced 110s starts 110s", "behind because of gap 1: f/a/w1, starts 30s")
	e.at(120).list("f/a/w1", 1)
	e.publishes("watermark: changes 120s announced 110s starts 110s")
}

// There is a gap of the time without an owner if the first good answer is more than 15 s newer than the newest one that is stored.
// There is only one, however often something is published before that answer, and after several take-overs without any.
func TestDown(t *testing.T) {
	const (
		begins = "gap 1 begins: down, everything from 100s, affects changes announced starts"
		over   = "gap 1 is over: down, everything from 100s to "
	)
	answer := func(at float64) func(*example) []string {
		return func(e *example) []string { e.at(at).listWorkers("f/a"); return e.take(false) }
	}
	publish := func(at float64, heartbeat bool) func(*example) []string {
		return func(e *example) (gaps []string) {
			for _, text := range e.at(at).take(heartbeat) {
				if text[:3] == "gap" {
					gaps = append(gaps, text)
				}
			}
			return gaps
		}
	}
	takeOver := func(at float64) func(*example) []string {
		return func(e *example) []string { state := e.state; e.at(at).own(&state); return nil }
	}
	for name, tc := range map[string]struct {
		owned   float64
		absence coverage.Reason
		happens []func(*example) []string
		want    []string
	}{
		"15 s are none":                        {115, "", []func(*example) []string{publish(116, true), answer(117)}, nil},
		"more than 15 s, but answered in time": {116, "", []func(*example) []string{answer(115)}, nil},
		"more than 15 s":                       {116, "", []func(*example) []string{answer(116)}, []string{begins, over + "116s"}},
		"an hour":                              {3700, "", []func(*example) []string{answer(3701)}, []string{begins, over + "3701s"}},
		"a publication without a heartbeat":    {160, "", []func(*example) []string{publish(165, false), answer(170)}, []string{begins, over + "170s"}},
		"heartbeats before the first answer":   {160, "", []func(*example) []string{publish(165, true), publish(225, true)}, []string{begins}},
		"an answer after a heartbeat":          {160, "", []func(*example) []string{publish(165, true), answer(170), answer(180)}, []string{begins, over + "170s"}},
		"a take-over while it is open":         {160, "", []func(*example) []string{publish(165, true), takeOver(300), answer(310), answer(320)}, []string{begins, over + "310s"}},
		"a take-over before it is opened":      {160, "", []func(*example) []string{publish(165, false), takeOver(300), answer(310)}, []string{begins, over + "310s"}},
		"a take-over at once":                  {160, "", []func(*example) []string{answer(170), takeOver(180), answer(181)}, []string{begins, over + "170s"}},
		"the caller knows why nobody had looked": {160, coverage.Kafka, []func(*example) []string{answer(170)},
			[]string{"gap 1 begins: kafka, everything from 100s, affects changes announced starts", "gap 1 is over: kafka, everything from 100s to 170s"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := oneFleet
			c.Absence = tc.absence
			e := newExample(t, c)
			e.at(tc.owned).own(storedAt(100))
			var got []string
			for _, happens := range tc.happens {
				got = append(got, happens(e)...)
			}
			e.expect(tc.want, got)
		})
	}
}

// A gap of everything that is stored open stands for the time without an owner, too.
func TestDownDuringAnOutage(t *testing.T) {
	for name, tc := range map[string]struct {
		affects coverage.Affects
		want    []string
	}{
		"of all kinds": {coverage.Affects{Changes: true, Announced: true, Starts: true}, []string{
			"gap 3 is over: unreachable, everything from 50s to 200s",
		}},
		"of changes only": {coverage.Affects{Changes: true}, []string{
			"gap 4 begins: down, everything from 100s, affects changes announced starts",
			"gap 4 is over: down, everything from 100s to 200s",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExample(t, oneFleet)
			stored := storedAt(100)
			stored.NextGap = 4
			stored.Gaps = []coverage.Gap{{Number: 3, Reason: coverage.Unreachable, Affects: tc.affects, From: seconds(50)}}
			e.at(190).own(stored)
			e.at(200).listWorkers("f/a")
			e.expect(tc.want, e.take(false))
		})
	}
}

// A shard that never had an owner was never down.
func TestFirstStartIsNotDown(t *testing.T) {
	e := newExample(t, oneFleet)
	e.at(1000).listWorkers("f/a")
	e.publishes("watermark: changes 1000s announced 1000s starts 1000s")
}

// A worker that is shown for the first time is stored at once. Otherwise a crash could hide that it was deleted.
func TestNewWorkersAreStored(t *testing.T) {
	e := newExample(t, oneFleet)
	for _, tc := range []struct {
		at      float64
		workers []string
		want    bool
	}{
		{10, []string{"w1"}, true},
		{11, []string{"w1"}, false},
		{12, []string{"w1", "w2"}, true},
		{13, []string{"w1", "other"}, false},
	} {
		e.at(tc.at).listWorkers("f/a", tc.workers...)
		if got := e.tracker.IsDue(e.now); got != tc.want {
			t.Errorf("after the list of %v something is due: %v, want %v", tc.workers, got, tc.want)
		}
		e.take(false)
	}
}
