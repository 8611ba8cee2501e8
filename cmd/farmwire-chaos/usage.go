package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/poller/farmtest"
)

// usage is which ways of asking the instances have used, so that a campaign that tried little is seen. It samples their metrics,
// and a killed process takes its last counts with it: it shows less than there was.
type usage struct {
	mu      sync.Mutex
	samples map[string]int     // by strategy
	stopped map[string]float64 // listings that stopped early, by process
}

const (
	strategyMetric = `farmwire_strategy{strategy="%s"}`
	stoppedMetric  = "farmwire_listings_stopped_total"
)

const denied = "AccessDeniedException" // the outcome of a call

// strategies are those that a campaign can meet, as the metric names them.
var strategies = [...]string{"sweeps", "round_robin"}

// covered are the operations that Farmwire can do without. A campaign that is to try everything answers, denies and fails each.
var covered = [...]farmtest.Operation{farmtest.BatchGetSession, farmtest.BatchGetWorker, farmtest.ListSessions}

// watchUsage samples the instances twice a second until ctx ends, and then closes the channel.
func watchUsage(ctx context.Context, instances []*instance.Instance) (*usage, <-chan struct{}) {
	u := &usage{samples: map[string]int{}, stopped: map[string]float64{}}
	var all sync.WaitGroup
	for _, i := range instances {
		all.Go(func() {
			for ctx.Err() == nil {
				u.sample(ctx, i)
				pause(ctx, 500*time.Millisecond)
			}
		})
	}
	over := make(chan struct{})
	go func() { defer close(over); all.Wait() }()
	return u, over
}

func (u *usage) sample(ctx context.Context, i *instance.Instance) {
	key := i.Key()
	names := []string{stoppedMetric}
	for _, s := range strategies {
		names = append(names, fmt.Sprintf(strategyMetric, s))
	}
	values := i.Metrics(ctx, names...)
	if i.Key() != key {
		return // of which process they are is not known
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stopped[key] = max(u.stopped[key], values[0])
	for n, s := range strategies {
		if values[n+1] == 1 {
			u.samples[s]++
		}
	}
}

func (u *usage) stops() int {
	n := 0.0
	for _, stopped := range u.stopped {
		n += stopped
	}
	return int(n)
}

// print writes what was asked, with the outcomes of the calls, and how.
func (u *usage) print(out io.Writer, stats farmtest.Stats) {
	u.mu.Lock()
	defer u.mu.Unlock()
	fmt.Fprintln(out, "calls")
	for _, operation := range slices.Sorted(maps.Keys(stats.Calls)) {
		var outcomes []string
		for _, outcome := range slices.Sorted(maps.Keys(stats.Calls[operation])) {
			outcomes = append(outcomes, fmt.Sprintf("%s %d", outcome, stats.Calls[operation][outcome]))
		}
		fmt.Fprintf(out, "  %s: %s\n", operation, strings.Join(outcomes, ", "))
	}
	fmt.Fprintf(out, "  at least %d listings stopped early; seconds with sweeps %d, with round robin %d\n",
		u.stops(), u.samples[strategies[0]]/2, u.samples[strategies[1]]/2)
}

// missing names what a campaign must try if it is to try everything, and did not.
func (u *usage) missing(stats farmtest.Stats) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var missing []string
	for _, operation := range covered {
		answered, refused, failed := 0, 0, 0
		for outcome, n := range stats.Calls[operation] {
			switch outcome {
			case farmtest.OutcomeOK:
				answered += n
			case denied:
				refused += n
			default:
				failed += n
			}
		}
		for what, n := range map[string]int{"an answer to ": answered, "a denial of ": refused, "a failure of ": failed} {
			if n == 0 {
				missing = append(missing, what+string(operation))
			}
		}
	}
	if stats.Faults[farmtest.StaleStatuses] == 0 {
		missing = append(missing, "stale statuses of workers")
	}
	if u.stops() == 0 {
		missing = append(missing, "a listing that stops early")
	}
	for _, s := range strategies {
		if u.samples[s] == 0 {
			missing = append(missing, "the strategy "+s)
		}
	}
	slices.Sort(missing)
	return missing
}
