package diff

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// listed returns a listing of a worker with so many open and ended sessions, and the snapshot after it.
func listed(open, ended int) (Snapshot, Observation) {
	x := Exchange{Sent: epoch, Arrived: epoch.Add(time.Millisecond), SentTick: 1, ArrivedTick: 2}
	o := Observation{Worker: testWorker, Source: CompleteListing, FirstRequest: x, Pages: 1}
	for n := range open + ended {
		s := Session{WorkerKey: testWorker, SessionID: testID(n), LifecycleStatus: StatusStarted, StartedAt: epoch}
		if n >= open {
			s.LifecycleStatus, s.EndedAt = StatusEnded, epoch
		}
		o.Sightings = append(o.Sightings, Sighting{s, x})
	}
	s := NewSnapshot(testWorker, Watch{Since: epoch})
	return Apply(s, Between(s, o)), o
}

// BenchmarkUnchanged measures Between and Apply for a listing that changes nothing. The last of the ended sessions are
// absent: some since the first listing, and others since later, so that they are not marked yet.
func BenchmarkUnchanged(b *testing.B) {
	for _, size := range []struct{ open, ended, absent int }{
		{0, 0, 0}, {0, 100, 0}, {2, 0, 0}, {2, 100, 0}, {2, 1000, 0}, {100, 1000, 0}, {2, 1000, 300},
	} {
		b.Run(fmt.Sprintf("open=%d/ended=%d/absent=%d", size.open, size.ended, size.absent), func(b *testing.B) {
			next := unchanged(size.open, size.ended, size.absent)
			b.ReportAllocs()
			for b.Loop() {
				if c := next(); len(c.Events) > 0 || c.Absences != nil {
					b.Fatal(c)
				}
			}
		})
	}
}

// unchanged returns a function that compares a listing that changes nothing.
func unchanged(open, ended, absent int) (next func() Changes) {
	s, o := listed(open, ended)
	tick := uint64(2)
	next = func() Changes {
		tick += 2
		o.Date = epoch.Add(time.Minute)
		o.FirstRequest.SentTick, o.FirstRequest.ArrivedTick = tick-1, tick
		for i := range o.Sightings {
			o.Sightings[i].Exchange = o.FirstRequest
		}
		c := Between(s, o)
		s = Apply(s, c)
		return c
	}
	for range 2 {
		o.Sightings = o.Sightings[:len(o.Sightings)-absent/2]
		next()
	}
	return next
}

// TestAbsencesAllocateNothing: that remembered sessions are absent costs a listing no allocation.
func TestAbsencesAllocateNothing(t *testing.T) {
	none, some := unchanged(2, 500, 0), unchanged(2, 500, 300)
	a, b := testing.AllocsPerRun(100, func() { none() }), testing.AllocsPerRun(100, func() { some() })
	if b > a {
		t.Errorf("%v allocations with absent sessions, %v without", b, a)
	}
}

// heap returns how many bytes of the heap are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkRemembered reports the heap for each ended session, after a restore and after its end was observed.
func BenchmarkRemembered(b *testing.B) {
	const workers, each = 1000, 1000
	report := func(b *testing.B, fill func() map[WorkerKey]Snapshot) {
		for b.Loop() {
			before := heap()
			snapshots := fill()
			b.ReportMetric(float64(heap()-before)/(workers*each), "heap-B/session")
			n := 0
			for _, s := range snapshots { // which also keeps the snapshots alive
				n += s.Remembered()
			}
			if n != workers*each {
				b.Fatalf("%d remembered, want %d", n, workers*each)
			}
		}
	}
	b.Run("restored", func(b *testing.B) {
		report(b, func() map[WorkerKey]Snapshot { return restored(records(workers, each)) })
	})
	b.Run("ended", func(b *testing.B) {
		report(b, func() map[WorkerKey]Snapshot {
			snapshots := map[WorkerKey]Snapshot{}
			for w := range workers {
				s, _ := listed(0, each-1)
				x := Exchange{Sent: epoch, Arrived: epoch, SentTick: 3, ArrivedTick: 4}
				last := Session{SessionID: testID(each), LifecycleStatus: StatusEnded, StartedAt: epoch, EndedAt: epoch}
				c := Between(s, Observation{Worker: testWorker, Sightings: []Sighting{{last, x}}})
				snapshots[WorkerKey{WorkerID: fmt.Sprint(w)}] = Apply(s, c)
			}
			return snapshots
		})
	})
}

type loggedRecord struct{ session, farm, fleet, worker []byte }

// records returns state records of ended sessions. Those of different workers are mixed as in a state topic.
func records(workers, each int) []loggedRecord {
	farm, fleet := []byte("farm-0123456789abcdef0123456789abcdef"), []byte("fleet-0123456789abcdef0123456789abcdef")
	var all []loggedRecord
	for n := range workers * each {
		all = append(all, loggedRecord{
			[]byte(testID(n * 2654435761)), farm, fleet, fmt.Appendf(nil, "worker-%032x", n%workers),
		})
	}
	return all
}

func restored(all []loggedRecord) map[WorkerKey]Snapshot {
	r := NewRestorer()
	for n := range 20_000 { // open sessions, among which PutEnded looks for the ended one
		r.Put(Record{Session: Session{WorkerKey: testWorker, SessionID: testID(-n)}})
	}
	for _, e := range all {
		r.PutEnded(e.session, e.farm, e.fleet, e.worker, false)
	}
	return r.Snapshots(func(string) Watch { return Watch{} })
}

// BenchmarkRestore measures how fast snapshots are made of a million records of ended sessions.
func BenchmarkRestore(b *testing.B) {
	for _, workers := range []int{1, 100, 7500} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			all := records(workers, 1_000_000/workers)
			b.ReportAllocs()
			for b.Loop() {
				restored(all)
			}
			b.ReportMetric(float64(len(all))*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
