package farmtest

import (
	"container/heap"
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// timeline changes the model as a render farm would. It is a discrete event simulation: a heap has the coming events,
// and each event schedules those that follow from it. Only one goroutine uses it: that of run, or the caller of
// Server.Advance.
type timeline struct {
	cfg    Config
	cloud  *Cloud
	rng    *rand.Rand
	now    time.Time // when the current event was due, in our clock
	events events
	added  uint64 // number of events scheduled so far
}

// event is a scheduled action of the timeline.
type event struct {
	at     time.Time
	number uint64 // order of scheduling, which decides between events at the same time
	action func()
}

// events is a heap ordered by time.
type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	if e[i].at.Equal(e[j].at) {
		return e[i].number < e[j].number
	}
	return e[i].at.Before(e[j].at)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push appends an event. It is for container/heap only.
func (e *events) Push(x any) { *e = append(*e, x.(event)) }

// Pop removes and returns the last event. It is for container/heap only.
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return x
}

// newTimeline returns a timeline and adds its farms, in their initial state, to the model.
func newTimeline(cfg Config, c *Cloud) *timeline {
	tl := &timeline{cfg: cfg, cloud: c, rng: rand.New(rand.NewPCG(cfg.Seed^cfg.Start, 3)), now: c.start}
	left := cfg.Farms * cfg.Fleets
	workers, sessions := cfg.Workers, cfg.Sessions
	for i := range cfg.Farms {
		farm := c.AddFarm(farmName(i))
		for j := range cfg.Fleets {
			w, s := (workers+left-1)/left, (sessions+left-1)/left
			workers, sessions, left = workers-w, sessions-s, left-1
			if w > 0 {
				tl.addFleet(farm.AddFleet(FleetName(j)), w, max(s, 1), cfg.Churn >= 0 && (j > 0 || cfg.Fleets == 1))
			}
		}
	}
	return tl
}

// run executes events when they are due, until ctx ends.
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

// step executes the events that are due at the time to. It calls set with the time of each event before the event.
func (tl *timeline) step(to time.Time, set func(time.Time)) {
	for len(tl.events) > 0 && !tl.events[0].at.After(to) {
		e := heap.Pop(&tl.events).(event)
		tl.now = e.at
		set(e.at)
		e.action()
	}
}

// after schedules an action for the time d after the current event.
func (tl *timeline) after(d time.Duration, action func()) {
	tl.added++
	heap.Push(&tl.events, event{at: tl.now.Add(max(d, time.Millisecond)), number: tl.added, action: action})
}

// scaled returns d divided by Config.Speed.
func (tl *timeline) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / tl.cfg.Speed)
}

// drawLogUniform draws a scaled duration between least and most. Every order of magnitude is equally likely.
func (tl *timeline) drawLogUniform(least, most time.Duration) time.Duration {
	ratio := math.Log(float64(most) / float64(least))
	return tl.scaled(time.Duration(float64(least) * math.Exp(tl.rng.Float64()*ratio)))
}

// drawExponential draws an exponentially distributed duration with the mean d.
func (tl *timeline) drawExponential(d time.Duration) time.Duration {
	return time.Duration(tl.rng.ExpFloat64() * float64(d))
}

// drawSessionLength draws the duration of a session from a log-normal distribution: most are shorter than the mean,
// and some many times as long.
func (tl *timeline) drawSessionLength() time.Duration {
	sigma := tl.cfg.Spread
	factor := math.Exp(sigma*tl.rng.NormFloat64() - sigma*sigma/2)
	factor = min(factor, 25)
	return max(tl.scaled(time.Duration(factor*float64(tl.cfg.MeanSession))), minSession)
}

// minSession is the duration of the shortest sessions. A poller can miss them, as its interval is longer.
const minSession = 150 * time.Millisecond

// chance reports whether something with the probability p happens.
func (tl *timeline) chance(p float64) bool { return tl.rng.Float64() < p }

func farmName(i int) string {
	return pick([]string{"Nordlicht Studio", "Atelier Sud", "Harbour VFX", "Pixelwerk"}, i)
}

// FleetName returns the display name of the i-th fleet of a farm that the timeline has made, from 0.
func FleetName(i int) string { return pick([]string{"render", "spot", "gpu", "sim", "comp"}, i) }

// pick returns the i-th name. After the last name the list repeats, with a number appended.
func pick(names []string, i int) string {
	name := names[i%len(names)]
	if round := i / len(names); round > 0 {
		name += string(rune('1' + round%9))
	}
	return name
}
