package simulation_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/poller/schedule"
	"farmwire/poller/schedule/simulation"
)

func roundRobin(c simulation.Config, now time.Time) simulation.Scheduler {
	return simulation.NewRoundRobin(c.Rate, c.Discovery, now)
}

func play(t *testing.T, c simulation.Config) simulation.Result {
	t.Helper()
	r, err := simulation.Play(t.Context(), c, roundRobin)
	if err != nil {
		t.Fatalf("%s: %v", c.Mix, err)
	}
	return r
}

// The same configuration gives the same result, and another seed gives another one.
func TestTheSeedDecides(t *testing.T) {
	for _, mix := range simulation.Mixes() {
		c := simulation.Config{Mix: mix, Workers: 60, Rate: 2, Seed: 7, Throttled: 0.05, Hanging: 0.05}
		first := play(t, c)
		if d := cmp.Diff(first, play(t, c)); d != "" {
			t.Errorf("%s: two runs differ: %s", mix, d)
		}
		if c.Seed = 8; cmp.Equal(first, play(t, c)) {
			t.Errorf("%s: two seeds give the same", mix)
		}
	}
}

// Round robin lists each of 1,000 workers once in 1,000 s, so that a change waits for 500 s on average. The load is that of
// the mixes in the paper that the model follows.
func TestMixes(t *testing.T) {
	for _, test := range []struct {
		mix              simulation.Mix
		load, mean, most float64
	}{
		{simulation.Even, .56, 504, 1000},
		{simulation.Idle, .08, 506, 1001},
		{simulation.Skewed, .55, 512, 999},
		{simulation.Busy, 1.6, 506, 1000},
		{simulation.Bursts, .56, 507, 999},
		{simulation.Autoscaling, 1.5, 690, 1700},
		{simulation.TwoAtOnce, .72, 506, 1000},
		{simulation.Updates, .56, 504, 1000},
		{simulation.DeepHistory, 17, 14956, 29716},
		{simulation.DeepHistoryOldest, 17, 14956, 29716},
		{simulation.Regular, .56, 504, 1000},
		{simulation.Exponential, .56, 504, 1000},
		{simulation.HeavyTail, .57, 504, 1000},
	} {
		r := play(t, simulation.Config{Mix: test.mix, Seed: 1, Discovery: 5 * time.Minute})
		near := func(what string, got, want float64) {
			if math.Abs(got/want-1) > 0.15 {
				t.Errorf("%s: %s is %.3f, want about %.3f", test.mix, what, got, want)
			}
		}
		near("load", r.Load, test.load)
		near("mean of the starts", r.Starts.Mean().Seconds(), test.mean)
		near("p99 of the starts", r.Starts.Quantile(.99).Seconds(), test.most)
		if isAutoscaling := test.mix == simulation.Autoscaling; (r.Lost > 0) != isAutoscaling || (r.Requests[schedule.BatchGetSession] > 0) != isAutoscaling {
			t.Errorf("%s: %d sessions lost, %d lookups", test.mix, r.Lost, r.Requests[schedule.BatchGetSession])
		}
		if r.Unseen > 0 || (len(r.Updates) > 0) != (test.mix == simulation.Updates) {
			t.Errorf("%s: %d changes not seen, %d updates seen", test.mix, r.Unseen, len(r.Updates))
		}
		if sent := total(r); sent > 3600 || sent < 3500 {
			t.Errorf("%s: %d requests in an hour at one a second", test.mix, sent)
		}
	}
}

func total(r simulation.Result) int {
	n := 0
	for _, sent := range r.Requests {
		n += sent
	}
	return n
}

// The order of listings decides nothing for whoever reads them to the end, and neither do faults that are repeated.
func TestOrderAndThrottling(t *testing.T) {
	c := simulation.Config{Workers: 100, Rate: 1, Pages: 3, Seed: 3}
	newest := play(t, c)
	c.OldestFirst = true
	oldest := play(t, c)
	if newest.Unseen+oldest.Unseen > 0 || math.Abs(newest.Starts.Mean().Seconds()/oldest.Starts.Mean().Seconds()-1) > 0.05 {
		t.Errorf("newest first %v, oldest first %v", newest.Starts.Mean(), oldest.Starts.Mean())
	}
	c.Throttled = 0.3
	throttled := play(t, c)
	if share := float64(throttled.Failed[schedule.Throttled]) / float64(total(throttled)); share < .25 || share > .35 {
		t.Errorf("%.2f of the requests are throttled", share)
	}
	if throttled.Unseen > 0 || throttled.Starts.Mean() < newest.Starts.Mean()*5/4 {
		t.Errorf("throttled %v, not throttled %v", throttled.Starts.Mean(), newest.Starts.Mean())
	}
}

// The delays of starts and ends are also given together, and the mixes say how many starts nothing could announce.
func TestAllAndUnannounced(t *testing.T) {
	for mix, want := range map[simulation.Mix][2]float64{
		simulation.Even: {0, 0}, simulation.TwoAtOnce: {.1, .2}, simulation.Exponential: {.005, .03}, simulation.Busy: {0, 0},
	} {
		r := play(t, simulation.Config{Mix: mix, Workers: 300, Rate: 10, Seed: 1})
		if len(r.All) != len(r.Starts)+len(r.Ends) || !slices.IsSorted(r.All) || len(r.Starts) < 300 || len(r.Ends) < 300 {
			t.Errorf("%s: %d changes, %d starts, %d ends", mix, len(r.All), len(r.Starts), len(r.Ends))
		}
		if sum := r.Starts.Mean()*time.Duration(len(r.Starts)) + r.Ends.Mean()*time.Duration(len(r.Ends)); (r.All.Mean() - sum/time.Duration(len(r.All))).Abs() > time.Millisecond {
			t.Errorf("%s: mean %v", mix, r.All.Mean())
		}
		if r.Unannounced < want[0] || r.Unannounced > want[1] {
			t.Errorf("%s: %.4f of the starts are not announced, want from %v to %v", mix, r.Unannounced, want[0], want[1])
		}
	}
}

// Round robin reads all pages of every worker in turn, and gives each as many listings as any other.
func TestRoundRobinIsFair(t *testing.T) {
	c := simulation.Config{Fleets: []simulation.Fleet{{Workers: 40}, {Workers: 20, Pages: 3}, {Farm: 1, Workers: 10, Pages: 12}}, Rate: 5, Seed: 1}
	s, err := simulation.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.Drive(simulation.NewRoundRobin(c.Rate, time.Hour, s.Now()))
	if err := s.Run(30 * time.Minute); err != nil {
		t.Fatal(err)
	}
	pages, listings := make(map[string]int), make(map[string]int)
	for _, l := range s.Listings {
		pages[fmt.Sprint(l.Worker.FleetID[len("fleet-"):][31:], " ", l.Pages)]++
		listings[l.Worker.WorkerID]++
	}
	if len(pages) != 3 || pages["0 1"] == 0 || pages["1 3"] == 0 || pages["2 12"] == 0 {
		t.Errorf("listings by fleet and pages: %v", pages)
	}
	least, most := len(s.Listings), 0
	for _, n := range listings {
		least, most = min(least, n), max(most, n)
	}
	// A round is 220 pages, in 44 s.
	if len(listings) != 70 || most-least > 1 || most < 39 || most > 42 {
		t.Errorf("%d workers have from %d to %d listings in half an hour", len(listings), least, most)
	}
}

// Discovery gets no more than a fifth of the requests of round robin.
func TestDiscoveryShare(t *testing.T) {
	r := play(t, simulation.Config{Seed: 1})
	discovery := r.Requests[schedule.ListFarms] + r.Requests[schedule.ListFleets] + r.Requests[schedule.ListWorkers]
	if share := float64(discovery) / float64(total(r)); share > .21 || share < .19 {
		t.Errorf("discovery gets %.2f of the requests", share)
	}
}

// Workers that cannot be listed are asked, and their changes are not measured.
func TestUnreachableWorkers(t *testing.T) {
	all := play(t, simulation.Config{Workers: 200, Rate: 5, Seed: 1})
	for reason, c := range map[schedule.Reason]simulation.Config{schedule.Timeout: {Hanging: .5}, schedule.Denied: {Refused: .5}} {
		c.Workers, c.Rate, c.Seed = 200, 5, 1
		r := play(t, c)
		if share := float64(r.Failed[reason]) / float64(r.Requests[schedule.ListSessionsForWorker]); share < .4 || share > .6 {
			t.Errorf("%s: %.2f of the listings fail", reason, share)
		}
		if r.Unseen > 0 || r.Sessions < all.Sessions/3 || r.Sessions > all.Sessions*2/3 {
			t.Errorf("%s: %d of %d sessions are measured, %d are not known", reason, r.Sessions, all.Sessions, r.Unseen)
		}
	}
}

// A service with a quota answers as many requests as it promises.
func TestQuota(t *testing.T) {
	quota := simulation.Quota(func(now time.Time) float64 {
		if now.Minute()%10 < 5 {
			return 10
		}
		return 5
	})
	r := play(t, simulation.Config{Workers: 50, Rate: 20, Seed: 1, Fault: func(now time.Time, c schedule.Call) simulation.Fault { return quota(now, c) }})
	if answered := total(r) - r.Failed[schedule.Throttled]; answered < 26_800 || answered > 27_200 {
		t.Errorf("%d requests were answered in an hour, want 27000", answered)
	}
}

// Faults can be confined to a fleet.
func TestFaultOfAFleet(t *testing.T) {
	var broken string
	fault := func(_ time.Time, c schedule.Call) simulation.Fault {
		if c.Kind == schedule.ListWorkers && broken == "" {
			broken = c.Fleet
		}
		if c.Kind == schedule.ListSessionsForWorker && c.Worker.FleetID == broken {
			return simulation.Hang()
		}
		return simulation.Fault{}
	}
	s, err := simulation.New(simulation.Config{Fleets: []simulation.Fleet{{Workers: 10}, {Workers: 10, Pages: 4}}, Rate: 10, Fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	s.Drive(simulation.NewRoundRobin(10, time.Minute, s.Now()))
	if err := s.Run(time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, l := range s.Listings {
		isBroken := l.Worker.FleetID == broken
		if l.Complete == isBroken || !isBroken && l.Pages != 4 || isBroken && l.Ended-l.Began != simulation.RequestTimeout {
			t.Errorf("a listing of %d pages took %v, complete %v, broken %v", l.Pages, l.Ended-l.Began, l.Complete, isBroken)
		}
	}
	if len(s.Listings) < 50 || s.MostInFlight < 5 {
		t.Errorf("%d listings, %d requests in flight", len(s.Listings), s.MostInFlight)
	}
}

// After Stop nothing arrives, and another scheduler can go on with what is known.
func TestStopAndGoOn(t *testing.T) {
	s, err := simulation.New(simulation.Config{Mix: simulation.Busy, Workers: 100})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Known()) > 0 {
		t.Error("something is known before anybody has asked")
	}
	s.Observe()
	if n := len(s.Known()); n < 90 {
		t.Errorf("sessions of %d workers are known after all were observed", n)
	}
	s.Drive(simulation.NewRoundRobin(10, time.Minute, s.Now()))
	if err := s.Run(5*time.Second + 10*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	d := &script{}
	for n, k := range s.Known() {
		d.calls = append(d.calls, schedule.Call{Number: uint64(n + 1000), List: uint64(n + 1000), Kind: schedule.ListSessionsForWorker, Worker: k.Worker, Page: 1})
	}
	asked, before := len(d.calls), len(s.Sent())
	s.Drive(d)
	if err := s.Run(time.Second); err != nil {
		t.Fatal(err)
	}
	if sent := len(s.Sent()) - before; sent != asked || len(d.answers) != asked || d.committed != asked {
		t.Errorf("%d calls, %d sent, %d answers, %d commits", asked, sent, len(d.answers), d.committed)
	}
}

// script is a scheduler that sends what it is told to.
type script struct {
	calls     []schedule.Call
	wake      time.Time
	outcome   func(schedule.Call, schedule.Answer) schedule.Outcome // nil for Complete
	answers   []schedule.Answer
	committed int
}

func (s *script) Next(time.Time) (schedule.Call, time.Time) {
	if len(s.calls) == 0 {
		return schedule.Call{}, s.wake
	}
	c := s.calls[0]
	s.calls = s.calls[1:]
	return c, time.Time{}
}

func (s *script) Done(c schedule.Call, a schedule.Answer, _ time.Time) schedule.Outcome {
	s.answers = append(s.answers, a)
	switch {
	case a.Reason != "":
		return schedule.Outcome{Stage: schedule.Discarded}
	case s.outcome != nil:
		return s.outcome(c, a)
	}
	return schedule.Outcome{Stage: schedule.Complete}
}

func (s *script) Committed(schedule.Known, time.Time) { s.committed++ }

// A scheduler that breaks a law ends the simulation.
func TestLaws(t *testing.T) {
	for name, test := range map[string]struct {
		calls int
		wait  time.Duration
		want  string
	}{
		"two calls for a worker": {calls: 2, want: "is in calls 1 and 2"},
		"no wait":                {wait: 0, want: "wants to be asked again"},
		"right":                  {calls: 1, wait: time.Hour},
	} {
		s, err := simulation.New(simulation.Config{Mix: simulation.Busy, Workers: 20})
		if err != nil {
			t.Fatal(err)
		}
		s.Observe()
		d := &script{wake: s.Now().Add(test.wait)}
		for n := range test.calls {
			d.calls = append(d.calls, schedule.Call{Number: uint64(n + 1), List: uint64(n + 1), Kind: schedule.ListSessionsForWorker, Worker: s.Known()[0].Worker, Page: 1})
		}
		s.Drive(d)
		if err := s.Run(time.Second); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if test.want == "" && (d.committed != 1 || len(d.answers) != 1) {
			t.Errorf("%s: %d commits, %d answers", name, d.committed, len(d.answers))
		}
	}
}

// What is given up for a shard is answered at once and changes nothing.
func TestCancel(t *testing.T) {
	s, err := simulation.New(simulation.Config{Mix: simulation.Busy, Workers: 20})
	if err != nil {
		t.Fatal(err)
	}
	s.Observe()
	d := &script{}
	for n, k := range s.Known()[:2] {
		d.calls = append(d.calls, schedule.Call{Number: uint64(n + 1), List: uint64(n + 1), Kind: schedule.ListSessionsForWorker, Worker: k.Worker, Page: 1, Shards: []int{n}})
	}
	s.Drive(d)
	if err := s.Run(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	s.Cancel(1)
	if len(d.answers) != 1 || d.answers[0].Reason != schedule.Cancelled {
		t.Fatalf("answers: %v", d.answers)
	}
	if err := s.Run(time.Second); err != nil || len(d.answers) != 2 || d.committed != 1 {
		t.Errorf("%d answers and %d commits: %v", len(d.answers), d.committed, err)
	}
}

func TestCheck(t *testing.T) {
	for want, change := range map[string]func(*simulation.Config){
		"no mix":        func(c *simulation.Config) { c.Mix = "nonsense" },
		"workers":       func(c *simulation.Config) { c.Workers = -1 },
		"rate":          func(c *simulation.Config) { c.Rate = math.NaN() },
		"sessions of":   func(c *simulation.Config) { c.Session = time.Millisecond },
		"jobs":          func(c *simulation.Config) { c.JobSize = -1 },
		"pages":         func(c *simulation.Config) { c.Pages = 1001 },
		"window":        func(c *simulation.Config) { c.Window = -time.Hour },
		"staleness":     func(c *simulation.Config) { c.Discovery = -1 },
		"shares":        func(c *simulation.Config) { c.Hanging, c.Refused = .6, .6 },
		"quota":         func(c *simulation.Config) { c.Quota = -1 },
		"too much":      func(c *simulation.Config) { c.Workers, c.Session = 100_000, time.Second },
		"too much to s": func(c *simulation.Config) { c.Rate = 9999 },
	} {
		var c simulation.Config
		change(&c)
		if _, err := simulation.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestDelays(t *testing.T) {
	var d simulation.Delays
	if d.Mean() != 0 || d.Quantile(.5) != 0 {
		t.Error("no delays have a mean")
	}
	for n := range 100 {
		d = append(d, time.Duration(n+1)*time.Second)
	}
	if got := fmt.Sprint(d.Mean(), d.Quantile(0), d.Quantile(.5), d.Quantile(.99), d.Quantile(1)); got != "50.5s 1s 50s 1m39s 1m40s" {
		t.Error(got)
	}
}
