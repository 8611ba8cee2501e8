package main

import (
	"cmp"
	"path/filepath"
	"slices"
	"time"

	"farmwire/poller/farmtest"
)

// retention is how long the farm knows a session after its end. Without it the listings would grow forever.
const retention = 3 * time.Minute

// farmFleets is how many fleets the farm has.
const farmFleets = 3

// farmOf is the configuration of the simulated farm, which writes what truly happened, and all requests, to files in dir.
func farmOf(f *flags, dir string) farmtest.Config {
	farm := farmtest.Config{Seed: f.Seed, Forget: 5 * time.Minute}
	if f.Faults != "none" {
		farm = farmtest.AllFaults(f.Seed)
	}
	if f.Faults == "all" {
		farm.Faults = slices.DeleteFunc(farm.Faults, staleSessions)
	}
	if more, err := furtherFaults(f.Fault); err == nil { // Validate refuses flags that cannot be read
		farm.Faults = append(farm.Faults, more...)
	}
	if f.Cover {
		farm.Faults = slices.Concat(coveringFaults(), slices.DeleteFunc(farm.Faults, deniesWorkers)) // the first rule wins
	}
	farm.Order, farm.JobSize, farm.History = orderOf(f.Order), f.JobSize, f.History
	farm.PageSize, farm.HistoryPage, farm.Churn = f.PageSize, f.HistoryPage, f.Churn
	farm.Workers, farm.Sessions, farm.Fleets = f.Workers, cmp.Or(f.Sessions, f.Workers*3/2), farmFleets
	farm.Speed, farm.Grace, farm.Retention = f.Speed, f.Grace, retention
	farm.TruthFile, farm.RequestFile = filepath.Join(dir, truthFile), filepath.Join(dir, requestsFile)
	return farm
}

// coveringFaults are failures and denials of each operation that --cover asks for. A short campaign may call an operation only
// a few times, and a process that was denied it does not call it for minutes. So answers, failures and denials follow one
// another from the first call on, and none of the three depends on chance. Each fault comes twice, because a process that is
// killed before a slow answer arrives misses that one.
func coveringFaults() []farmtest.Fault {
	var faults []farmtest.Fault
	for _, operation := range covered {
		faults = append(faults,
			farmtest.Fault{Kind: farmtest.ServerError, Operation: operation, After: 1, Count: 2},
			farmtest.Fault{Kind: farmtest.Denied, Operation: operation, After: 2, Count: 2})
	}
	return faults
}

// deniesWorkers reports whether the fault denies BatchGetWorker periodically, which may strike the first call of every process.
func deniesWorkers(f farmtest.Fault) bool {
	return f.Kind == farmtest.Denied && f.Operation == farmtest.BatchGetWorker && f.Every > 0
}

func orderOf(name string) farmtest.Order {
	switch name {
	case "newest":
		return farmtest.NewestFirst
	case "oldest":
		return farmtest.OldestFirst
	default:
		return farmtest.RandomStable
	}
}

// staleSessions reports whether the fault makes answers show sessions as they were. Stale statuses of workers are no such
// fault: they delay what is published, and change nothing else.
func staleSessions(f farmtest.Fault) bool {
	return f.Operation.ShowsSessions() && (f.Kind == farmtest.StaleEnds || f.Kind == farmtest.StaleStatuses)
}
