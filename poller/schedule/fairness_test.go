// Each of these tests runs in one goroutine. The race detector would find nothing and make it six times as long.
//go:build !race

package schedule_test

import (
	"testing"
	"time"

	"farmwire/poller/schedule"
	"farmwire/poller/schedule/simulation"
)

// A listing of thirty pages takes at most twice as long beside two hundred workers as alone, however many such listings there
// are.
func TestListingsAreFinished(t *testing.T) {
	const warm = 10 * time.Minute
	alone := durations(simulate(t, simulation.Config{Rate: 10, OldestFirst: true, JobSize: 1, Fleets: []simulation.Fleet{{Workers: 1, Pages: 30}}}, 20*time.Minute), fleetID(0), warm)
	for _, long := range []int{1, 5, 20, 60} {
		s := simulate(t, simulation.Config{Rate: 10, OldestFirst: true, JobSize: 1, Fleets: []simulation.Fleet{{Workers: long, Pages: 30}, {Workers: 200}}}, 40*time.Minute)
		got := durations(s, fleetID(0), warm)
		t.Logf("%d workers of 30 pages: listings take %v, p95 %v, at most %v; alone %v, at most %v", long, got.Mean(), got.Quantile(.95), got.Quantile(1), alone.Mean(), alone.Quantile(1))
		if len(got) == 0 || got.Quantile(.95) > 2*alone.Quantile(.95) {
			t.Errorf("%d listings with 95 %% below %v, alone %v", len(got), got.Quantile(.95), alone.Quantile(.95))
		}
	}
}

// Workers with one page are listed beside workers of a hundred pages whose listings are not stopped early. Where statuses are swept,
// that is only what is left after the sweeps and what these announce, so they may wait three times as long as alone.
func TestFairnessCountsPages(t *testing.T) {
	const warm, end, due = 20 * time.Minute, time.Hour, 15 * time.Second * 9 / 10
	alone := waits(simulate(t, simulation.Config{Rate: 10, Fleets: []simulation.Fleet{{Workers: 100}}}, end), fleetID(0), warm)
	for _, long := range []int{10, 60} {
		s := simulate(t, simulation.Config{Rate: 10, OldestFirst: true, Fleets: []simulation.Fleet{{Workers: 100}, {Workers: long, Pages: 100}}}, end)
		got := waits(s, fleetID(0), warm)
		t.Logf("%d workers of 100 pages: others wait %v, p95 %v, at most %v; alone %v, %v, at most %v; %d listings of 100 pages", long,
			got.Mean(), got.Quantile(.95), got.Quantile(1), alone.Mean(), alone.Quantile(.95), alone.Quantile(1), len(durations(s, fleetID(1), warm)))
		listings, all := 0, 0
		for _, x := range s.Sent() {
			listings += map[schedule.Kind]int{schedule.ListSessionsForWorker: 1}[x.Kind]
			all++
		}
		left := float64(listings) / float64(all) // by the sweeps, which the round alone does not need
		if got.Mean().Seconds() > max(alone.Mean(), due).Seconds()*3/left {
			t.Errorf("workers with one page wait %v, alone %v; listings are %.2f of the requests", got.Mean(), alone.Mean(), left)
		}
	}
}
