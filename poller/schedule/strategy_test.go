package schedule

import (
	"testing"
	"time"
)

// Workers are listed in turn where a round takes less than 15 s, whatever the load is. That is given up only when the limit is
// passed by a good deal.
func TestStrategy(t *testing.T) {
	for _, c := range []struct {
		was    Strategy
		round  float64 // seconds that a round of listings takes
		load   float64
		wanted Strategy
	}{
		{RoundRobin, 10, 0, RoundRobin}, {Sweeping, 10, 0, RoundRobin}, {Sweeping, 14.9, 0, RoundRobin}, {Sweeping, 15.1, 0, Sweeping},
		{RoundRobin, 17.5, 0, RoundRobin}, {RoundRobin, 17.8, 0, Sweeping}, {RoundRobin, 1000, 0, Sweeping},
		{Sweeping, 100, 5, Sweeping}, {RoundRobin, 100, 5, Sweeping}, {Sweeping, 14, 5, RoundRobin},
	} {
		s := newPlay(15*time.Second, 10, 1).schedule
		s.strategy, s.watched = c.was, 1000
		s.listingPages = mean{sum: c.round / 100 * 10, weight: 10} // so many pages a listing
		if c.round < 100 {
			s.listingPages, s.watched = mean{}, int(c.round*10)
		}
		s.listedStarts.add(0, start)
		now := start.Add(time.Hour)
		s.listedStarts.fade(now)
		s.listedStarts.count = 0
		for range 1000 {
			s.listedStarts.count += c.load * 10 / s.pagesOfListing() * rateMemory.Seconds() * .99752 / 1000
		}
		if s.chooseStrategy(now); s.strategy != c.wanted {
			t.Errorf("%s at rounds of %v s and a load of %v (%.3f): %s, want %s", c.was, c.round, c.load, s.load(now), s.strategy, c.wanted)
		}
	}
}

// Whatever the strategy is, open sessions are looked at, and the budget is used.
func TestStrategiesUseTheBudget(t *testing.T) {
	for _, workers := range []int{5, 100, 1000} {
		p := swept(workers, 4)
		from := p.now
		p.run(5 * time.Minute)
		p.check(t)
		want := Sweeping
		if workers == 5 {
			want = RoundRobin
		}
		if p.schedule.strategy != want {
			t.Errorf("%d workers: %s", workers, p.schedule.strategy)
		}
		if n := p.count(func(c made) bool { return !c.at.Before(from) }); n < 1150 || n > 1210 {
			t.Errorf("%d workers: %d requests in 300 s at 4 requests/s", workers, n)
		}
	}
}
