package coverage_test

import (
	"testing"

	"farmwire/coverage"
)

// Sessions may move from page to page while a listing is read. So a listing of several pages counts as the complete one before it.
func TestListingOfSeveralPages(t *testing.T) {
	e := newExample(t, oneFleet)
	e.at(10).listWorkers("f/a", "w1")
	e.at(20).list("f/a/w1", 2)
	e.at(21).listWorkers("f/a", "w1")
	e.publishes("watermark: changes never announced 21s starts never") // There was none before.
	for _, tc := range []struct {
		at    float64
		pages int
		want  string
	}{
		{30, 2, "20s"},
		{40, 3, "30s"},
		{50, 1, "50s"},
		{60, 2, "50s"},
	} {
		e.at(tc.at).listWorkers("f/a", "w1")
		e.list("f/a/w1", tc.pages)
		e.take(true)
		if got := when(e.state.Watermark.Starts); got != tc.want {
			t.Errorf("after the listing of %d pages at %gs the watermark of starts is %s, want %s", tc.pages, tc.at, got, tc.want)
		}
	}
}

// Workers may move from page to page, too. The new worker w2 exists since before the second list, which misses it.
func TestListOfWorkersOfSeveralPages(t *testing.T) {
	for _, tc := range []struct {
		pages int
		want  string // the watermark of starts before w2 is listed
	}{{1, "30s"}, {2, "10s"}} {
		e := newExample(t, oneFleet)
		e.at(10).listWorkers("f/a", "w1")
		r := e.at(30).send(coverage.ListWorkers, "f/a")
		for range tc.pages - 1 {
			e.answer(r, coverage.Answer{UnderWay: true})
			r = e.sendNext(r)
		}
		e.answer(r, coverage.Answer{Complete: true, Shown: workers("f/a/w1")})
		e.at(40).list("f/a/w1", 1)
		e.at(50).listWorkers("f/a", "w1", "w2")
		e.take(true)
		if got := when(e.state.Watermark.Starts); got != tc.want {
			t.Errorf("after a list of %d pages the watermark of starts is %s, want %s", tc.pages, got, tc.want)
		}
	}
}

// The time of a listing is that of its first request.
func TestListingIsAsOldAsItsFirstRequest(t *testing.T) {
	e := newExample(t, oneFleet)
	e.at(10).listWorkers("f/a", "w1")
	e.list("f/a/w1", 1)
	first := e.at(20).send(coverage.ListSessionsForWorker, "f/a/w1")
	o := e.readPages(first, 1)
	e.at(30).listWorkers("f/a", "w1")
	e.at(31).commit(o)
	e.publishes("watermark: changes 30s announced 30s starts 20s")
}

// A status that asks for a listing is no look until a listing is committed whose first request was sent after it, or until a later
// status does not wait for one any more.
func TestStatusAwaitsItsListing(t *testing.T) {
	for name, tc := range map[string]struct {
		happens func(*example)
		want    string // the watermark of announced at 50s
	}{
		"no listing":     {func(e *example) { e.at(20).statusAsks("f/a/w1") }, "10s"},
		"a later status": {func(e *example) { e.at(20).statusAsks("f/a/w1"); e.at(30).statusAsks("f/a/w1") }, "10s"},
		"a later status that does not wait: a job's sessions have shown what it announced": {func(e *example) {
			e.at(20).statusAsks("f/a/w1")
			e.at(30).status("f/a/w1")
		}, "30s"},
		"an earlier status that is answered later": {func(e *example) {
			r := e.at(19).send(coverage.BatchGetWorker, "f/a/w1")
			e.at(20).statusAsks("f/a/w1")
			e.at(30).answer(r, coverage.Answer{Shown: r.Workers})
		}, "10s"},
		"a listing": {func(e *example) { e.at(20).statusAsks("f/a/w1"); e.at(30).list("f/a/w1", 1) }, "20s"},
		"a status, then a listing": {func(e *example) {
			e.at(20).statusAsks("f/a/w1")
			e.at(30).statusAsks("f/a/w1")
			e.at(40).list("f/a/w1", 1)
		}, "30s"},
		"a listing that was sent before the status": {func(e *example) {
			r := e.at(20).send(coverage.ListSessionsForWorker, "f/a/w1")
			e.at(21).statusAsks("f/a/w1")
			e.at(30).commit(e.readPages(r, 1))
		}, "10s"},
		"a listing that is not committed": {func(e *example) {
			e.at(20).statusAsks("f/a/w1")
			e.at(30).readPages(e.send(coverage.ListSessionsForWorker, "f/a/w1"), 1)
		}, "10s"},
		"a listing between two that ask": {func(e *example) {
			e.at(20).statusAsks("f/a/w1")
			r := e.at(25).send(coverage.ListSessionsForWorker, "f/a/w1")
			e.at(30).statusAsks("f/a/w1")
			e.at(40).commit(e.readPages(r, 1))
		}, "20s"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExample(t, oneFleet)
			e.at(10).listWorkers("f/a", "w1")
			e.list("f/a/w1", 1)
			tc.happens(e)
			// The fleet is looked at, too. The status on its list asks for yet another listing, so it is no look.
			a := coverage.Answer{Complete: true, Shown: workers("f/a/w1"), Awaiting: workers("f/a/w1")}
			e.at(50).answer(e.send(coverage.ListWorkers, "f/a"), a)
			e.take(true)
			if got := when(e.state.Watermark.Announced); got != tc.want {
				t.Errorf("the watermark of announced is %s, want %s", got, tc.want)
			}
		})
	}
}

// A request about workers of other shards neither holds back the watermarks nor makes a gap, and its answer shows no worker.
func TestOtherShardsChangeNothing(t *testing.T) {
	e := newExample(t, oneFleet)
	e.at(10).listWorkers("f/a", "w1", "other")
	e.list("f/a/w1", 1)
	for n := 20.0; n < 200; n += 10 {
		e.at(n).fails(coverage.Denied, coverage.BatchGetWorker, "f/a/other")
		e.fails(coverage.Denied, coverage.ListSessionsForWorker, "f/a/other")
	}
	e.send(coverage.ListSessionsForWorker, "f/a/other") // is under way
	e.at(200).answer(e.send(coverage.BatchGetWorker, "f/a/other", "f/a/w1"),
		coverage.Answer{Shown: workers("f/a/other", "f/a/w1"), Awaiting: workers("f/a/other")})
	e.at(210).listWorkers("f/a", "w1", "other")
	e.list("f/a/w1", 1)
	e.readPages(e.send(coverage.ListSessionsForWorker, "f/a/other"), 1) // Its commit is told to another Tracker.
	records, state := e.tracker.Take(e.now, true)
	if h := records[0].Heartbeat; h == nil || h.Workers != 1 || len(state.Workers) != 1 {
		t.Errorf("published are %+v; stored are the workers %v", records, state.Workers)
	}
	e.publishes("watermark: changes 210s announced 210s starts 210s")
}

// If a request is about workers of several shards, each Tracker blames only what its own workers are in.
func TestOtherShardsAreNotBlamed(t *testing.T) {
	e := newExample(t, coverage.Config{Farms: []string{"f"}, Fleets: []string{"a", "b"}})
	e.at(10).listWorkers("f/a", "w1")
	e.listWorkers("f/b", "w2", "other")
	e.list("f/a/w1", 1, "s1")
	e.list("f/b/w2", 1, "s2")
	for _, n := range []float64{20, 55, 90} {
		e.at(n).fails(coverage.Failing, coverage.Lookup, "f/a/w1", "f/b/other")
	}
	e.publishes(
		"gap 1 begins: failing, f/a from 10s, affects changes",
		"watermark: changes 10s announced 10s starts 10s",
		"behind because of gap 1: f/a, changes 10s",
	)
}
