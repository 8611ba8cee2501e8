package plan

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// RateFor returns the lowest rate, in requests a second, at which no delay is above the wanted one. Those that are zero may be
// any. It returns an error if no rate will do, or about the arguments.
func RateFor(f Farm, wanted Delays) (float64, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	for _, d := range []time.Duration{wanted.Starts.Mean, wanted.Starts.P99, wanted.Ends.Mean, wanted.Ends.P99} {
		if d < 0 {
			return 0, errors.New("a wanted delay is below 0")
		}
	}
	if wanted == (Delays{}) {
		return 0, errors.New("no delay is wanted")
	}
	rate, ok := f.lowest(func(p Plan, _ Reason) bool {
		return p.Starts.isWithin(wanted.Starts) && p.Ends.isWithin(wanted.Ends)
	})
	if !ok {
		return 0, fmt.Errorf("no rate up to %d requests a second gives these delays, not even by listing all workers in turn", mostRate)
	}
	return rate, nil
}

// isWithin reports whether the delay is at most the wanted one.
func (d Delay) isWithin(wanted Delay) bool {
	holds := func(have, want time.Duration) bool { return want == 0 || have > 0 && have <= want }
	return holds(d.Mean, wanted.Mean) && holds(d.P99, wanted.P99)
}

// lowest returns the lowest rate at which good holds. Within the rates at which there are sweeps, and within the higher ones at
// which workers are listed in turn, good must go on to hold once it does.
func (f Farm) lowest(good func(Plan, Reason) bool) (rate float64, ok bool) {
	const near = 1e-9                // so that rounding does not put a rate on the other side
	turn := f.cycle(roundRobinBelow) // the rate at which a round of listings takes so long
	for _, within := range [][2]float64{{turn / 1e6, turn * (1 - near)}, {turn * (1 + near), mostRate}} {
		low, high := within[0], min(within[1], mostRate)
		if low > high || !good(f.expect(high)) {
			continue
		}
		for range 60 {
			if middle := math.Sqrt(low * high); good(f.expect(middle)) {
				high = middle
			} else {
				low = middle
			}
		}
		return high, true
	}
	return 0, false
}
