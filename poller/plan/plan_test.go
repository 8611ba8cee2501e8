package plan

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const second = time.Second

// even is a farm of which a third of the workers has an open session of ten minutes. Its jobs cannot be listed.
func even(workers int) Farm {
	return Farm{Workers: workers, Starts: float64(workers) / 1800, Length: 10 * time.Minute, Pages: 1, Jobs: math.Inf(1)}
}

func near(t *testing.T, what string, have time.Duration, want, within float64) {
	t.Helper()
	if math.Abs(have.Seconds()-want) > within {
		t.Errorf("%s: %v, want %v s", what, have, want)
	}
}

// The rounds were computed by hand from the formula, and the delays follow from them.
func TestExpect(t *testing.T) {
	for _, test := range []struct {
		name            string
		farm            Farm
		rate, load      float64
		worker, session float64 // rounds
		starts          float64 // the mean
		end, endP99     float64
	}{
		// 1 - .05 - 1000/1800 - .02 = .3744 requests a second are left. Of these √7 / (√7 + √4) are for the 6.667 requests of a
		// round of statuses, and the others for the 3.333 of sessions. The mean of ends is 5.449 s above the shortest.
		{"even", even(1000), 1, .556, 31.27, 20.68, 7.5 + 31.27/2 + 1.625, 6.274, 1.15*1.65 + 5.449*(endTail+.91*endTailPreferred)},
		// both sweeps have a rest: their rounds are the shortest
		{"much budget", even(1000), 40, .014, 3.09, 2.05, 7.5 + 1.55 + .025, 1.65 / 2, endRound * 2.05},
		// every worker is listed every 10 s, and 0.4 requests a second sweep the open sessions
		{"in turn", even(100), 10, .0056, 10.53, 2.5, 5.26, 1.25, .99 * 2.5 * inTurnTail},
	} {
		p, err := Expect(test.farm, test.rate)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if math.Abs(p.Load-test.load) > .001 || p.RoundRobin != (test.name == "in turn") {
			t.Errorf("%s: load %.4f, round robin %v", test.name, p.Load, p.RoundRobin)
		}
		near(t, test.name+": round of workers", p.WorkerRound, test.worker, .1)
		near(t, test.name+": round of sessions", p.SessionRound, test.session, .1)
		near(t, test.name+": mean of starts", p.Starts.Mean, test.starts+roundTrip, .1)
		near(t, test.name+": mean of ends", p.Ends.Mean, test.end+roundTrip, .05)
		near(t, test.name+": p99 of ends", p.Ends.P99, test.endP99+roundTrip, .1)
	}
}

// However well it is known when sessions end, the last ends wait for about a round.
func TestLastEnds(t *testing.T) {
	f := even(7500)
	f.Spread = .01
	if mean, last := f.ends(20); math.Abs(mean-10*f.gain(25)) > 1e-9 || last != 20*endRound {
		t.Errorf("%v s, and at last %v s", mean, last)
	}
}

// Ends are known sooner if lengths are alike, and if there are enough sessions to prefer some of them.
func TestGain(t *testing.T) {
	for _, test := range []struct{ spread, requests, want float64 }{
		{1, 25, 1}, {5, 25, 1}, {.3, 1, 1}, {.3, 1000, math.Pow(.3, spreadGain)}, {0, 1000, math.Pow(usualSpread, spreadGain)}, {.1, 2, .25 + .75*math.Pow(.1, spreadGain)},
	} {
		if have := (Farm{Spread: test.spread}).gain(test.requests); math.Abs(have-test.want) > 1e-4 {
			t.Errorf("%+v: %v", test, have)
		}
	}
}

// What is left lists the jobs, which show starts before a status announces them.
func TestExpectJobs(t *testing.T) {
	f := even(1000)
	f.Jobs = 20
	p, err := Expect(f, 10)
	if err != nil {
		t.Fatal(err)
	}
	// 10 - .4 - .17 - 2.09 - 1.82 - .2 requests a second are left, of which jobs get .72.
	near(t, "round of jobs", p.JobRound, 20/(jobShare*5.32), .1)
	f.Jobs = 0
	if few, err := Expect(f, 10); err != nil || few != p {
		t.Errorf("without a number of jobs: %+v (%v)", few, err)
	}
	f.Jobs = 2
	few, err := Expect(f, 10)
	if err != nil {
		t.Fatal(err)
	}
	f.Jobs = 2000
	many, err := Expect(f, 10)
	if err != nil {
		t.Fatal(err)
	}
	f.Jobs = math.Inf(1)
	none, err := Expect(f, 10)
	if err != nil {
		t.Fatal(err)
	}
	if few.Starts.Mean*2 > p.Starts.Mean || p.Starts.Mean*2 > many.Starts.Mean || many.Starts.Mean > none.Starts.Mean || few.Ends.Mean >= p.Ends.Mean || none.Uses.Jobs != 0 {
		t.Errorf("2 jobs: %+v\n20 jobs: %+v\n2000 jobs: %+v\nno jobs: %+v", few, p, many, none)
	}
}

// The terms that the farms above do not have.
func TestExpectTerms(t *testing.T) {
	base, err := Expect(even(1000), 2)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*Farm)
		later  bool // starts are known later than in base
	}{
		"followed": {func(f *Farm) { f.Followed = .9 }, false},
		"bursts":   {func(f *Farm) { f.Burst = 200 }, true},
		"pages":    {func(f *Farm) { f.Pages = 2 }, true},
		"new":      {func(f *Farm) { f.Discovery = .2 }, true},
	} {
		f := even(1000)
		test.change(&f)
		p, err := Expect(f, 2)
		if err != nil || (p.Starts.Mean > base.Starts.Mean) != test.later || p.Starts == base.Starts {
			t.Errorf("%s: %v, and %v without (%v)", name, p.Starts, base.Starts, err)
		}
	}
	f := even(1000)
	f.Pages, f.PagesRead = 30, 1
	if p, err := Expect(f, 2); err != nil || p.Load != base.Load || p.Starts.Mean < base.Starts.Mean {
		t.Errorf("30 pages of which 1 is read: %v, load %v (%v)", p.Starts, p.Load, err)
	}
	f = even(1000)
	f.Burst = 200 // 111 s of listings, of which 20 hide behind the heartbeats
	p, err := Expect(f, 2)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "burst", p.Starts.Mean-base.Starts.Mean, (200/(.9*2)-20)/2, .01)
}

// The rounds, computed by hand, of farms whose terms change the split of the requests.
func TestRounds(t *testing.T) {
	followed, deep, few := even(1000), even(1000), even(10)
	followed.Followed = .9             // 0.1556 starts a second are announced by a status
	deep.Pages, deep.PagesRead = 30, 1 // complete listings take 0.05 of the 0.3744 requests a second
	for name, test := range map[string]struct {
		farm            Farm
		worker, session float64
	}{
		"followed":                              {followed, 43.24, 15.13},
		"complete listings of several pages":    {deep, 36.08, 23.87},
		"in turn sooner than sessions would be": {few, 10.99, 10.99},
	} {
		p, err := Expect(test.farm, 1)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		near(t, name+": round of workers", p.WorkerRound, test.worker, .1)
		near(t, name+": round of sessions", p.SessionRound, test.session, .1)
	}
}

// Workers can be listed in turn at a rate at which there would be sweeps. There is a farm then for which nothing is promised.
func TestInTurn(t *testing.T) {
	p, err := InTurn(Farm{Workers: 1000, Starts: 1.6, Length: 10 * time.Minute, Pages: 2}, 1)
	if err != nil || !p.RoundRobin || p.Load != 3.2 {
		t.Errorf("%+v, %v", p, err)
	}
	near(t, "mean of starts", p.Starts.Mean, 2000/(1-sweepShare-discoveryPart)/2, .2)
	near(t, "mean of ends", p.Ends.Mean, 9.6/sweepShare/2, .2)
}

func TestRefusals(t *testing.T) {
	busy := Farm{Workers: 1000, Starts: 1.6, Length: 10 * time.Minute, Pages: 1}
	atOnce, short := even(1000), Farm{Workers: 1000, Starts: .1, Length: 20 * second, Pages: 1}
	atOnce.AtOnce = .02
	rare := Farm{Workers: 7500, Starts: 1, Length: 50 * second, Pages: 1}
	for _, test := range []struct {
		name string
		farm Farm
		rate float64
		ends bool // they are promised
		want string
	}{
		{"overloaded", busy, 1, false, "takes 1.6 times the requests that there are, so that starts are seen about as late as if all workers were listed in turn, 9m16s in the mean and 18m20s at the 99th percentile; 2.67 requests a second would do"},
		{"loaded", busy, 2, false, "takes 80 % of the requests, and from 60 % on they queue up; 2.67 requests a second would do"},
		{"at once", atOnce, 1, true, "more than 1 % of the sessions start beside an open session of the same worker, and no status announces those; 66.7 requests a second would do"},
		{"short", short, 1, true, "workers report every 15 s and a look at all statuses takes 16s; 66.7 requests a second would do"},
		{"rare looks", rare, 2, true, "a look at all statuses takes 1m58s; 4.68 requests a second would do"},
	} {
		p, err := Expect(test.farm, test.rate)
		refusal, ok := err.(*Refusal)
		if !ok || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
			continue
		}
		if p.Starts != (Delay{}) || (p.Ends == Delay{}) == test.ends || p.Load == 0 {
			t.Errorf("%s: %+v", test.name, p)
		}
		if _, err := Expect(test.farm, RoundUp(refusal.Enough)); err != nil {
			t.Errorf("%s: at the rate that would do: %v", test.name, err)
		}
		if _, err := Expect(test.farm, refusal.Enough*.99); err == nil {
			t.Errorf("%s: a lower rate than %v would do", test.name, refusal.Enough)
		}
	}
	endless := even(1_000_000)
	endless.AtOnce = .5
	if _, err := Expect(endless, 1000); err == nil || !strings.HasSuffix(err.Error(), "no rate would do") {
		t.Errorf("%v", err)
	}
}

// More open sessions than workers are beside others, and no time is so long that it becomes negative.
func TestBeyondSense(t *testing.T) {
	f := even(10)
	f.Starts, f.Length = .1, time.Hour
	var refusal *Refusal
	if p, err := Expect(f, .5); !errors.As(err, &refusal) || refusal.Reason != Unannounced || p.Starts != (Delay{}) || p.Ends.Mean <= 0 {
		t.Errorf("360 sessions on 10 workers: %+v (%v)", p.Delays, err)
	}
	f = even(1000)
	f.Burst = 1e300
	if p, err := Expect(f, 1); err != nil || p.Starts.Mean != math.MaxInt64 || p.Starts.P99 != math.MaxInt64 {
		t.Errorf("a burst of %v: %v (%v)", f.Burst, p.Starts, err)
	}
}

func TestWrongArguments(t *testing.T) {
	for want, change := range map[string]func(*Farm){
		"workers":     func(f *Farm) { f.Workers = 0 },
		"spread":      func(f *Farm) { f.Spread = -1 },
		"starts a":    func(f *Farm) { f.Starts = math.NaN() },
		"sessions of": func(f *Farm) { f.Length = 0 },
		"listings of": func(f *Farm) { f.Pages = .5 },
		"are read":    func(f *Farm) { f.PagesRead = 2 },
		"shares":      func(f *Farm) { f.AtOnce = 1.1 },
		"bursts":      func(f *Farm) { f.Burst = -1 },
		"jobs":        func(f *Farm) { f.Jobs = -1 },
	} {
		f := even(10)
		change(&f)
		if _, err := Expect(f, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Expect: %v, want %q", err, want)
		}
		if _, err := RateFor(f, Delays{Ends: Delay{Mean: second}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("RateFor: %v, want %q", err, want)
		}
	}
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		_, inTurn := InTurn(even(10), rate)
		if _, err := Expect(even(10), rate); err == nil || inTurn == nil {
			t.Errorf("a rate of %v", rate)
		}
	}
	for want, wanted := range map[string]Delays{
		"no delay is wanted": {}, "below 0": {Ends: Delay{P99: -1}}, "no rate": {Ends: Delay{Mean: roundTrip / 2 * 1e9}},
	} {
		if _, err := RateFor(even(10), wanted); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A start that a status announces is not known sooner than half a heartbeat in the mean. So a shorter delay needs the rate at
// which workers are listed in turn.
func TestRateForBelowTheHeartbeat(t *testing.T) {
	for _, test := range []struct {
		mean   time.Duration
		inTurn bool
	}{{20 * second, false}, {10 * second, false}, {7 * second, true}, {2 * second, true}} {
		rate, err := RateFor(even(1000), Delays{Starts: Delay{Mean: test.mean}})
		if err != nil {
			t.Errorf("%v: %v", test.mean, err)
			continue
		}
		if p, err := Expect(even(1000), rate); err != nil || p.RoundRobin != test.inTurn || p.Starts.Mean > test.mean {
			t.Errorf("%v: %v requests a second give %v, round robin %v (%v)", test.mean, rate, p.Starts.Mean, p.RoundRobin, err)
		}
	}
}

// anyFarm draws a farm that makes sense.
func anyFarm(t *rapid.T) Farm {
	f := Farm{
		Workers: rapid.IntRange(1, 10_000).Draw(t, "workers"),
		Length:  time.Duration(rapid.Float64Range(1, 36_000).Draw(t, "length") * float64(second)),
		Pages:   float64(rapid.IntRange(1, 30).Draw(t, "pages")),
	}
	f.Starts = rapid.Float64Range(.001, 1.2).Draw(t, "busy") * float64(f.Workers) / f.Length.Seconds()
	f.PagesRead = rapid.Float64Range(.01, f.Pages).Draw(t, "pages read")
	f.Followed = rapid.Float64Range(0, 1).Draw(t, "followed")
	f.AtOnce = rapid.SampledFrom([]float64{0, 0, .5}).Draw(t, "at once")
	f.Burst = rapid.SampledFrom([]float64{0, 1, 500}).Draw(t, "burst")
	f.Jobs = rapid.SampledFrom([]float64{0, 1, 300, math.Inf(1)}).Draw(t, "jobs")
	return f
}

// The requests are used up, every delay that is promised is above 0 and its p99 above its mean, and what is refused is zero.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, rate := anyFarm(t), rapid.Float64Range(.05, 100).Draw(t, "rate")
		p, err := Expect(f, rate)
		u := p.Uses
		if refusal, refused := err.(*Refusal); err != nil && (!refused || p.Starts != (Delay{}) || (p.Ends == Delay{}) != (refusal.Reason == TooMuchLoad)) {
			t.Fatalf("%+v: %v", p, err)
		}
		if p.Ends == (Delay{}) {
			return
		}
		if sum := u.Discovery + u.Listings + u.Statuses + u.Sessions + u.Jobs + u.Rest; math.Abs(sum-rate) > 1e-9*rate || u.Discovery < 0 || u.Listings < 0 || u.Jobs < 0 || u.Rest < 0 {
			t.Fatalf("%v requests a second are used for %+v", rate, u)
		}
		for _, d := range []Delay{p.Starts, p.Ends} {
			if d != (Delay{}) && (d.Mean <= 0 || d.P99 < d.Mean) {
				t.Fatalf("%+v", p.Delays)
			}
		}
	})
}

// More requests do not make anything later, as long as the strategy is the same.
func TestMoreIsSooner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, rate := anyFarm(t), rapid.Float64Range(.05, 100).Draw(t, "rate")
		less, reason := f.expect(rate)
		more, moreReason := f.expect(rate * 1.1)
		if less.RoundRobin != more.RoundRobin || reason == TooMuchLoad {
			return
		}
		later := func(a, b time.Duration) bool { return b > a+time.Microsecond }
		if reason == 0 && (moreReason != 0 || later(less.Starts.Mean, more.Starts.Mean) || later(less.Starts.P99, more.Starts.P99)) ||
			later(less.Ends.Mean, more.Ends.Mean) || later(less.Ends.P99, more.Ends.P99) {
			t.Fatalf("%+v at %v, %+v at more", less, rate, more)
		}
	})
}

// So it is where one of the sweeps has just enough requests for its shortest round.
func TestMoreIsSoonerAtTheShortestRound(t *testing.T) {
	f := Farm{Workers: 128, Starts: .0094, Length: 4*time.Minute + 16*time.Second, Pages: 1}
	last := time.Hour
	for rate := .2; rate < 2; rate *= 1.02 {
		p, reason := f.expect(rate)
		if reason == TooMuchLoad {
			continue
		}
		if p.Ends.Mean > last+time.Microsecond {
			t.Errorf("%v requests a second: %v, and with less %v", rate, p.Ends.Mean, last)
		}
		last = p.Ends.Mean
	}
}

// The rate for a delay gives it, and a little less does not.
func TestRateForIsTheLowest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFarm(t)
		want := func(name string) time.Duration {
			return time.Duration(rapid.SampledFrom([]float64{0, 1, 3, 10, 30, 300}).Draw(t, name) * float64(second))
		}
		wanted := Delays{Starts: Delay{want("starts"), want("starts p99")}, Ends: Delay{want("ends"), want("ends p99")}}
		rate, err := RateFor(f, wanted)
		if err != nil {
			return
		}
		holds := func(rate float64) bool {
			p, _ := f.expect(rate)
			return p.Starts.isWithin(wanted.Starts) && p.Ends.isWithin(wanted.Ends)
		}
		if !holds(rate) || holds(rate*.999) {
			t.Fatalf("%v requests a second for %v: %v, and with less %v", rate, wanted, holds(rate), holds(rate*.999))
		}
	})
}

// The wait until the first of two things is that of the waits that it is made of.
func TestFirst(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, test := range []struct{ followed, status, session, job float64 }{
		{0, 30, 20, 1e6}, {0, 3, 2, 5}, {.3, 40, 5, 60}, {1, 40, 10, 5}, {0, 3, 2, 20},
	} {
		var waits []float64
		sum := 0.0
		for range 200_000 {
			wait := random.Float64()*heartbeat + random.Float64()*test.status
			if random.Float64() < test.followed {
				wait = random.Float64() * test.session
			}
			if random.Float64() < knownJobs {
				first, second := random.Float64(), random.Float64() // of two, the first one is over after (1 - x)²
				wait = min(wait, 1.5*test.job*min(first, second))
			}
			waits = append(waits, wait)
			sum += wait
		}
		slices.Sort(waits)
		f := Farm{Followed: test.followed, Starts: 1, Jobs: 1}
		mean, p99 := first(f.announcement(test.status, test.session), f.byJob(test.job))
		if want := sum / float64(len(waits)); math.Abs(mean-want) > .02*want {
			t.Errorf("%+v: %v s in the mean, want %v s", test, mean, want)
		}
		if want := waits[len(waits)*99/100]; math.Abs(p99-want) > .03*want {
			t.Errorf("%+v: at last %v s, want %v s", test, p99, want)
		}
	}
}

func TestRoundUp(t *testing.T) {
	for rate, want := range map[float64]float64{2.6667: 2.67, .0123456: .0124, 66.61: 66.7, 1234: 1240, 10: 10, .5: .5, 999.9: 1000, 0: 0} {
		if have := RoundUp(rate); have != want {
			t.Errorf("%v: %v, want %v", rate, have, want)
		}
	}
}
