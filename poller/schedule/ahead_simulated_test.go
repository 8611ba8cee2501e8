// Each of these tests runs in one goroutine. The race detector would find nothing and make it six times as long.
//go:build !race

package schedule_test

import (
	"testing"
	"time"

	"farmwire/poller/schedule"
	"farmwire/poller/schedule/simulation"
)

// What is left of the budget lists jobs where these are large, and workers where each job has one session. Either has a part of it.
func TestAhead(t *testing.T) {
	for _, tt := range []struct {
		jobSize int
		shares  map[schedule.Kind]float64 // of all requests, at least
		starts  time.Duration             // in the mean, at most
	}{
		{100, map[schedule.Kind]float64{schedule.ListSessions: .3, schedule.ListSessionsForWorker: .08}, 4 * time.Second},
		{1, map[schedule.Kind]float64{schedule.ListSessions: .05, schedule.ListSessionsForWorker: .3}, 12 * time.Second},
	} {
		s := simulate(t, simulation.Config{Rate: 5, Workers: 500, JobSize: tt.jobSize}, 20*time.Minute)
		n := map[schedule.Kind]int{}
		all := 0
		for _, x := range s.Sent() {
			if x.At >= 5*time.Minute {
				n[x.Kind]++
				all++
			}
		}
		mean := s.Measure(5*time.Minute, 20*time.Minute).Starts.Mean()
		t.Logf("jobs of %d sessions: starts are known after %v; requests of each kind: %v", tt.jobSize, mean, n)
		if mean > tt.starts {
			t.Errorf("jobs of %d sessions: starts are known after %v", tt.jobSize, mean)
		}
		for kind, least := range tt.shares {
			if share := float64(n[kind]) / float64(all); share < least {
				t.Errorf("jobs of %d sessions: %.2f of the requests are %v", tt.jobSize, share, kind)
			}
		}
	}
}
