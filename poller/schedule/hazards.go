package schedule

import (
	"container/list"
	"math"
	"time"
)

const (
	lengthBins  = 45 // the first is below 1 s, and the last one has no end
	firstHazard = 1. / 600
	priorEnds   = 3    // so many ends say as much of a bin as those of all bins, and as much of a queue as those of all queues
	endsKept    = 1000 // ends of a queue after which half of them are forgotten
	maxHazards  = 1000 // queues

	// A known session is looked at again within these parts of the typical interval.
	shortestInterval = 1. / 8
	longestInterval  = 8
	maxTypical       = 30 * 24 * time.Hour
)

// lengthBin returns the bin of a length in seconds. There are two a doubling from 1 s on.
func lengthBin(seconds float64) int {
	if seconds < 1 {
		return 0
	}
	fraction, exponent := math.Frexp(seconds) // the fraction is from 1/2 to 1
	bin := 2*exponent - 1
	if fraction >= math.Sqrt2/2 {
		bin++
	}
	return min(bin, lengthBins-1)
}

// binStart returns where a bin begins, in seconds. Each ends where the next one begins.
func binStart(bin int) float64 {
	switch {
	case bin == 0:
		return 0
	case bin == lengthBins:
		return math.Inf(1)
	case bin%2 == 1:
		return math.Ldexp(.5, (bin+1)/2)
	default:
		return math.Ldexp(math.Sqrt2/2, bin/2)
	}
}

// lifetimes are the lengths that sessions were seen to have. Old ones fade.
type lifetimes struct {
	ends     [lengthBins]float32
	exposure [lengthBins]float32 // seconds that the sessions spent in the bin
	allEnds  float64
	allTime  float64 // seconds
}

// add takes in a session of so many seconds.
func (l *lifetimes) add(seconds float64) {
	if l.allEnds >= endsKept {
		l.halve()
	}
	last := lengthBin(seconds)
	start := 0.
	for bin := range last {
		end := binStart(bin + 1)
		l.exposure[bin] += float32(end - start)
		start = end
	}
	l.exposure[last] += float32(seconds - start)
	l.ends[last]++
	l.allEnds++
	l.allTime += seconds
}

func (l *lifetimes) halve() {
	for bin := range l.ends {
		l.ends[bin] /= 2
		l.exposure[bin] /= 2
	}
	l.allEnds /= 2
	l.allTime /= 2
}

// mean returns the ends a second of all bins, if they would be prior where nothing is known.
func (l *lifetimes) mean(prior float64) float64 {
	return (l.allEnds + priorEnds) / (l.allTime + priorEnds/prior)
}

// in returns the ends a second in a bin. Mean is that of all bins.
func (l *lifetimes) in(bin int, mean float64) float64 {
	return (float64(l.ends[bin]) + priorEnds) / (float64(l.exposure[bin]) + priorEnds/mean)
}

// hazards learns how long the sessions of each queue last, and says how likely one is to end at which age. A queue that is not
// known is like all queues together.
//
// It learns from sessions that have ended only. So where lengths grow, it believes in the short ones until the first long ones
// end.
type hazards struct {
	all    lifetimes
	queues map[hazardsKey]*list.Element // of *queueLifetimes
	order  *list.List                   // the queue in which a session ended last is at the front
}

type hazardsKey struct{ farm, queue string }

type queueLifetimes struct {
	key hazardsKey
	lifetimes
}

func newHazards() *hazards {
	return &hazards{queues: map[hazardsKey]*list.Element{}, order: list.New()}
}

// ended takes in that a session of the queue has ended at that length.
func (h *hazards) ended(farm, queue string, length time.Duration) {
	key := hazardsKey{farm, queue}
	e := h.queues[key]
	if e == nil {
		if h.order.Len() == maxHazards {
			oldest := h.order.Back()
			delete(h.queues, oldest.Value.(*queueLifetimes).key)
			h.order.Remove(oldest)
		}
		e = h.order.PushFront(&queueLifetimes{key: key})
		h.queues[key] = e
	}
	h.order.MoveToFront(e)
	seconds := max(0, length).Seconds()
	e.Value.(*queueLifetimes).add(seconds)
	h.all.add(seconds)
}

// of returns the lengths of a queue, or of all queues, and their ends a second.
func (h *hazards) of(farm, queue string) (*lifetimes, float64) {
	mean := h.all.mean(firstHazard)
	if e := h.queues[hazardsKey{farm, queue}]; e != nil {
		l := &e.Value.(*queueLifetimes).lifetimes
		return l, l.mean(mean)
	}
	return &h.all, mean
}

// interval returns how long after a look at a session of that age the next look is worth it, where a session of mean hazard is
// looked at after the typical interval: the shortest T for which T² × hazard(age + T) is at least typical² × the mean hazard
// of all queues. For what looks cost and waiting costs in all is least where they are in proportion to the root of the hazard.
// T is from 1/8 of typical to 8 times it. More than 30 days of typical count as 30 days.
func (h *hazards) interval(farm, queue string, age, typical time.Duration) time.Duration {
	typical = min(max(0, typical), maxTypical)
	l, mean := h.of(farm, queue)
	seconds, from := typical.Seconds(), max(0, age).Seconds()
	wanted := seconds * seconds * h.all.mean(firstHazard)
	least, most := seconds*shortestInterval, seconds*longestInterval
	for bin := lengthBin(from + least); ; bin++ {
		t := max(least, binStart(bin)-from)
		if t >= most {
			return typical * longestInterval
		}
		t = max(t, math.Sqrt(wanted/l.in(bin, mean)))
		if t < binStart(bin+1)-from {
			return min(time.Duration(math.Ceil(t*float64(time.Second))), typical*longestInterval)
		}
	}
}
