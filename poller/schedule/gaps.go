package schedule

import (
	"math"
	"time"
)

const (
	shortGap     = 15 * time.Second // a session that starts within this after an end follows it: no heartbeat shows the gap
	shortSeconds = int(shortGap / time.Second)
	gapMemory    = 200 // observations after which one counts for 1/e
	fewestGaps   = 10  // fewer observations than this say nothing

	followedEnough = 0.3 // where fewer ends are followed, it pays to wait for the status
	passedEnough   = 0.9 // of the short gaps
)

// gaps learns how soon the workers of a fleet start their next session after one has ended. The zero value knows nothing.
type gaps struct {
	// Short counts the gaps up to shortGap, by the first whole second at which they have passed. Old ones fade.
	short [1 + shortSeconds]float64
	long  float64 // counts the longer ones
}

// note takes in the gap between an end and the next start on the same worker. A negative one says nothing: that session
// started beside the one that ended.
func (g *gaps) note(gap time.Duration) {
	if gap < 0 {
		return
	}
	const fade = 1 - 1./gapMemory
	for s := range g.short {
		g.short[s] *= fade
	}
	g.long *= fade
	if gap > shortGap {
		g.long++
	} else {
		g.short[int(math.Ceil(gap.Seconds()))]++
	}
}

// followed returns the share of ends that a start follows within shortGap. It is 0 while there are too few observations.
func (g *gaps) followed() float64 {
	short := g.passed(shortSeconds)
	if short+g.long < fewestGaps*(1-float64(fewestGaps)/gapMemory) { // so much is left of the fewest
		return 0
	}
	return short / (short + g.long)
}

// wait returns how long after an end it pays to list the worker, in whole seconds, and whether most ends are followed so soon
// that it is better than to wait for what its status says.
func (g *gaps) wait() (time.Duration, bool) {
	if g.followed() <= followedEnough {
		return 0, false
	}
	s, enough := 0, passedEnough*g.passed(shortSeconds)
	for s < shortSeconds && g.passed(s) < enough {
		s++
	}
	return time.Duration(s) * time.Second, true
}

// passed returns how many of the gaps had passed by the second.
func (g *gaps) passed(second int) float64 {
	sum := 0.
	for _, n := range g.short[:second+1] {
		sum += n
	}
	return sum
}
