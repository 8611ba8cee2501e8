package farmwire

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"farmwire/poller"
	"farmwire/poller/plan"
	"farmwire/poller/schedule"
	"farmwire/status"
)

// sweeping is what a poller knows that sweeps a farm of 1,000 workers, of which a third is busy, at 1 request a second.
func sweeping() poller.State {
	var s poller.State
	s.Strategy, s.Share, s.DiscoveryRate = schedule.Sweeping, 1, .03
	s.Watched, s.ListingPages, s.OpenSessions, s.Starts, s.Load = 1000, 1000, 333, .55, .55
	return s
}

func TestExpectOfAState(t *testing.T) {
	if inTurn != schedule.RoundRobin {
		t.Errorf("the strategy is %s", schedule.RoundRobin)
	}
	for _, test := range []struct {
		name        string
		unannounced float64
		change      func(*poller.State)
		known       bool
		reason      plan.Reason // why it is refused
		inTurn      bool
		starts      float64 // about so many seconds in the mean
	}{
		{name: "sweeps", known: true, starts: 23.9},
		{name: "no shard", change: func(s *poller.State) { *s = poller.State{} }},
		{name: "no workers", change: func(s *poller.State) { s.Watched = 0 }},
		{name: "no starts", change: func(s *poller.State) { s.Starts = 0 }},
		{name: "no open sessions", change: func(s *poller.State) { s.OpenSessions = 0 }},
		{name: "no budget", change: func(s *poller.State) { s.Share = 0 }},
		{name: "job listings save requests", change: func(s *poller.State) { s.Starts, s.Load = 1.2, .1 }, known: true, starts: 18},
		{name: "too much load", change: func(s *poller.State) { s.Starts, s.Load = .7, .7 }, known: true, reason: plan.TooMuchLoad},
		{name: "too much load, in turn", change: func(s *poller.State) { s.Starts, s.Load, s.Strategy = 1.7, 1.7, schedule.RoundRobin }, known: true, reason: plan.TooMuchLoad},
		{name: "unannounced", unannounced: .02, known: true, reason: plan.Unannounced},
		{name: "unannounced, in turn", unannounced: .02, change: func(s *poller.State) { s.Strategy = schedule.RoundRobin }, known: true, inTurn: true, starts: 544},
		{name: "short sessions", change: func(s *poller.State) { s.OpenSessions = 3 }, known: true, reason: plan.TooShort},
		{name: "in turn for some time more", change: func(s *poller.State) { s.Strategy = schedule.RoundRobin }, known: true, inTurn: true, starts: 544},
		{name: "in turn", change: func(s *poller.State) { s.Share, s.Strategy = 100, schedule.RoundRobin }, known: true, inTurn: true, starts: .74},
	} {
		s := sweeping()
		if test.change != nil {
			test.change(&s)
		}
		e := expect(s, test.unannounced)
		reason := plan.Reason(0)
		if e.refusal != nil {
			reason = e.refusal.Reason
		}
		if e.known != test.known || reason != test.reason || e.plan.RoundRobin != test.inTurn || math.Abs(e.plan.Starts.Mean.Seconds()-test.starts) > .15*test.starts {
			t.Errorf("%s: known %v, refused %d, in turn %v, starts after %v", test.name, e.known, reason, e.plan.RoundRobin, e.plan.Starts.Mean)
		}
	}
}

// What AWS denies is not counted on.
func TestNothingIsExpectedOfWhatIsDenied(t *testing.T) {
	for _, test := range []struct {
		denied              string
		share, load         float64
		known, starts, ends bool // there is an expectation, and a delay of these
		tooLow              bool
	}{
		{denied: "ListSessions", share: 1, load: .3, known: true, starts: true, ends: true},
		{denied: "BatchGetWorker", share: 1, load: .3, known: true, ends: true},
		{denied: "BatchGetSession", share: 1, load: .3},
		{denied: "BatchGetSession", share: 1, load: .7, known: true, tooLow: true},
		{denied: "BatchGetWorker", share: 100, load: .01, known: true, starts: true, ends: true},
		{denied: "BatchGetSession", share: 100, load: .01, known: true, starts: true},
	} {
		s := sweeping()
		s.Share, s.Load, s.Starts = test.share, test.load, test.load*test.share
		s.Failing = []poller.Outage{{Operation: test.denied, Reason: schedule.Denied}}
		var p status.Polling
		e := expect(s, 0)
		addOutlook(&p, e)
		starts, ends := p.Expected.Starts != status.Delay{}, p.Expected.Ends != status.Delay{}
		if e.known != test.known || starts != test.starts || ends != test.ends || (p.Budget.TooLow != nil) != test.tooLow {
			t.Errorf("%+v: %+v, too low: %v", test, p.Expected, p.Budget.TooLow)
		}
	}
}

// What can be expected is logged after ten minutes, and then if it has changed much, and not more than once an hour.
func TestOutlookIsLogged(t *testing.T) {
	var o outlook
	s, now := sweeping(), time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	var logged []int // in which minutes
	minute := 0
	until := func(end int) {
		for ; minute < end; minute++ {
			if o.look(s, now.Add(time.Duration(minute)*time.Minute)) {
				logged = append(logged, minute)
			}
		}
	}
	want := func(at ...int) {
		t.Helper()
		if d := cmp.Diff(at, logged); d != "" {
			t.Errorf("logged in minutes (-want +got):\n%s", d)
		}
	}
	known := s
	s = poller.State{}
	until(3) // no shard is owned
	s = known
	until(13)
	want()
	until(100)
	want(13)
	s.Share = 1.1
	until(200) // not much
	want(13)
	s.Share = 3
	until(220)
	want(13, 200)
	s.Starts, s.Load, s.Share = .7, .7, 1
	until(400) // an hour after the last line
	want(13, 200, 260)
	s = poller.State{}
	until(410)
	if o.current().known {
		t.Error("what was known of shards that are given up is still expected")
	}
	s = known
	until(500)
	want(13, 200, 260, 420)
}

// The share of unannounced starts is that of about the last hour, and survives the loss of all shards.
func TestUnannouncedShare(t *testing.T) {
	var o outlook
	s, now := sweeping(), time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	s.Starts, s.UnannouncedSeen = 1, 5000 // before anybody looked
	share := 0.0
	run := func(minutes int, unannounced uint64) {
		for range minutes {
			now = now.Add(time.Minute)
			if s.Strategy != "" {
				s.UnannouncedSeen += unannounced
			}
			share = o.share(s, now)
		}
	}
	for _, step := range []struct {
		minutes     int
		unannounced uint64 // of 60 a minute
		least, most float64
	}{{30, 6, .09, .11}, {60, 0, .015, .02}, {600, 0, 0, .001}, {300, 60, .98, 1}} {
		run(step.minutes, step.unannounced)
		if share < step.least || share > step.most {
			t.Errorf("%+v: %v", step, share)
		}
	}
	seen := s
	s = poller.State{}
	run(10, 0)
	s = seen
	s.UnannouncedSeen += 1_000_000 // while nobody looked
	run(1, 60)
	if share > 1 || o.unannounced > 2*o.found {
		t.Errorf("%v: %v of %v", share, o.unannounced, o.found)
	}
}

func TestExpectationInTheLog(t *testing.T) {
	core, lines := observer.New(zap.InfoLevel)
	log := zap.New(core)
	e := expect(sweeping(), 0)
	e.log(log, status.Watermarks{})
	d := e.plan.Delays
	tenths := func(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
	s := sweeping()
	s.Starts, s.Load = .7, .7
	expect(s, 0).log(log, status.Watermarks{})
	var said []string
	for _, line := range lines.All() {
		said = append(said, fmt.Sprint(line.Message, " ", line.ContextMap()))
	}
	for n, want := range []string{
		fmt.Sprintf("this is how soon starts and ends can be expected to be seen map[ends_mean:%v ends_p99:%v load:0.55 requests_per_second:1 starts_mean:%v starts_p99:%v strategy:sweeps]",
			tenths(d.Ends.Mean), tenths(d.Ends.P99), tenths(d.Starts.Mean), tenths(d.Starts.P99)),
		"no delay can be promised: a listing for each start takes 70 % of the requests, and from 60 % on they queue up; 1.17 requests a second would do map[load:0.7 requests_per_second:1 strategy:sweeps]",
	} {
		if n >= len(said) || said[n] != want {
			t.Errorf("logged\n%s\nwant\n%s", strings.Join(said, "\n"), want)
		}
	}
}

func TestExpectedInTheReport(t *testing.T) {
	want := status.Expected{Starts: status.Delay{Mean: 1, P99: 2}, Ends: status.Delay{Mean: 3, P99: 4}}
	var have status.Polling
	addOutlook(&have, expectation{known: true, plan: plan.Plan{Delays: plan.Delays{Starts: plan.Delay{Mean: 1, P99: 2}, Ends: plan.Delay{Mean: 3, P99: 4}}}})
	if have.Expected != want {
		t.Errorf("%+v", have.Expected)
	}
}

// A rate that is too low for the staleness is no reason for a warning, but one that is too low for the starts is.
func TestRateTooLowForTheStarts(t *testing.T) {
	for name, test := range map[string]struct {
		load        float64
		share       float64
		strategy    schedule.Strategy
		unannounced float64
		late        time.Duration
		text        string // of the warning; "" if there is none
	}{
		"enough":                      {load: .59, share: 1, strategy: schedule.Sweeping},
		"a queue":                     {load: .61, share: 1, strategy: schedule.Sweeping, late: 9*time.Minute + 16*time.Second, text: "takes 61 % of the requests"},
		"too much":                    {load: 1.7, share: 1, strategy: schedule.RoundRobin, text: "takes 1.7 times the requests that there are, so that starts are seen about as late as if all workers were listed in turn, 9m16s in the mean"},
		"all are listed in 14 s":      {load: 1.7, share: 72, strategy: schedule.RoundRobin},
		"nothing announces starts":    {load: .3, share: 1, strategy: schedule.Sweeping, unannounced: .1},
		"in turn for some time more":  {load: .3, share: 1, strategy: schedule.RoundRobin},
		"in turn, and not enough":     {load: 1, share: 1, strategy: schedule.RoundRobin, text: "; 1.67 requests a second would do"},
		"no staleness of 15 s by far": {load: .1, share: .2, strategy: schedule.Sweeping},
	} {
		t.Run(name, func(t *testing.T) {
			s := sweeping()
			s.Staleness, s.Starts, s.Load, s.Share, s.Strategy = 15*time.Second, test.load*test.share, test.load, test.share, test.strategy
			p := polling(s)
			addOutlook(&p, expect(s, test.unannounced))
			if p.Budget.Late.Round(time.Second) != test.late || (p.Budget.TooLow != nil) != (test.text != "") {
				t.Fatalf("late by %v: %v", p.Budget.Late, p.Budget.TooLow)
			}
			if test.text != "" && !strings.Contains(p.Budget.TooLow.Error(), test.text) {
				t.Errorf("%v, want %q", p.Budget.TooLow, test.text)
			}
		})
	}
}
