package plan_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"farmwire/poller/plan"
	"farmwire/poller/schedule/simulation"
)

var (
	simulated = flag.Bool("simulated", false, "compare the plan with many simulations of the schedule")
	seeds     = flag.Uint64("seeds", 1, "with how many seeds to do so")
)

// How far what was expected may be from what is simulated, in the mean and at the 99th percentile.
const withinMean, withinP99 = 0.2, 0.3

// cell is a farm that is simulated.
type cell struct {
	mix     simulation.Mix
	workers int
	rate    float64
	length  time.Duration
}

// farm is what a plan is told of the cell. A third of the workers has an open session, or of an idle farm a twentieth.
func (c cell) farm() plan.Farm {
	f := plan.Farm{Workers: c.workers, Length: c.length, Pages: 1, Starts: float64(c.workers) / (3 * c.length.Seconds())}
	switch c.mix {
	case simulation.Idle:
		f.Starts = float64(c.workers) / (20 * c.length.Seconds())
	case simulation.Regular:
		f.Spread = .1
	}
	return f
}

// What is expected is what happens, where the load is below 0.6. Without -simulated, only some small farms are simulated. With
// it, this runs for some minutes a seed:
//
//	go test ./poller/plan -run Simulated -simulated -seeds 3 -timeout 1h -v
func TestSimulated(t *testing.T) {
	cells := []cell{
		{simulation.Even, 600, .7, 15 * time.Minute}, {simulation.Idle, 1000, 1, 10 * time.Minute}, {simulation.Even, 100, 10, 10 * time.Minute},
	}
	if *simulated {
		cells = append(cells, others()...)
	}
	for _, c := range cells {
		t.Run(fmt.Sprintf("%s %d workers %v a second %v", c.mix, c.workers, c.rate, c.length), func(t *testing.T) { c.compare(t) })
	}
}

// others returns the cells that are simulated only on request. The formula was fitted with those of 1,000 and 7,500 workers.
func others() []cell {
	return []cell{
		{simulation.Even, 1000, 1, 10 * time.Minute}, {simulation.Even, 1000, 2, 10 * time.Minute},
		{simulation.Even, 1000, 10, 10 * time.Minute}, {simulation.Idle, 1000, .5, 10 * time.Minute},
		{simulation.Idle, 1000, 5, 10 * time.Minute}, {simulation.Regular, 1000, 1, 10 * time.Minute},
		{simulation.Regular, 1000, 5, 10 * time.Minute},
		{simulation.Idle, 600, .7, 15 * time.Minute}, {simulation.Regular, 600, .7, 15 * time.Minute},
		{simulation.Even, 3000, 5, 7 * time.Minute}, {simulation.Idle, 3000, 5, 7 * time.Minute},
		{simulation.Regular, 3000, 5, 7 * time.Minute},
		{simulation.Even, 7500, 10, 10 * time.Minute}, {simulation.Idle, 7500, 10, 10 * time.Minute},
		{simulation.Regular, 7500, 10, 10 * time.Minute},
		{simulation.Even, 1000, 1, 30 * time.Minute}, {simulation.Idle, 300, 1, 10 * time.Minute},
		{simulation.Even, 7500, 20, 10 * time.Minute}, {simulation.Regular, 100, 10, 10 * time.Minute},
		{simulation.Even, 500, 50, 10 * time.Minute}, {simulation.Even, 1000, 5, 10 * time.Minute},
		{simulation.Idle, 1000, 20, 10 * time.Minute}, {simulation.Even, 300, 5, 20 * time.Minute},
		{simulation.Regular, 3000, 20, 7 * time.Minute}, {simulation.Idle, 2000, 15, 5 * time.Minute},
		{simulation.Even, 200, 3, 30 * time.Minute}, {simulation.Even, 1000, 3, 10 * time.Minute},
		{simulation.Even, 1000, 40, 10 * time.Minute}, {simulation.Regular, 100, 2, 10 * time.Minute},
		{simulation.Idle, 7500, 50, 10 * time.Minute},
	}
}

// compare simulates the cell, and compares the means and the 99th percentiles with what is expected.
func (c cell) compare(t *testing.T) {
	expected, err := plan.Expect(c.farm(), c.rate)
	if err != nil {
		t.Fatal(err)
	}
	var starts, ends simulation.Delays // with all seeds
	for seed := range *seeds {
		result := c.play(t, seed+1)
		starts, ends = append(starts, result.Starts...), append(ends, result.Ends...)
	}
	slices.Sort(starts)
	slices.Sort(ends)
	for _, figure := range []struct {
		name       string
		have, want time.Duration
		within     float64
	}{
		{"mean of starts", expected.Starts.Mean, starts.Mean(), withinMean},
		{"p99 of starts", expected.Starts.P99, starts.Quantile(.99), withinP99},
		{"mean of ends", expected.Ends.Mean, ends.Mean(), withinMean},
		{"p99 of ends", expected.Ends.P99, ends.Quantile(.99), withinP99},
	} {
		ratio := figure.have.Seconds() / figure.want.Seconds()
		t.Logf("%s: expected %.1f s, simulated %.1f s, ratio %.2f", figure.name, figure.have.Seconds(), figure.want.Seconds(), ratio)
		if ratio < 1-figure.within || ratio > 1+figure.within {
			t.Errorf("%s: the ratio is %.2f", figure.name, ratio)
		}
	}
}

// play simulates the cell.
func (c cell) play(t *testing.T, seed uint64) simulation.Result {
	t.Helper()
	config := simulation.Config{Mix: c.mix, Workers: c.workers, Rate: c.rate, Session: c.length, Seed: seed}.WithDefaults()
	config.WarmUp = max(config.WarmUp, time.Duration(3*float64(c.workers)/c.rate*float64(time.Second))) // the first listings take a third of it
	result, err := simulation.Play(t.Context(), config, simulation.NewSchedule)
	if err != nil {
		t.Fatal(err)
	}
	return result
}
