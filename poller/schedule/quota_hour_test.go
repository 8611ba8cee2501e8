// Each of these tests runs in one goroutine. The race detector would find nothing and make it six times as long.
//go:build !race

package schedule

import (
	"fmt"
	"math"
	"testing"
)

// quotaCase is an hour under a quota and what must come of it.
type quotaCase struct {
	name     string
	rate     func(float64) float64
	burst    float64
	flipping bool
	totals   []float64 // --api-rate of each instance
	owned    int
	demands  []demand
	want     figures // used and jain at least, the others at most
}

func quotaCases() []quotaCase {
	var cases []quotaCase
	for q, throttled := range map[float64]float64{10: .03, 50: .01} {
		flip := func(name string, burst float64, owned int, instances int, demands []demand, want figures) {
			totals := make([]float64, instances)
			for i := range totals {
				totals[i] = 2 * q
			}
			cases = append(cases, quotaCase{fmt.Sprintf("Q %g/%s", q, name), flips(q), burst, true, totals, owned, demands, want})
		}
		good := figures{.97, throttled, 10, 20, .98}
		mix := []demand{{kind: BatchGetSession, rate: q / 10}, {kind: ListWorkers, rate: q / 20}, endless}
		even := []demand{{kind: BatchGetSession, rate: q / 4}, {kind: GetSession, rate: q / 4}, endless}
		flip("one", 1, 12, 1, []demand{endless}, good)
		flip("two shares", 1, 6, 2, []demand{endless}, good)
		full := good
		full.jain = .97
		flip("two full", 1, 12, 2, []demand{endless}, full)
		flip("mix", 1, 12, 1, mix, good)
		flip("even mix", 1, 12, 1, even, good)
		// With a burst of one token, requests that arrive early for a variable round trip are throttled at any rate near the
		// quota, and the rate goes below it; with 5 tokens it must do.
		small := good
		small.used, small.up = .95, 40
		if q == 10 {
			small.used, small.up = .6, math.Inf(1)
		}
		flip("small burst", .1, 12, 1, []demand{endless}, small)
		for _, part := range []float64{.5, .7, .9, 1} {
			cases = append(cases, quotaCase{fmt.Sprintf("Q %g/constant %g", q, part), constant(q), 1, false, []float64{q / part}, 12,
				[]demand{endless}, figures{.97, throttled, 0, 0, .98}})
		}
	}
	rough := figures{.75, .22, 15, 20, .95}
	for _, instances := range []int{1, 2} {
		cases = append(cases, quotaCase{fmt.Sprintf("Q 2/%d full", instances), flips(2), 1, true, []float64{4, 4}[:instances], 12,
			[]demand{endless}, rough})
	}
	return append(cases, quotaCase{"Q 200/one", flips(200), 1, true, []float64{400}, 12, []demand{endless}, figures{.97, .01, 10, 20, 1}})
}

// The pace follows a quota that halves and doubles, at the limits of issue 12. With -v it prints the figures of each case.
func TestQuota(t *testing.T) {
	for _, c := range quotaCases() {
		length := 3600.0
		if c.rate(0) >= 50 {
			length = 1200 // for the sake of the time that the test takes
		}
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(2) {
				q := &quota{rate: c.rate, burst: c.burst}
				a := newAccount(seed, q)
				for _, total := range c.totals {
					a.add(total, c.owned, append([]demand(nil), c.demands...)...)
				}
				a.run(length)
				f, w := a.figures(q, length, c.flipping), c.want
				t.Logf("used %.3f, throttled %.2f %%, down %.1f s, up %.1f s, Jain %.3f", f.used, 100*f.throttled, f.down, f.up, f.jain)
				if f.used < w.used || f.throttled > w.throttled || f.down > w.down || f.up > w.up || f.jain < w.jain-1e-9 {
					t.Errorf("seed %d: %+v, want %+v", seed, f, w)
				}
			}
		})
	}
}
