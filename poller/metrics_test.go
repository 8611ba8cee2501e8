package poller

import (
	"context"
	"testing"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"

	"github.com/prometheus/client_golang/prometheus"
)

// What the State says of the strategy is in the metrics. Counters never fall, and while no shard is owned no strategy is in use.
func TestStrategyMetrics(t *testing.T) {
	m := newMetrics(prometheus.NewRegistry())
	for i, c := range []struct {
		state                                           schedule.State
		sweeps, roundRobin, load, announced, late, lost float64
	}{
		{state: schedule.State{Strategy: schedule.Sweeping, Load: .25, Announced: 3, UnannouncedSeen: 2, Lost: 1}, sweeps: 1, load: .25, announced: 3, late: 2, lost: 1},
		{state: schedule.State{Strategy: schedule.RoundRobin, Load: 1.5, UnannouncedSeen: 5, Lost: 1}, roundRobin: 1, load: 1.5, late: 5, lost: 1},
		{late: 5, lost: 1},
		{state: schedule.State{Strategy: schedule.Sweeping, UnannouncedSeen: 6, Lost: 4}, sweeps: 1, late: 6, lost: 4},
	} {
		m.set(&c.state, false)
		if n, want := len(collected(m.strategy)), 2; c.state.Strategy != "" && n != want || c.state.Strategy == "" && n != 0 {
			t.Errorf("%d: there are %d strategies", i, n)
		}
		for name, v := range map[string][2]float64{
			"load": {value(t, m.load), c.load}, "announced": {value(t, m.announced), c.announced},
			"unannounced": {value(t, m.unannounced.counter), c.late}, "lost": {value(t, m.lost.counter), c.lost},
		} {
			if v[0] != v[1] {
				t.Errorf("%d: %s is %v, want %v", i, name, v[0], v[1])
			}
		}
		sweeps, roundRobin := value(t, m.strategy.WithLabelValues("sweeps")), value(t, m.strategy.WithLabelValues("round_robin"))
		if sweeps != c.sweeps || roundRobin != c.roundRobin {
			t.Errorf("%d: sweeps is %v, and round robin %v", i, sweeps, roundRobin)
		}
	}
}

// collected returns the metrics of a collector.
func collected(c prometheus.Collector) (all []prometheus.Metric) {
	metrics := make(chan prometheus.Metric)
	go func() {
		c.Collect(metrics)
		close(metrics)
	}()
	for m := range metrics {
		all = append(all, m)
	}
	return all
}

// A listing that is stopped early is counted as such, and not as a complete one. A job's list is none.
func TestStoppedListingsAreCounted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l := newLoop(ctx, &Poller{service: &service{metrics: newMetrics(nil)}, config: Config{}.withDefaults()})
	s := &shard{workers: map[diff.WorkerKey]committed{}}
	listing := &flight{Call: schedule.Call{Kind: schedule.ListSessionsForWorker, Worker: testKey}, shards: []*shard{s}}
	observation := []diff.Observation{{Worker: testKey, FirstRequest: diff.Exchange{Sent: testTime}, Pages: 1}}
	l.count(listing, &reading{}, schedule.Outcome{Stage: schedule.Stopped}, observation, testTime)
	l.count(&flight{Call: schedule.Call{Kind: schedule.ListSessions}}, &reading{}, schedule.Outcome{Stage: schedule.Stopped}, nil, testTime)
	m := l.service.metrics
	if stopped, complete := value(t, m.stopped), value(t, m.listings); stopped != 1 || complete != 0 {
		t.Errorf("%v listings were stopped and %v complete", stopped, complete)
	}
	if listed := s.workers[testKey].listed; !listed.IsZero() {
		t.Errorf("the worker counts as listed at %v", listed)
	}
	l.count(listing, &reading{}, schedule.Outcome{Stage: schedule.Complete}, observation, testTime.Add(time.Second))
	if stopped, complete := value(t, m.stopped), value(t, m.listings); stopped != 1 || complete != 1 || !s.workers[testKey].listed.Equal(testTime) {
		t.Errorf("%v listings were stopped and %v complete", stopped, complete)
	}
}
