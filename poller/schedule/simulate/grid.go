package main

import (
	"time"

	"farmwire/poller/schedule/simulation"
)

// cell is a place in the table: a mix, a size and a rate.
type cell struct {
	mix     simulation.Mix
	workers int
	rate    float64
	warmUp  time.Duration // see simulation.Config
	window  time.Duration // likewise
}

const (
	longestRound  = 40_000 * time.Second // of round robin; a cell in which it takes longer is left out
	glanceWorkers = 1000                 // the size of the first table of the page
	glanceRate    = 1.0                  // its requests a second
	mostIndexed   = 1000                 // workers; the index goes through all of them for each request
)

// sizes and rates are those of the table.
func sizes() []int     { return []int{100, 1000, 7500} }
func rates() []float64 { return []float64{.5, 1, 2, 5, 10, 20, 50} }

// grid returns the cells of the table, and those that are left out.
func grid(mixes []simulation.Mix, sizes []int, rates []float64) (kept, left []cell) {
	for _, mix := range mixes {
		for _, workers := range sizes {
			for _, rate := range rates {
				c := cell{mix: mix, workers: workers, rate: rate}
				c.warmUp, c.window = times(workers, rate)
				if c.round() > longestRound {
					left = append(left, c)
				} else {
					kept = append(kept, c)
				}
			}
		}
	}
	return kept, left
}

// times returns how long a cell is played: shorter where many requests are sent.
func times(workers int, rate float64) (warmUp, window time.Duration) {
	warmUp, window = 30*time.Minute, time.Hour
	most := 36_000.0 // requests
	if workers < mostIndexed {
		most = 54_000
	}
	if total := time.Duration(most / rate * float64(time.Second)); total < warmUp+window {
		warmUp = max(15*time.Minute, total/3).Truncate(time.Minute)
		window = max(10*time.Minute, total-warmUp).Truncate(time.Minute)
	}
	return warmUp, window
}

// round returns how long round robin takes to list all workers once.
func (c cell) round() time.Duration {
	pages := simulation.Config{Mix: c.mix, Workers: c.workers}.WithDefaults().Pages
	return time.Duration(float64(c.workers*pages) / c.rate * float64(time.Second))
}

// policies returns those that are played in a cell.
func (c cell) policies() []policy {
	if c.workers > mostIndexed {
		return []policy{ours, roundRobin}
	}
	return []policy{ours, roundRobin, reference}
}

// seeds returns how many runs of a policy there are: three in the cells of the first table, and else one, because all of them take
// long.
func (c cell) seeds(p policy) int {
	if c.workers == glanceWorkers && c.rate == glanceRate && p != reference {
		return 3
	}
	return 1
}

// runs returns the runs of a policy in the cell.
func (c cell) runs(p policy) []trial {
	var all []trial
	for seed := range c.seeds(p) {
		all = append(all, trial{
			Policy: p, Mix: c.mix, Workers: c.workers, Rate: c.rate, Seed: uint64(seed + 1),
			WarmUp: c.warmUp, Window: c.window, Discovery: p.discovery(c.mix),
		})
	}
	return all
}
