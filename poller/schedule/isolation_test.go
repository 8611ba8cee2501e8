// Each of these tests runs in one goroutine. The race detector would find nothing and make it six times as long.
//go:build !race

package schedule_test

import (
	"testing"
	"time"

	"farmwire/poller/schedule"
	"farmwire/poller/schedule/simulation"
)

// In a fleet, a thousand workers hang or are refused. Workers of another fleet, and others of the same fleet, are listed
// nearly as soon as without them.
func TestFailingWorkersCostOthersLittle(t *testing.T) {
	undisturbed := make(map[int]simulation.Delays) // the waits without faults, by share
	for _, tt := range []struct {
		name  string
		fault simulation.Fault
		share int // every so many workers of the fleet fail
	}{
		{"hanging fleet", simulation.Hang(), 1},
		{"refused fleet", simulation.Fault{Reason: schedule.Denied}, 1},
		{"half a fleet hangs", simulation.Hang(), 2},
		{"half a fleet is refused", simulation.Fault{Reason: schedule.Denied}, 2},
		{"a fleet that fails", simulation.Fault{Reason: schedule.ServerError}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const begin, end = 3 * time.Minute, 7 * time.Minute
			var zero time.Time
			config := func(f simulation.Fault) simulation.Config {
				return simulation.Config{Rate: 100, Fleets: []simulation.Fleet{{Workers: 1000 * tt.share}, {Workers: 500}},
					Fault: func(now time.Time, c schedule.Call) simulation.Fault {
						if zero.IsZero() {
							zero = now
						}
						id := c.Worker.WorkerID
						if c.Kind != schedule.ListSessionsForWorker || c.Worker.FleetID != fleetID(0) || now.Sub(zero) < begin || int(id[len(id)-1])%tt.share != 0 {
							return simulation.Fault{}
						}
						return f
					}}
			}
			if undisturbed[tt.share] == nil {
				undisturbed[tt.share] = waits(simulate(t, config(simulation.Fault{}), end), fleetID(1), begin)
				zero = time.Time{}
			}
			alone := undisturbed[tt.share]
			s := simulate(t, config(tt.fault), end)
			got := waits(s, fleetID(1), begin-time.Minute)
			t.Logf("others wait %v, p99 %v, at most %v; alone %v, %v, %v; at most %d calls in flight", got.Mean(), got.Quantile(.99), got.Quantile(1), alone.Mean(), alone.Quantile(.99), alone.Quantile(1), s.MostInFlight)
			if got.Mean() > alone.Mean()*6/5 || got.Quantile(.99) > alone.Quantile(.99)*6/5 {
				t.Errorf("others wait %v, p99 %v; alone %v, %v", got.Mean(), got.Quantile(.99), alone.Mean(), alone.Quantile(.99))
			}
			if tt.share > 1 {
				same := waits(s, fleetID(0), begin-time.Minute)
				t.Logf("others of the fleet wait %v, p99 %v, at most %v", same.Mean(), same.Quantile(.99), same.Quantile(1))
			}
			n := 0
			for _, x := range s.Sent() {
				if x.At > begin && x.Reason != "" {
					n++
				}
			}
			t.Logf("%d of %d requests failed", n, len(s.Sent()))
		})
	}
}

// The sessions of workers that cannot be listed are looked up together, and none twice within two seconds. So BatchGetSession takes
// only as much of the budget as nothing else needs.
func TestLookupsAreGathered(t *testing.T) {
	for _, farms := range []int{1, 2, 5} {
		c := simulation.Config{Mix: simulation.Busy, Rate: 10, Session: 5 * time.Hour, Fault: func(_ time.Time, c schedule.Call) simulation.Fault {
			if c.Kind == schedule.ListSessionsForWorker {
				return simulation.Fault{Reason: schedule.Denied}
			}
			return simulation.Fault{}
		}}
		for n := range farms {
			c.Fleets = append(c.Fleets, simulation.Fleet{Farm: n, Workers: 300 / farms})
		}
		c = c.WithDefaults()
		s, err := simulation.New(c)
		if err != nil {
			t.Fatal(err)
		}
		s.Observe()
		in := schedule.New(configOf(c, 1), s.Now())
		in.Own(0, s.Known(), s.Now())
		asked := make(map[string]time.Time)
		again := 0 // lookups of a session that was looked up less than 1.5 s ago
		s.Drive(spy{in, func(now time.Time, c schedule.Call) {
			for _, x := range c.Sessions {
				if len(c.Shards) > 0 && now.Sub(asked[x.SessionID]) < 1500*time.Millisecond {
					again++
				}
				asked[x.SessionID] = now
			}
		}})
		run(t, s, 20*time.Minute)
		batches, seconds := 0, 0.
		for _, x := range s.Sent() {
			if x.At > 10*time.Minute && x.Kind == schedule.BatchGetSession {
				batches++
			}
		}
		seconds = 600
		t.Logf("%d farms: %d open sessions, %.2f batches a second of a budget of 10", farms, in.Counts().OpenSessions, float64(batches)/seconds)
		if share := float64(batches) / seconds / 10; share > .5 || batches < 40 || again > 5 { // a trial may come between
			t.Errorf("%d farms: %.3f of the requests; %d lookups were too early", farms, share, again)
		}
		if look := in.State(s.Now()).OldestLook; look > 5*time.Second {
			t.Errorf("%d farms: a session was looked up %v ago", farms, look)
		}
	}
}
