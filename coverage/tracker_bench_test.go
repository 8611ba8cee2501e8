package coverage_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"farmwire/coverage"
	"farmwire/diff"
)

// fed is a Tracker of many workers with one open session each, in fleets of 250 workers.
type fed struct {
	tracker   *coverage.Tracker
	now       time.Time
	number    uint64
	workers   []diff.WorkerKey
	snapshots []diff.Snapshot
	listings  []diff.Observation
}

// newFed makes the workers and their snapshots, and feed makes the Tracker, so that its memory can be measured.
func newFed(count int) *fed {
	f := &fed{now: exampleStart}
	for n := range count {
		w := diff.WorkerKey{FarmID: "farm", FleetID: fmt.Sprintf("fleet-%04d", n/250), WorkerID: fmt.Sprintf("worker-%032d", n)}
		x := diff.Exchange{Sent: f.now, Arrived: f.now, SentTick: 1, ArrivedTick: 2, At: f.now}
		session := diff.Session{WorkerKey: w, SessionID: fmt.Sprintf("session-%032d", n), LifecycleStatus: diff.StatusStarted, StartedAt: f.now}
		o := diff.Observation{Worker: w, Source: diff.CompleteListing, FirstRequest: x, Pages: 1, Sightings: []diff.Sighting{{Session: session, Exchange: x}}}
		s := diff.NewSnapshot(w, diff.Watch{Since: f.now})
		f.workers, f.listings = append(f.workers, w), append(f.listings, o)
		f.snapshots = append(f.snapshots, diff.Apply(s, diff.Between(s, o)))
	}
	return f
}

func (f *fed) feed() {
	f.tracker = coverage.NewTracker(coverage.Config{GapAfter: time.Minute, Owns: func(string) bool { return true }}, nil, nil, f.now)
	f.ask(coverage.Request{Operation: coverage.ListFarms}, coverage.Answer{Complete: true, Farms: []string{"farm"}})
	var fleets []string
	for n := 0; n < len(f.workers); n += 250 {
		fleets = append(fleets, f.workers[n].FleetID)
	}
	f.ask(coverage.Request{Operation: coverage.ListFleets, Farm: "farm"}, coverage.Answer{Complete: true, Fleets: fleets})
	for n := 0; n < len(f.workers); n += 250 {
		r := coverage.Request{Operation: coverage.ListWorkers, Farm: "farm", Fleet: f.workers[n].FleetID}
		f.ask(r, coverage.Answer{Complete: true, Shown: f.workers[n:min(n+250, len(f.workers))]})
	}
	for n := range f.workers {
		f.list(n)
	}
	f.tracker.Take(f.now, true)
}

func (f *fed) ask(r coverage.Request, a coverage.Answer) {
	f.number++
	f.now = f.now.Add(100 * time.Millisecond)
	r.Number, r.At = f.number, f.now
	if r.Operation != coverage.BatchGetWorker {
		r.List = f.number
	}
	f.tracker.Sent(r)
	a.Request = r
	f.tracker.Answered(a, f.now)
}

// list reads and commits the listing of a worker.
func (f *fed) list(n int) {
	workers := f.workers[n : n+1]
	f.ask(coverage.Request{Operation: coverage.ListSessionsForWorker, Workers: workers}, coverage.Answer{Complete: true, Observed: workers})
	o := &f.listings[n]
	x := diff.Exchange{Sent: f.now, Arrived: f.now, SentTick: 2*f.number + 1, ArrivedTick: 2*f.number + 2, At: f.now}
	o.FirstRequest, o.Sightings[0].Exchange = x, x
	f.tracker.Committed(*o, f.snapshots[n], f.now)
}

// failWorkers makes gaps of so many workers, each of its own.
func (f *fed) failWorkers(count int) {
	for range 2 {
		for n := range count {
			f.ask(coverage.Request{Operation: coverage.ListSessionsForWorker, Workers: f.workers[n : n+1]}, coverage.Answer{Reason: coverage.Failing})
		}
		f.list(count)
		f.now = f.now.Add(2 * time.Minute)
	}
	f.tracker.Take(f.now, true)
}

// failAll makes a gap of everything.
func (f *fed) failAll() {
	for range 2 {
		f.ask(coverage.Request{Operation: coverage.ListFarms}, coverage.Answer{Reason: coverage.Unreachable})
		f.ask(coverage.Request{Operation: coverage.BatchGetWorker, Workers: f.workers[:1]}, coverage.Answer{Reason: coverage.Unreachable})
		f.ask(coverage.Request{Operation: coverage.ListSessionsForWorker, Workers: f.workers[:1]}, coverage.Answer{Reason: coverage.Unreachable})
		f.now = f.now.Add(2 * time.Minute)
	}
	f.tracker.Take(f.now, true)
}

// BenchmarkTracker measures what a shard of 625 workers, which is one of 12 with 7,500 workers, and one of 7,500 workers cost: an
// answer and its commit, statuses, and what is published; with nothing failing, with 150 open gaps of workers and with one of
// everything.
func BenchmarkTracker(b *testing.B) {
	for _, state := range []struct {
		name    string
		failing int
		prepare func(*fed)
	}{
		{"calm", 0, func(*fed) {}},
		{"gaps", 150, func(f *fed) { f.failWorkers(150) }},
		{"outage", 0, (*fed).failAll},
	} {
		for _, count := range []int{625, 7500} {
			for _, bench := range []struct {
				name string
				call func(f *fed, n int)
			}{
				{"listing", func(f *fed, n int) { f.list(state.failing + n%(count-state.failing)) }},
				{"statuses", func(f *fed, _ int) {
					w := f.workers[count-100:]
					f.ask(coverage.Request{Operation: coverage.BatchGetWorker, Workers: w}, coverage.Answer{Shown: w})
				}},
				{"failure", func(f *fed, n int) {
					f.now = f.now.Add(-100 * time.Millisecond) // so that no gap opens
					w := f.workers[n%count:][:1]
					f.ask(coverage.Request{Operation: coverage.ListSessionsForWorker, Workers: w}, coverage.Answer{Reason: coverage.Throttled})
				}},
				{"heartbeat", func(f *fed, _ int) { f.tracker.Take(f.now, true) }},
				{"isdue", func(f *fed, _ int) { f.tracker.IsDue(f.now) }},
			} {
				if state.name == "outage" && (bench.name == "listing" || bench.name == "statuses") {
					continue // The first answer would end it.
				}
				b.Run(fmt.Sprintf("%s/%s/workers=%d", bench.name, state.name, count), func(b *testing.B) {
					f := newFed(count)
					f.feed()
					state.prepare(f)
					b.ReportAllocs()
					for n := 0; b.Loop(); n++ {
						bench.call(f, n)
					}
				})
			}
		}
	}
}

// BenchmarkMemory measures the heap of a Tracker for a worker with one open session.
func BenchmarkMemory(b *testing.B) {
	for _, count := range []int{625, 7500} {
		b.Run(fmt.Sprintf("workers=%d", count), func(b *testing.B) {
			f := newFed(count)
			heap := func() uint64 {
				var m runtime.MemStats
				runtime.GC()
				runtime.GC()
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			for b.Loop() {
				f.tracker = nil
				before := heap()
				f.feed()
				b.ReportMetric(float64(heap()-before)/float64(count), "B/worker")
			}
			runtime.KeepAlive(f)
		})
	}
}
