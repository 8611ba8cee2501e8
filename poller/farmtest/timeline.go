package farmtest

import (
	"container/heap"
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// timeline plays the model: a heap of what happens next, each event adding those that follow.
// It belongs to one goroutine, or to whoever calls Server.Advance.
type timeline struct {
	cfg    Config
	cloud  *Cloud
	rng    *rand.Rand
	now    time.Time // our clock: when the event that happens was due
	events events
	added  uint64
}

type event struct {
	at     time.Time
	number uint64 // of two at the same time the one that was added first happens first
	happen func()
}

// events is a heap by time.
type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	if e[i].at.Equal(e[j].at) {
		return e[i].number < e[j].number
	}
	return e[i].at.Before(e[j].at)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push appends an event; for container/heap.
func (e *events) Push(x any) { *e = append(*e, x.(event)) }

// Pop removes the last event; for container/heap.
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return x
}

// newTimeline builds the farms as they are at the start.
func newTimeline(cfg Config, c *Cloud) *timeline {
	tl := &timeline{cfg: cfg, cloud: c, rng: rand.New(rand.NewPCG(cfg.Seed, 3)), now: c.start}
	left := cfg.Farms * cfg.Fleets
	workers, sessions := cfg.Workers, cfg.Sessions
	for i := range cfg.Farms {
		farm := c.AddFarm(farmName(i))
		for j := range cfg.Fleets {
			w, s := (workers+left-1)/left, (sessions+left-1)/left
			workers, sessions, left = workers-w, sessions-s, left-1
			if w > 0 {
				tl.addStudio(farm.AddFleet(fleetName(j)), w, max(s, 1), j > 0 || cfg.Fleets == 1)
			}
		}
	}
	return tl
}

// run lets events happen when they are due, until ctx ends.
func (tl *timeline) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		now := tl.cloud.clock()
		tl.step(now, func(time.Time) {})
		wait := time.Second
		if len(tl.events) > 0 {
			wait = min(wait, tl.events[0].at.Sub(now))
		}
		timer.Reset(max(wait, time.Millisecond))
	}
}

// step lets happen what is due until the time to; set is told the time of each event before it happens.
func (tl *timeline) step(to time.Time, set func(time.Time)) {
	for len(tl.events) > 0 && !tl.events[0].at.After(to) {
		e := heap.Pop(&tl.events).(event)
		tl.now = e.at
		set(e.at)
		e.happen()
	}
}

// after lets something happen d from now.
func (tl *timeline) after(d time.Duration, happen func()) {
	tl.added++
	heap.Push(&tl.events, event{at: tl.now.Add(max(d, time.Millisecond)), number: tl.added, happen: happen})
}

// scaled returns d at the timeline's speed.
func (tl *timeline) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / tl.cfg.Speed)
}

// between draws a scaled duration; each order of magnitude is as likely as the next.
func (tl *timeline) between(least, most time.Duration) time.Duration {
	ratio := math.Log(float64(most) / float64(least))
	return tl.scaled(time.Duration(float64(least) * math.Exp(tl.rng.Float64()*ratio)))
}

// around draws a duration with the mean d, exponentially distributed.
func (tl *timeline) around(d time.Duration) time.Duration {
	return time.Duration(tl.rng.ExpFloat64() * float64(d))
}

// length draws how long a session lasts: most last less than the mean, some many times as long.
func (tl *timeline) length() time.Duration {
	const sigma = 1.3
	factor := math.Exp(sigma*tl.rng.NormFloat64() - sigma*sigma/2)
	factor = min(factor, 25)
	return max(tl.scaled(time.Duration(factor*float64(tl.cfg.MeanSession))), minSession)
}

// minSession is the shortest session; many a poll is longer.
const minSession = 150 * time.Millisecond

// chance reports whether something of probability p happens.
func (tl *timeline) chance(p float64) bool { return tl.rng.Float64() < p }

func farmName(i int) string {
	return pick([]string{"Nordlicht Studio", "Atelier Sud", "Harbour VFX", "Pixelwerk"}, i)
}

func fleetName(i int) string { return pick([]string{"render", "spot", "gpu", "sim", "comp"}, i) }

// pick returns the i-th name, numbered from the second round on.
func pick(names []string, i int) string {
	name := names[i%len(names)]
	if round := i / len(names); round > 0 {
		name += string(rune('1' + round%9))
	}
	return name
}
