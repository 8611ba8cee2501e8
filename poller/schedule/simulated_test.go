package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"farmwire/poller/schedule"
	"farmwire/poller/schedule/simulation"
)

// newSchedule makes a Schedule that owns the only shard and knows nothing.
func newSchedule(c simulation.Config, now time.Time) simulation.Scheduler {
	s := schedule.New(configOf(c, 1), now)
	s.Own(0, nil, now)
	return s
}

// configOf returns the configuration of a Schedule in a simulation. Workers are spread over the shards by the last digit of
// their ids.
func configOf(c simulation.Config, shards int) schedule.Config {
	return schedule.Config{
		Rate: c.Rate, Staleness: c.Staleness, Discovery: c.Discovery, Shards: shards,
		Shard:  func(worker string) int { return int(worker[len(worker)-1]) % shards },
		Random: rand.New(rand.NewPCG(c.Seed, 7)),
	}
}

// simulate runs a new Schedule for that time.
func simulate(t *testing.T, c simulation.Config, d time.Duration) *simulation.Simulation {
	t.Helper()
	c = c.WithDefaults()
	s, err := simulation.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.Drive(newSchedule(c, s.Now()))
	run(t, s, d)
	return s
}

func run(t *testing.T, s *simulation.Simulation, d time.Duration) {
	t.Helper()
	if err := s.Run(d); err != nil {
		t.Fatal(err)
	}
}

// waits are the times between the beginnings of two complete listings of a worker, of all workers of a fleet, in order.
func waits(s *simulation.Simulation, fleet string, from time.Duration) simulation.Delays {
	last := make(map[string]time.Duration)
	var waits simulation.Delays
	for _, l := range s.Listings {
		if l.Worker.FleetID != fleet || !l.Complete {
			continue
		}
		if before, ok := last[l.Worker.WorkerID]; ok && before >= from {
			waits = append(waits, l.Began-before)
		}
		last[l.Worker.WorkerID] = l.Began
	}
	slices.Sort(waits)
	return waits
}

// durations returns how long the complete listings of a fleet have taken, in order.
func durations(s *simulation.Simulation, fleet string, from time.Duration) simulation.Delays {
	var all simulation.Delays
	for _, l := range s.Listings {
		if l.Worker.FleetID == fleet && l.Complete && l.Began >= from {
			all = append(all, l.Ended-l.Began)
		}
	}
	slices.Sort(all)
	return all
}

// fleetID returns the id of a fleet of a simulation by its number.
func fleetID(n int) string { return "fleet-" + hex(n) }

func hex(n int) string { return fmt.Sprintf("%032x", n) }
