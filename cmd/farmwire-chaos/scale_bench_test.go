package main

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/poller/farmtest"
)

// BenchmarkScale measures one instance by its own /metrics, once it has listed every worker of a farm: the CPU time for
// each API call, and how heap and resident memory grow from the first quarter of the time to the last. The farms need more
// calls than the rate allows. An instance therefore makes as many calls as its rate says, whatever the number of workers,
// and all farms have the same number of events. So the CPU time per second should double with the rate, and be the same for 750
// and 7,500 workers. FARMWIRE_BENCH_DURATION is how long each farm is measured.
//
//	FARMWIRE_TEST_KAFKA=apache FARMWIRE_BENCH_DURATION=2m go test ./cmd/farmwire-chaos -run '^$' -bench Scale -benchtime 1x -timeout 60m
//	FARMWIRE_TEST_KAFKA=apache FARMWIRE_BENCH_DURATION=10m go test ./cmd/farmwire-chaos -run '^$' -bench 'Scale/workers=7500$/rate=200' -benchtime 1x -timeout 60m
func BenchmarkScale(b *testing.B) {
	duration := 2 * time.Minute
	if said := os.Getenv("FARMWIRE_BENCH_DURATION"); said != "" {
		var err error
		if duration, err = time.ParseDuration(said); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []scale{{7500, 200}, {7500, 100}, {750, 100}} {
		b.Run(fmt.Sprintf("workers=%d/rate=%d", c.workers, c.rate), func(b *testing.B) { c.measure(b, duration) })
	}
}

type scale struct{ workers, rate int }

func (c scale) measure(b *testing.B, duration time.Duration) {
	// The fleets scale, and sessions of all lengths begin together. These numbers make about c.workers workers, and 8 open
	// sessions for each 3 of them. With fewer workers the sessions are shorter in proportion, so the
	// number of events stays the same.
	var listed seen
	r := openRig(b, farmtest.Config{
		Seed: 1, Workers: c.workers * 108 / 100, Sessions: c.workers * 5, Fleets: 4,
		MeanSession: 20 * time.Minute * time.Duration(c.workers) / 7500,
		Observer:    listed.note,
	})
	i := r.start(b, 0, "--api-rate", fmt.Sprint(c.rate), "--staleness", "5s")
	mustBecome(b, 5*time.Minute, "nearly every worker was listed", func() bool { return listed.count() > c.workers*95/100 })
	for b.Loop() {
		report(b, watch(b, i, duration))
	}
}

// seen has the workers whose sessions were listed.
type seen struct {
	mu      sync.Mutex
	workers map[string]struct{}
}

func (s *seen) note(call farmtest.Call) {
	if call.Operation != farmtest.ListSessionsForWorker || call.Outcome != farmtest.OutcomeOK {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.workers == nil {
		s.workers = map[string]struct{}{}
	}
	s.workers[call.WorkerID] = struct{}{}
}

func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.workers)
}

// watch samples the metrics 61 times.
func watch(b *testing.B, i *instance.Instance, duration time.Duration) []map[string]float64 {
	var samples []map[string]float64
	tick := time.NewTicker(duration / 60)
	defer tick.Stop()
	for range 61 {
		v := mustGauges(b, i)
		v["at"] = float64(time.Now().UnixNano()) / 1e9
		samples = append(samples, v)
		<-tick.C
	}
	return samples
}

func report(b *testing.B, samples []map[string]float64) {
	first, last := samples[0], samples[len(samples)-1]
	grown := func(name string) float64 { return last[name] - first[name] }
	quarter := len(samples) / 4
	mib := func(name string, some []map[string]float64) float64 {
		var values []float64
		for _, s := range some {
			values = append(values, s[name]/(1<<20))
		}
		return median(values)
	}
	for _, m := range []struct{ metric, unit string }{
		{"go_memstats_next_gc_bytes", "next-gc-MiB"}, // twice the live heap of the last collection
		{"go_memstats_heap_alloc_bytes", "heap-MiB"},
		{"process_resident_memory_bytes", "rss-MiB"},
	} {
		b.ReportMetric(mib(m.metric, samples[:quarter]), m.unit+"-first")
		b.ReportMetric(mib(m.metric, samples[len(samples)-quarter:]), m.unit+"-last")
	}
	b.ReportMetric(grown("process_cpu_seconds_total")*1000/grown("at"), "cpu-ms/s")
	b.ReportMetric(grown("process_cpu_seconds_total")*1000/grown("farmwire_api_requests_total"), "cpu-ms/call")
	b.ReportMetric(grown("farmwire_api_requests_total")/grown("at"), "calls/s")
	b.ReportMetric(grown("farmwire_events_published_total")/grown("at"), "events/s")
	b.ReportMetric(last["farmwire_workers"], "workers")
	b.ReportMetric(last["farmwire_open_sessions"], "open-sessions")
	b.ReportMetric(last["go_goroutines"], "goroutines")
}
