package main

import (
	"time"

	"farmwire/poller/farmtest"
)

// retention is how long the farm knows a session after its end. Without it the listings would grow forever.
const retention = 3 * time.Minute

// farmOf is the configuration of the simulated farm, which writes what truly happened to a file.
func farmOf(f *flags, truth string) farmtest.Config {
	farm := farmtest.Config{Seed: f.Seed, Forget: 5 * time.Minute}
	if f.Faults != "none" {
		farm = farmtest.AllFaults(f.Seed)
	}
	if f.Faults == "all" {
		farm.Faults = farmtest.Without(farm.Faults, farmtest.StaleEnds, farmtest.StaleStatuses)
	}
	if more, err := furtherFaults(f.Fault); err == nil { // Validate refuses flags that cannot be read
		farm.Faults = append(farm.Faults, more...)
	}
	farm.PageSize, farm.Churn = f.PageSize, f.Churn
	farm.Workers, farm.Sessions, farm.Fleets = f.Workers, f.Workers*3/2, 3
	farm.Speed, farm.Grace, farm.Retention, farm.TruthFile = f.Speed, f.Grace, retention, truth
	return farm
}
