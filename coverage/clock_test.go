package coverage_test

import (
	"testing"
	"time"

	"farmwire/coverage"
)

// oneFleet is what most examples ask for: the workers of a fleet, so that there is nothing else to list.
var oneFleet = coverage.Config{Farms: []string{"f"}, Fleets: []string{"a"}}

// If the service's clock is set back, the watermarks do not go back. A request that is sent after a good answer had arrived counts
// as that answer, until the clock has caught up. One that was sent before it does not.
func TestServiceClockIsSetBack(t *testing.T) {
	for name, back := range map[string]time.Duration{"10 seconds": 10 * time.Second, "an hour": time.Hour} {
		t.Run(name, func(t *testing.T) {
			e := newExample(t, oneFleet)
			e.at(10).listWorkers("f/a", "w1")
			e.at(20).list("f/a/w1", 1, "s1")
			e.at(25).status("f/a/w1")
			early := e.at(30).send(coverage.Lookup, "f/a/w1") // The newest good answer is that of 25s.
			earlyList := e.send(coverage.ListWorkers, "f/a")
			earlyListing := e.send(coverage.ListSessionsForWorker, "f/a/w1")
			e.at(31).status("f/a/w1")
			e.ahead = -back
			e.at(32).answerSweep(early)
			e.answer(earlyList, coverage.Answer{Complete: true, Shown: workers("f/a/w1")})
			e.publishes("watermark: changes 25s announced 25s starts 20s")

			late := e.at(33).send(coverage.BatchGetWorker, "f/a/w1")
			e.at(34).listWorkers("f/a", "w1")
			e.commit(e.readPages(earlyListing, 1, "s1"))
			e.publishes("watermark: changes 25s announced 31s starts 25s")
			e.list("f/a/w1", 1, "s1")
			e.publishes("watermark: changes 31s announced 31s starts 31s")
			e.at(35).answer(late, coverage.Answer{Shown: workers("f/a/w1")})
			e.publishes("watermark: changes 31s announced 31s starts 31s")

			e.ahead = 0
			e.at(50).listWorkers("f/a", "w1")
			e.list("f/a/w1", 1, "s1")
			e.publishes("watermark: changes 50s announced 50s starts 50s")
		})
	}
}

// No watermark is later than a request that is under way or whose observation is not committed. That of a status or of a list of
// workers shows no sessions, so it does not hold back changes.
func TestRequestsUnderWayHoldBack(t *testing.T) {
	begin := func(t *testing.T) *example {
		e := newExample(t, oneFleet)
		e.at(10).listWorkers("f/a", "w1", "w2")
		e.list("f/a/w1", 1, "s1")
		e.list("f/a/w2", 1)
		return e
	}
	// look looks at everything.
	look := func(e *example) {
		e.listWorkers("f/a", "w1", "w2")
		e.list("f/a/w1", 1, "s1")
		e.list("f/a/w2", 1)
	}
	t.Run("a status", func(t *testing.T) {
		e := begin(t)
		e.at(20).send(coverage.BatchGetWorker, "f/a/w2")
		look(e.at(30))
		e.publishes("watermark: changes 30s announced 19s starts 19s") // Sent is told an estimate, which may be a second wrong.
	})
	t.Run("a lookup", func(t *testing.T) {
		e := begin(t)
		e.at(20).send(coverage.Lookup, "f/a/w1")
		look(e.at(30))
		e.publishes("watermark: changes 19s announced 19s starts 19s")
	})
	t.Run("a lookup that was sent after a good answer", func(t *testing.T) {
		e := begin(t)
		look(e.at(20))
		e.send(coverage.Lookup, "f/a/w1") // It is later than that answer, whatever the estimate says.
		e.publishes("watermark: changes 20s announced 20s starts 20s")
	})
	t.Run("an observation that is not committed", func(t *testing.T) {
		e := begin(t)
		o := e.readPages(e.at(20).send(coverage.ListSessionsForWorker, "f/a/w2"), 1)
		e.at(30).listWorkers("f/a", "w1", "w2")
		e.list("f/a/w1", 1, "s1")
		e.publishes("watermark: changes 20s announced 20s starts 10s")
		e.commit(o)
		e.publishes("watermark: changes 30s announced 30s starts 20s")
	})
}

// A listing holds back the watermarks from its first page on, even while none of its requests is under way, because what it was
// shown is kept. If nothing is heard of it for ten minutes, the poller has given it up.
func TestListThatIsGivenUp(t *testing.T) {
	const given = 20 + 600
	throttled := func(e *example, r coverage.Request) {
		next := e.at(100).sendNext(r)
		e.at(300).answer(next, coverage.Answer{Reason: coverage.Throttled, UnderWay: true})
	}
	for name, tc := range map[string]struct {
		after func(*example, coverage.Request) // what follows the first page, which is answered at 20s
		at    float64
		hold  string
	}{
		"nobody asks for the next page":                         {nil, given - 1, "20s"},
		"nobody has asked for it for ten minutes":               {nil, given, ""},
		"the next page is under way":                            {func(e *example, r coverage.Request) { e.at(25).sendNext(r) }, given + 60, "20s"},
		"the next page was throttled less than ten minutes ago": {throttled, 300 + 599, "20s"},
		"the next page was throttled ten minutes ago":           {throttled, 300 + 600, ""},
		"the listing was discarded": {func(e *example, r coverage.Request) {
			e.answer(e.sendNext(r), coverage.Answer{Reason: coverage.Failing})
		}, given - 300, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExample(t, oneFleet)
			e.at(10).listWorkers("f/a", "w1", "w2")
			e.list("f/a/w1", 1, "s1")
			e.list("f/a/w2", 1)
			r := e.at(20).send(coverage.ListSessionsForWorker, "f/a/w2")
			e.answer(r, coverage.Answer{UnderWay: true})
			if tc.after != nil {
				tc.after(e, r)
			}
			e.at(tc.at).listWorkers("f/a", "w1", "w2")
			e.list("f/a/w1", 1, "s1")
			e.list("f/a/w2", 1)
			records, _ := e.tracker.Take(e.now, true)
			got := records[len(records)-1].Heartbeat.Watermark
			want := seconds(tc.at)
			if tc.hold != "" {
				want = seconds(20)
			}
			if got != (coverage.Watermark{Changes: want, Announced: want, Starts: want}) {
				t.Errorf("after %v the watermark is %s, want %s", tc.at, affected(coverage.Affects{Changes: true, Announced: true, Starts: true}, got, true), when(want))
			}
		})
	}
}
