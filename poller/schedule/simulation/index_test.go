package simulation

import (
	"math"
	"slices"
	"testing"
	"time"

	"farmwire/poller/schedule"
)

// watched is an Index of which the calls are looked at.
type watched struct {
	*Index
	called func(schedule.Call, time.Time)
}

func (w watched) Next(now time.Time) (schedule.Call, time.Time) {
	c, wake := w.Index.Next(now)
	if c.Kind != 0 {
		w.called(c, now)
	}
	return c, wake
}

// playIndex plays an Index. The function is called for each of its calls.
func playIndex(t *testing.T, c Config, called func(schedule.Call, time.Time)) Result {
	t.Helper()
	var x *Index
	r, err := Play(t.Context(), c, func(c Config, now time.Time) Scheduler {
		x = NewIndex(c, now)
		return watched{x, called}
	})
	if err != nil {
		t.Fatalf("%s: %v", c.Mix, err)
	}
	if len(x.truth.sessions) > 0 {
		t.Errorf("%s: the scheduler has looked into the future", c.Mix)
	}
	return r
}

// In every mix an Index obeys the laws of the simulation, sees everything, and is not later than round robin; nor does it stop
// when requests fail.
func TestIndexInAllMixes(t *testing.T) {
	for _, mix := range Mixes() {
		c := Config{Mix: mix, Workers: 90, Rate: .5, Seed: 5, WarmUp: 10 * time.Minute, Window: 30 * time.Minute, Discovery: 5 * time.Minute}
		r := playIndex(t, c, func(schedule.Call, time.Time) {})
		other, err := Play(t.Context(), c, func(c Config, now time.Time) Scheduler { return NewRoundRobin(c.Rate, c.Discovery, now) })
		if err != nil {
			t.Fatal(err)
		}
		if r.Unseen > 0 || len(r.All) < 20 || r.All.Mean() > other.All.Mean() || r.Lost > other.Lost {
			t.Errorf("%s: mean of %d changes %v, %d not seen, %d lost; round robin %v, %d lost",
				mix, len(r.All), r.All.Mean(), r.Unseen, r.Lost, other.All.Mean(), other.Lost)
		}
		c.Throttled = .2
		if r := playIndex(t, c, func(schedule.Call, time.Time) {}); r.Unseen > 0 {
			t.Errorf("%s: with a fifth of the requests throttled, %d changes are not seen", mix, r.Unseen)
		}
	}
}

// An Index is so many times sooner than round robin, with 1,000 workers and one request a second, as its model in the paper is
// at least. The paper's lists no jobs, which makes the difference in bursts and in overload.
func TestIndexIsAReference(t *testing.T) {
	for _, test := range []struct {
		mix        Mix
		mean, most float64 // seconds
	}{
		{Even, 504. / 29, 1000. / 19}, {Skewed, 512. / 40, 999. / 19}, {Idle, 506. / 54, 1001. / 36}, {Regular, 506. / 37, 1001. / 22},
		{Bursts, 507. / 100, 999. / 55}, {Busy, 506. / 6, 1000. / 3}, {DeepHistory, 14956. / 860, 29716. / 582},
	} {
		r := playIndex(t, Config{Mix: test.mix, Seed: 1, WarmUp: 15 * time.Minute, Window: 45 * time.Minute, Discovery: 5 * time.Minute},
			func(schedule.Call, time.Time) {})
		if mean, most := r.All.Mean().Seconds(), r.All.Quantile(.99).Seconds(); mean > 1.1*test.mean || most > 1.1*test.most || mean < test.mean/3 {
			t.Errorf("%s: mean %.1f s, p99 %.1f s, want about %.1f and %.1f", test.mix, mean, most, test.mean, test.most)
		}
	}
}

// Requests are at equal distances, about one farm and at most a hundred, each of them once.
func TestCallsOfIndex(t *testing.T) {
	sizes := make(map[schedule.Kind]int)
	var last time.Time
	c := Config{Fleets: []Fleet{{Workers: 300}, {Farm: 1, Workers: 200}}, Rate: 2, Seed: 2, Window: 10 * time.Minute, Discovery: 5 * time.Minute}
	playIndex(t, c, func(c schedule.Call, now time.Time) {
		if now.Sub(last) < 500*time.Millisecond {
			t.Fatalf("call %d comes %v after the one before", c.Number, now.Sub(last))
		}
		last = now
		var farms, ids []string
		for _, w := range c.Workers {
			farms, ids = append(farms, w.FarmID), append(ids, w.WorkerID)
		}
		for _, s := range c.Sessions {
			farms, ids = append(farms, s.FarmID), append(ids, s.SessionID)
		}
		sizes[c.Kind] = max(sizes[c.Kind], len(ids))
		slices.Sort(farms)
		slices.Sort(ids)
		if len(slices.Compact(farms)) > 1 || len(ids) > batch || len(slices.Compact(slices.Clone(ids))) < len(ids) {
			t.Fatalf("call %d is about %v", c.Number, ids)
		}
	})
	if sizes[schedule.BatchGetWorker] != batch || sizes[schedule.BatchGetSession] < batch/2 {
		t.Errorf("the largest calls: %v", sizes)
	}
}

// A batch has what is worth most, of the farm of the best.
func TestLargest(t *testing.T) {
	var all []valued[int]
	for i := range 1000 {
		all = append(all, valued[int]{i, float64(i * 7919 % 1000)})
	}
	farm := func(i int) string { return []string{"even", "odd"}[i%2] }
	taken, sum := largest(all, farm)
	want := 0.0
	for value := 999; value > 799; value -= 2 {
		want += float64(value)
	}
	if len(taken) != batch || sum != want {
		t.Errorf("%d are worth %v, want %v", len(taken), sum, want)
	}
	for _, i := range taken {
		if all[i].value < 800 || farm(i) != farm(taken[0]) {
			t.Errorf("%d is worth %v", i, all[i].value)
		}
	}
	if taken, sum := largest(nil, farm); taken != nil || sum != 0 {
		t.Errorf("%v of nothing are worth %v", taken, sum)
	}
}

// The hazard of an exponential distribution is the same at any age. Regular sessions end at their mean length only.
func TestHazards(t *testing.T) {
	h := hazardsOf(newWorld(Config{Mix: Exponential, Workers: 1, Seed: 1}.WithDefaults()), 0)
	for _, age := range []float64{.1, .5, 1, 1.9, 3, 7.99, 20} {
		if want := age / queueLength(0); math.Abs(h.until(age)/want-1) > .1 && age < 8 {
			t.Errorf("exponential: the hazard until %v is %.2f, want %.2f", age, h.until(age), want)
		}
		if rate := h.at(age); math.Abs(rate*queueLength(0)-1) > .35 && age < 1.5 {
			t.Errorf("exponential: the hazard at %v is %.2f", age, rate)
		}
	}
	h = hazardsOf(newWorld(Config{Mix: Regular, Workers: 1, Seed: 1}.WithDefaults()), 0)
	if h.until(.6) > .01 || h.until(1) < .5 || h.until(1.2) < 3 || h.at(.5) > .01 || h.at(1.1) < 5 {
		t.Errorf("regular: until .6, 1 and 1.2 %.2f, %.2f, %.2f; at .5 and 1.1 %.2f, %.2f", h.until(.6), h.until(1), h.until(1.2), h.at(.5), h.at(1.1))
	}
}
