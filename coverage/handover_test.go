package coverage_test

import (
	"testing"
	"time"

	"farmwire/coverage"
)

// failsAndIsHandedOver makes the statuses of two workers fail from 10 s on, while w1 is listed. The next owner has the shard 41 s after
// the start, and believes then that it is another time.
func failsAndIsHandedOver(t *testing.T, believed float64) *example {
	e := newExample(t, oneFleet)
	e.at(0).listWorkers("f/a", "w1", "w2")
	e.status("f/a/w1", "f/a/w2")
	for n := 10.0; n <= 40; n += 10 {
		e.at(n).list("f/a/w1", 1)
		e.fails(coverage.Failing, coverage.BatchGetWorker, "f/a/w1")
		e.fails(coverage.Failing, coverage.BatchGetWorker, "f/a/w2")
	}
	e.take(false)
	state := e.state
	e.at(believed).own(&state)
	return e
}

// Before the first answer a new owner does not know the service's clock. However wrong the clock of its host is, what it was told to
// fail is a gap if one more request fails, and only then.
func TestFailuresAreHandedOverWhateverTheClock(t *testing.T) {
	for _, believed := range []float64{41, 20, 0, 50, 3600} {
		e := failsAndIsHandedOver(t, believed)
		var got []string
		for n := 45.0; n <= 95; n += 10 {
			e.at(n).list("f/a/w1", 1)
			if n == 85 {
				got = append(got, e.take(false)...)
				e.fails(coverage.Failing, coverage.BatchGetWorker, "f/a/w1", "f/a/w2")
				got = append(got, "one more has failed")
			}
			got = append(got, e.take(false)...)
		}
		e.expect([]string{"one more has failed", "gap 1 begins: failing, everything from 0s, affects announced"}, got)
	}
}

// What one worker of several still fails after a take-over fails since its newest good answer, as far as an owner has stored that, and not
// only since the newest answer about anything.
func TestPartOfWhatWasHandedOver(t *testing.T) {
	e := failsAndIsHandedOver(t, 41)
	e.at(42).status("f/a/w1")
	for n := 50.0; n <= 70; n += 10 {
		e.at(n).fails(coverage.Failing, coverage.BatchGetWorker, "f/a/w2")
	}
	e.expect([]string{"gap 1 begins: failing, f/a/w2 from 0s, affects announced"}, e.take(false))
}

// What a new owner was answered is no part of what it was told to fail, even if the answer has the time of the newest one that is
// stored: the service tells its clock in whole seconds, and it may be set back.
func TestAnsweredInTheSecondOfATakeOver(t *testing.T) {
	e := failsAndIsHandedOver(t, 40.5)
	e.at(40.6)
	e.ahead = -time.Second
	e.status("f/a/w1", "f/a/w2")
	e.status("f/a/w1", "f/a/w2")
	e.ahead = 0
	e.at(80).fails(coverage.Failing, coverage.BatchGetWorker, "f/a/w1", "f/a/w2")
	e.expect(nil, e.take(false))
}

// An outage of the only worker is one gap of everything, also if another instance takes over before it opens.
func TestFailuresOfTheOnlyWorkerAreHandedOver(t *testing.T) {
	for _, isHandedOver := range []bool{false, true} {
		e := newExample(t, oneFleet)
		e.at(0).listWorkers("f/a", "w1")
		e.list("f/a/w1", 1)
		var got []string
		for n := 10.0; n <= 200; n += 10 {
			e.at(n).listWorkers("f/a", "w1")
			e.fails(coverage.Failing, coverage.ListSessionsForWorker, "f/a/w1")
			got = append(got, e.take(false)...)
			if isHandedOver && n == 40 {
				state := e.state
				e.at(41).own(&state)
			}
		}
		e.expect([]string{"gap 1 begins: failing, everything from 0s, affects changes starts"}, got)
	}
}

// A list of several pages may lack a worker whose status waits for a listing. Then the poller forgets the worker, and that it awaited
// a listing, until the next list shows it. What the status announced is published only once the worker is listed.
func TestAnnouncedWorkerThatAListLacks(t *testing.T) {
	for name, isShort := range map[string]bool{"one list of several pages lacks it": false, "a list of one page lacks it": true} {
		t.Run(name, func(t *testing.T) {
			e := newExample(t, oneFleet)
			list := func(n float64, ids ...string) {
				if e.at(n); isShort {
					e.listWorkers("f/a", ids...)
					return
				}
				r := e.send(coverage.ListWorkers, "f/a")
				e.answer(r, coverage.Answer{UnderWay: true})
				a := coverage.Answer{Complete: true}
				for _, id := range ids {
					a.Shown = append(a.Shown, scope("f/a/"+id))
				}
				e.answer(e.sendNext(r), a)
			}
			list(0, "w1", "w2")
			list(10, "w1", "w2")
			e.list("f/a/w1", 1)
			e.list("f/a/w2", 1)
			e.at(15).status("f/a/w1")
			e.status("f/a/w2")
			e.at(20).statusAsks("f/a/w2")
			list(30, "w1")
			list(40, "w1", "w2") // the schedule has forgotten w2 meanwhile, so nothing is awaited
			e.at(50).status("f/a/w1", "f/a/w2")
			if announced := when(announcedBy(e)); announced != "15s" {
				t.Errorf("before the listing the watermark is %s", announced)
			}
			list(60, "w1", "w2")
			e.list("f/a/w2", 1)
			e.at(70).status("f/a/w1", "f/a/w2")
			if announced := when(announcedBy(e)); announced != map[bool]string{true: "60s", false: "40s"}[isShort] {
				t.Errorf("after the listing the watermark is %s", announced)
			}
		})
	}
}

func announcedBy(e *example) time.Time {
	records, _ := e.tracker.Take(e.now, true)
	return records[len(records)-1].Heartbeat.Watermark.Announced
}

// What was in a gap for an earlier owner because everything was throttled is in one again as soon as another request is throttled,
// although others are answered by then. Their answers have closed the gap, because it does not say which requests had failed.
func TestThrottledGapIsHandedOver(t *testing.T) {
	e := newListed(t)
	var got []string
	for n := 5.; n < 100; n += 5 {
		e.at(n).fails(coverage.Throttled, coverage.ListSessionsForWorker, "f/l/a")
		got = append(got, e.take(false)...)
	}
	e.expect([]string{"gap 1 begins: throttled, everything from 0s, affects changes announced starts"}, got)
	state := e.state
	e.own(&state)
	e.at(101).listWorkers("f/l", "a")
	e.at(102).fails(coverage.Throttled, coverage.ListSessionsForWorker, "f/l/a")
	e.expect([]string{"gap 1 is over: throttled, everything from 0s to 101s", "gap 2 begins: throttled, everything from 0s, affects changes starts"}, e.take(false))
}
