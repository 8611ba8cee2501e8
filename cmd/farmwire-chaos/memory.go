package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"farmwire/cmd/farmwire-chaos/instance"
)

// memory knows how much memory each process had over time. Its methods may be called from any goroutine.
type memory struct {
	mu      sync.Mutex
	samples map[string][]int64 // KiB by the access key id of the process, the oldest first
	rounds  int                // how often samples were taken
}

const (
	memoryPace    = 5 * time.Second                    // the time between two samples of a process
	memorySamples = int(10 * time.Minute / memoryPace) // the least number of samples by which a process is judged
)

// watch takes samples of the instances until ctx ends.
func (m *memory) watch(ctx context.Context, instances []*instance.Instance) {
	for ctx.Err() == nil {
		for _, i := range instances {
			if now, ok := i.Memory(); ok {
				m.add(now)
			}
		}
		m.mu.Lock()
		m.rounds++
		m.mu.Unlock()
		pause(ctx, memoryPace)
	}
}

func (m *memory) add(now instance.Memory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.samples == nil {
		m.samples = map[string][]int64{}
	}
	m.samples[now.Key] = append(m.samples[now.Key], now.KiB)
}

// long reports whether a process that ran all the time ran for long enough to be judged.
func (m *memory) long() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rounds > memorySamples+1
}

// footprint is what the memory of one process was like.
type footprint struct {
	key          string
	second, last int64 // KiB: medians of the second and of the last quarter of its time
	judged       bool  // it ran for long enough
}

// flat reports whether the memory did not grow. A process that did not run for long is not judged, as its caches fill up.
func (f footprint) flat() bool { return !f.judged || f.last*4 <= f.second*5 }

// String says the figures.
func (f footprint) String() string {
	text := fmt.Sprintf("%s: %d MiB in the second quarter of its time, %d MiB in the last", f.key, f.second>>10, f.last>>10)
	switch {
	case !f.judged:
		return text + " (too short to judge)"
	case !f.flat():
		return text + ": it grows"
	}
	return text
}

// judge returns the footprints of the processes that ran for long enough, or else of the one that ran longest, and the most
// memory that any process had.
func (m *memory) judge() (footprints []footprint, most int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	longestFirst := slices.SortedFunc(maps.Keys(m.samples), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(m.samples[b]), len(m.samples[a])), cmp.Compare(a, b))
	})
	for n, key := range longestFirst {
		samples := m.samples[key]
		most = max(most, slices.Max(samples))
		if judged := len(samples) >= memorySamples; judged || n == 0 {
			quarter := len(samples) / 4
			footprints = append(footprints, footprint{
				key: key, second: middle(samples[quarter : 2*quarter+1]), last: middle(samples[3*quarter:]), judged: judged})
		}
	}
	return footprints, most
}

// middle returns the middle one of at least one figure.
func middle(figures []int64) int64 {
	sorted := slices.Sorted(slices.Values(figures))
	return sorted[len(sorted)/2]
}
