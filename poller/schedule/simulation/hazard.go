package simulation

import (
	"math"
	"time"
)

// hazards are the cumulative hazards of the sessions of a queue, by their age: minus the logarithm of the share of the
// sessions that are still open at that age. Ages are multiples of the mean length of all queues.
type hazards []float64

const (
	hazardBin  = 0.02 // of an age
	hazardBins = 400
	samples    = 20_000
	fewest     = 200 // sessions that are still open; beyond, the hazard is that of the ages before
)

// hazardsOf draws lengths of a queue's sessions, and returns their hazards.
func hazardsOf(w *world, queue int) hazards {
	var ended [hazardBins + 1]int // by the bin of the length
	const mean = time.Hour
	for range samples {
		ended[min(hazardBins, int(float64(w.length(queue, mean))/float64(mean)/hazardBin))]++
	}
	h := make(hazards, 1, hazardBins+1)
	open, known := samples, 0
	for bin := range hazardBins {
		if open -= ended[bin]; open < fewest {
			break
		}
		h, known = append(h, -math.Log(float64(open)/samples)), bin+1
	}
	const wide = 10 // bins of which the last hazard is the average
	last := (h[known] - h[max(0, known-wide)]) / float64(max(1, min(known, wide)))
	for len(h) <= hazardBins {
		h = append(h, h[len(h)-1]+last)
	}
	return h
}

// until returns the cumulative hazard at an age.
func (h hazards) until(age float64) float64 {
	x := max(0, age/hazardBin)
	bin := min(int(x), hazardBins-1)
	return h[bin] + (x-float64(bin))*(h[bin+1]-h[bin])
}

// at returns the hazard at an age.
func (h hazards) at(age float64) float64 {
	from := max(0, age-hazardBin)
	return (h.until(age+hazardBin) - h.until(from)) / (age + hazardBin - from)
}

// unreported returns the share of a queue's sessions that come and go between two heartbeats.
func unreported(w *world, queue int) float64 {
	sum := 0.0
	for range samples {
		sum += max(0, 1-float64(w.length(queue, w.config.Session))/float64(heartbeat))
	}
	return sum / samples
}
