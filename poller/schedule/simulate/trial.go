package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"farmwire/poller/schedule/simulation"
)

// policy is who decides which request is sent next.
type policy string

// The policies.
const (
	ours       policy = "schedule"    // the production schedule
	roundRobin policy = "round robin" // see simulation.RoundRobin
	reference  policy = "policy 5"    // see simulation.Index
)

// scheduler returns a scheduler of the policy.
func (p policy) scheduler(c simulation.Config, now time.Time) simulation.Scheduler {
	switch p {
	case roundRobin:
		return simulation.NewRoundRobin(c.Rate, c.Discovery, now)
	case reference:
		return simulation.NewIndex(c, now)
	default:
		return simulation.NewSchedule(c, now)
	}
}

// discovery returns how often the policy is told to list farms, fleets and workers: ours by default, and the others as is best
// for them.
func (p policy) discovery(mix simulation.Mix) time.Duration {
	switch {
	case p == ours:
		return simulation.Config{}.WithDefaults().Discovery
	case p == reference && mix == simulation.Autoscaling:
		return time.Minute
	}
	return 5 * time.Minute
}

// trial is one run of a policy. It has everything that its figures depend on but the code.
type trial struct {
	Policy    policy         `json:"policy"`
	Mix       simulation.Mix `json:"mix"`
	Workers   int            `json:"workers"`
	Rate      float64        `json:"rate"` // requests a second
	Seed      uint64         `json:"seed"`
	WarmUp    time.Duration  `json:"warmUp"`    // in ns, as are the following ones
	Window    time.Duration  `json:"window"`    // see simulation.Config
	Discovery time.Duration  `json:"discovery"` // likewise
}

// figures are what came of a run, or of several: the medians.
type figures struct {
	Mean        float64 `json:"mean"`        // of the delays of starts and ends, in seconds
	P99         float64 `json:"p99"`         // likewise
	Load        float64 `json:"load"`        // see simulation.Result
	Lost        float64 `json:"lost"`        // the share of the sessions that were lost
	Unannounced float64 `json:"unannounced"` // the share of the starts that nothing announced
	Took        float64 `json:"took"`        // seconds of this machine
}

// play simulates.
func (r trial) play(ctx context.Context) (figures, error) {
	began := time.Now()
	c := simulation.Config{
		Mix: r.Mix, Workers: r.Workers, Rate: r.Rate, Seed: r.Seed, WarmUp: r.WarmUp, Window: r.Window, Discovery: r.Discovery,
	}
	result, err := simulation.Play(ctx, c, r.Policy.scheduler)
	if err != nil {
		return figures{}, fmt.Errorf("%s: %w", r, err)
	}
	return figures{
		Mean: result.All.Mean().Seconds(), P99: result.All.Quantile(.99).Seconds(), Load: result.Load,
		Lost: float64(result.Lost) / float64(max(1, result.Sessions)), Unannounced: result.Unannounced,
		Took: time.Since(began).Seconds(),
	}, nil
}

// String names the run in a line of progress.
func (r trial) String() string {
	return fmt.Sprintf("%s, %d workers, %v/s, %s, seed %d", r.Mix, r.Workers, r.Rate, r.Policy, r.Seed)
}

// medianOf returns the median of each figure.
func medianOf(all []figures) figures {
	median := func(of func(figures) float64) float64 {
		values := make([]float64, 0, len(all))
		for _, f := range all {
			values = append(values, of(f))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return figures{
		Mean:        median(func(f figures) float64 { return f.Mean }),
		P99:         median(func(f figures) float64 { return f.P99 }),
		Load:        median(func(f figures) float64 { return f.Load }),
		Lost:        median(func(f figures) float64 { return f.Lost }),
		Unannounced: median(func(f figures) float64 { return f.Unannounced }),
		Took:        median(func(f figures) float64 { return f.Took }),
	}
}
