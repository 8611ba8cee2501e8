//go:build linux

package schedule_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

// The benchmarks drive a Schedule by a service that answers at once in virtual time. They measure the processor time of the
// thread, because other programs on the machine would be measured, too, by a clock on the wall. An iteration is one request.

const (
	benchShards  = 12
	benchLatency = 80 * time.Millisecond // of an answer
	benchTimeout = 30 * time.Second      // of a request that hangs
)

// benchWorld is a service and an instance that polls it.
type benchWorld struct {
	schedule *schedule.Schedule
	now      time.Time
	shards   int
	fresh    bool // answers have new strings, as from the network
	pages    map[[2]string][][]schedule.Worker
	known    map[diff.WorkerKey][]diff.Session
	fleets   [][2]string

	fault  func(c schedule.Call, now time.Time) (reason schedule.Reason, after time.Duration)
	hidden func(fleet [2]string, worker int, list uint64) bool // what ListFleets (worker -1) and ListWorkers lack

	answers, late []benchAnswer // those that come soon, and those that hang; in order
	spent         map[string]*benchTimes
	stateAt       time.Time // when State is called next; far in the future while nothing is measured
}

type benchAnswer struct {
	at   time.Time
	call schedule.Call
	with schedule.Answer
}

// benchTimes are what calls of one method took.
type benchTimes struct {
	cpu  []time.Duration
	wall time.Duration // the longest
}

// time measures a call of a method.
func (w *benchWorld) time(method string, call func()) {
	t := w.spent[method]
	if t == nil {
		t = &benchTimes{}
		w.spent[method] = t
	}
	wall, cpu := time.Now(), threadTime()
	call()
	t.cpu = append(t.cpu, threadTime()-cpu)
	t.wall = max(t.wall, time.Since(wall))
}

// threadTime returns the processor time of this thread.
func threadTime() time.Duration {
	const clockThreadCPUTime = 3
	var ts syscall.Timespec
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockThreadCPUTime, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}

// report reports the times of the methods in microseconds.
func (w *benchWorld) report(b *testing.B, methods ...string) {
	b.ReportMetric(0, "ns/op")
	for _, m := range methods {
		t := w.spent[m]
		if t == nil {
			continue
		}
		slices.Sort(t.cpu)
		var sum time.Duration
		for _, d := range t.cpu {
			sum += d
		}
		n := len(t.cpu)
		us := func(d time.Duration) float64 { return float64(d) / 1000 }
		b.ReportMetric(us(sum)/float64(n), m+"-µs")
		b.ReportMetric(us(t.cpu[n*999/1000]), m+"-p99.9-µs")
		b.ReportMetric(us(t.cpu[n-1]), m+"-max-µs")
		b.ReportMetric(us(t.wall), m+"-wallmax-µs")
	}
}

func newBenchWorld(workers, fleets, shards int) *benchWorld {
	w := &benchWorld{
		now: time.Unix(1_800_000_000, 0).UTC(), stateAt: time.Unix(2_000_000_000, 0), shards: shards, spent: make(map[string]*benchTimes),
		pages: make(map[[2]string][][]schedule.Worker), known: make(map[diff.WorkerKey][]diff.Session),
	}
	random := rand.New(rand.NewPCG(1, 2))
	id := func(kind string) string { return fmt.Sprintf("%s-%016x%016x", kind, random.Uint64(), random.Uint64()) }
	farms, queues := [2]string{id("farm"), id("farm")}, [2]string{id("queue"), id("queue")}
	for f := range fleets {
		fleet := [2]string{farms[f%2], id("fleet")}
		w.fleets = append(w.fleets, fleet)
		for n := range workers / fleets {
			if n%100 == 0 {
				w.pages[fleet] = append(w.pages[fleet], nil)
			}
			page := &w.pages[fleet][n/100]
			worker := id("worker")
			*page = append(*page, schedule.Worker{ID: worker, Status: diff.WorkerStatus{Status: "RUNNING", HostName: "render-" + worker[7:15]}})
			key := diff.WorkerKey{FarmID: fleet[0], FleetID: fleet[1], WorkerID: worker}
			w.known[key] = nil
			if n%10 < 3 {
				w.known[key] = []diff.Session{{
					WorkerKey: key, QueueID: queues[f%2], JobID: id("job"), SessionID: id("session"),
					LifecycleStatus: diff.StatusStarted, StartedAt: w.now,
				}}
			}
		}
	}
	return w
}

// start makes a new instance. It knows of the open sessions if it is a restart.
func (w *benchWorld) start(rate float64, restart bool) {
	w.schedule = schedule.New(schedule.Config{
		Rate: rate, Staleness: 15 * time.Second, Discovery: 30 * time.Second, Shards: w.shards, Shard: w.shard,
		Random: rand.New(rand.NewPCG(3, 4)),
	}, w.now)
	for shard := range w.shards {
		w.own(shard, restart)
	}
}

func (w *benchWorld) shard(worker string) int {
	h := fnv.New32a()
	h.Write([]byte(worker))
	return int(h.Sum32()) % w.shards
}

func (w *benchWorld) own(shard int, restart bool) {
	var known []schedule.Known
	for key := range w.known {
		if restart && w.shard(key.WorkerID) == shard {
			known = append(known, w.knownOf(key))
		}
	}
	w.time("own", func() { w.schedule.Own(shard, known, w.now) })
}

func (w *benchWorld) knownOf(key diff.WorkerKey) schedule.Known {
	open := slices.Clone(w.known[key])
	for i := range open {
		w.renew(&open[i].JobID, &open[i].SessionID)
	}
	return schedule.Known{Worker: key, Open: open, Empty: len(open) == 0}
}

// renew gives strings memory of their own.
func (w *benchWorld) renew(texts ...*string) {
	for _, s := range texts {
		if w.fresh {
			*s = strings.Clone(*s)
		}
	}
}

// request lets the schedule send the next request, after as much time as it takes until it does.
func (w *benchWorld) request() {
	for {
		var c schedule.Call
		var wake time.Time
		w.time("next", func() { c, wake = w.schedule.Next(w.now) })
		w.time("counts", func() { w.schedule.Counts() })
		if !w.now.Before(w.stateAt) {
			w.stateAt = w.now.Add(30 * time.Second)
			w.time("state", func() { w.schedule.State(w.now) })
		}
		if c.Number != 0 {
			w.send(c)
			return
		}
		w.wait(wake)
	}
}

func (w *benchWorld) send(c schedule.Call) {
	var reason schedule.Reason
	after := benchLatency
	if w.fault != nil {
		reason, after = w.fault(c, w.now)
	}
	x := benchAnswer{w.now.Add(after), c, schedule.Answer{Reason: reason, Sent: w.now}}
	if after > benchLatency {
		w.late = append(w.late, x)
	} else {
		w.answers = append(w.answers, x)
	}
}

// wait waits until then or the next answer, and takes that in.
func (w *benchWorld) wait(wake time.Time) {
	from := &w.answers
	if len(*from) == 0 || len(w.late) > 0 && w.late[0].at.Before(w.answers[0].at) {
		from = &w.late
	}
	if len(*from) == 0 || !wake.IsZero() && wake.Before((*from)[0].at) {
		w.now = wake
		return
	}
	x := (*from)[0]
	*from = (*from)[1:]
	w.now = x.at
	w.answer(x.call, &x.with)
	var o schedule.Outcome
	w.time("done", func() { o = w.schedule.Done(x.call, x.with, w.now) })
	if o.Stage != schedule.Complete || o.Ignored {
		return
	}
	workers := []diff.WorkerKey{x.call.Worker}
	if x.call.Kind == schedule.BatchGetSession || x.call.Kind == schedule.GetSession {
		workers = nil
		for _, session := range x.call.Sessions {
			workers = append(workers, session.WorkerKey)
		}
	}
	for _, key := range workers {
		if key.WorkerID != "" {
			k := w.knownOf(key)
			if o.NoSuchWorker {
				k = schedule.Known{Worker: key, Empty: true}
			}
			w.time("commit", func() { w.schedule.Committed(k, w.now) })
		}
	}
}

// answer fills in what the service says.
func (w *benchWorld) answer(c schedule.Call, a *schedule.Answer) {
	hidden := func(fleet [2]string, n int) bool { return w.hidden != nil && w.hidden(fleet, n, c.List) }
	if a.Reason != "" {
		return
	}
	switch c.Kind {
	case schedule.ListFarms:
		a.Farms = []string{w.fleets[0][0], w.fleets[1%len(w.fleets)][0]}
	case schedule.ListFleets:
		for _, f := range w.fleets {
			if f[0] == c.Farm && !hidden(f, -1) {
				a.Fleets = append(a.Fleets, f[1])
			}
		}
	case schedule.ListWorkers:
		fleet := [2]string{c.Farm, c.Fleet}
		pages := w.pages[fleet]
		for i, x := range pages[c.Page-1] {
			if n := c.Page*100 + i; !hidden(fleet, n) {
				if (n+int(c.List))%200 == 0 {
					x.Status.Status = "IDLE"
				}
				w.renew(&x.ID, &x.Status.HostName)
				a.Workers = append(a.Workers, x)
			}
		}
		if c.Page < len(pages) {
			a.Next = "next"
		}
	case schedule.ListSessionsForWorker:
		fleet := [2]string{c.Worker.FarmID, c.Worker.FleetID}
		if hidden(fleet, -1) {
			a.Reason, a.NotFound = schedule.ResourceNotFound, "worker"
		}
	default:
		a.Findings = make(map[string]schedule.Finding)
		for _, s := range c.Sessions {
			a.Findings[s.SessionID] = schedule.Found
		}
	}
}

// run measures requests, after so many that are not measured.
func (w *benchWorld) run(b *testing.B, warmUp int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range warmUp {
		w.request()
	}
	clear(w.spent)
	w.stateAt = w.now
	runtime.GC()
	for b.Loop() {
		w.request()
	}
	w.report(b, "next", "done", "commit", "counts", "state", "own", "disown")
}

func BenchmarkSteady(b *testing.B) {
	for _, fleets := range []int{1, 10, 200} {
		for _, rate := range []float64{100, 10} {
			b.Run(fmt.Sprintf("fleets=%d/rate=%v", fleets, rate), func(b *testing.B) {
				w := newBenchWorld(50_000, fleets, benchShards)
				w.start(rate, false)
				w.run(b, 55_000)
			})
		}
	}
}

// BenchmarkMemory reports the bytes that a worker takes, once without the identifiers and once with them.
func BenchmarkMemory(b *testing.B) {
	for _, fresh := range []bool{false, true} {
		for _, restart := range []bool{false, true} {
			b.Run(fmt.Sprintf("identifiers=%v/restart=%v", fresh, restart), func(b *testing.B) {
				w := newBenchWorld(50_000, 10, benchShards)
				w.fresh = fresh
				before := heap()
				w.start(100, restart)
				for range 55_000 {
					w.request()
				}
				w.spent, w.answers = nil, nil
				for b.Loop() {
				}
				b.ReportMetric(float64(heap()-before)/50_000, "B/worker")
				runtime.KeepAlive(w)
			})
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkFaults has 50,000 workers at 100 requests/s, and something that concerns many of them at once.
func BenchmarkFaults(b *testing.B) {
	type fault = func(schedule.Call, time.Time) (schedule.Reason, time.Duration)
	works := func(w *benchWorld, fails func(schedule.Call, time.Time) schedule.Reason) fault {
		return func(c schedule.Call, now time.Time) (schedule.Reason, time.Duration) {
			return fails(c, now), benchLatency
		}
	}
	isLookup := func(c schedule.Call) bool { return c.Kind == schedule.BatchGetSession || c.Kind == schedule.GetSession }
	unlisted := func(w *benchWorld, c schedule.Call) schedule.Reason {
		if c.Kind == schedule.ListSessionsForWorker && len(w.known[c.Worker]) > 0 {
			return schedule.FieldTooLong
		}
		return ""
	}
	for _, bench := range []struct {
		name           string
		fleets, shards int
		restart        bool
		warmUp         int
		set            func(w *benchWorld, since time.Time)
	}{
		{"restart", 10, benchShards, true, 0, nil},
		{"hanging fleet of 10,000", 5, benchShards, false, 55_000, func(w *benchWorld, _ time.Time) {
			w.fault = func(c schedule.Call, _ time.Time) (schedule.Reason, time.Duration) {
				if c.Kind == schedule.ListSessionsForWorker && c.Worker.FleetID == w.fleets[0][1] {
					return schedule.Timeout, benchTimeout
				}
				return "", benchLatency
			}
		}},
		{"15,000 sessions unlisted", 10, benchShards, true, 0, func(w *benchWorld, _ time.Time) {
			w.fault = works(w, func(c schedule.Call, _ time.Time) schedule.Reason { return unlisted(w, c) })
		}},
		{"unlisted, batch denied in a farm", 10, benchShards, true, 0, func(w *benchWorld, _ time.Time) {
			w.fault = works(w, func(c schedule.Call, _ time.Time) schedule.Reason {
				if c.Kind == schedule.BatchGetSession && c.Sessions[0].FarmID == w.fleets[0][0] {
					return schedule.Denied
				}
				return unlisted(w, c)
			})
		}},
		{"unlisted, lookups fail", 10, benchShards, true, 0, func(w *benchWorld, since time.Time) {
			w.fault = works(w, func(c schedule.Call, now time.Time) schedule.Reason {
				if isLookup(c) && int(now.Sub(since).Seconds())%90 >= 45 {
					return schedule.Connection
				}
				return unlisted(w, c)
			})
		}},
		{"fleet of 50,000 gone and back", 1, benchShards, false, 55_000, func(w *benchWorld, since time.Time) {
			w.hidden = func(_ [2]string, n int, _ uint64) bool {
				return n < 0 && int(w.now.Sub(since).Seconds())%240 < 120
			}
		}},
		{"all workers gone and back", 1, benchShards, false, 55_000, func(w *benchWorld, since time.Time) {
			w.hidden = func(_ [2]string, n int, _ uint64) bool {
				return n >= 0 && int(w.now.Sub(since).Seconds())%240 < 120
			}
		}},
		{"a tenth of the workers comes and goes", 1, benchShards, false, 55_000, func(w *benchWorld, since time.Time) {
			w.hidden = func(_ [2]string, n int, list uint64) bool { return n >= 0 && n%10 == int(list)%10 }
		}},
		{"operation fails and works", 10, benchShards, false, 55_000, func(w *benchWorld, since time.Time) {
			w.fault = works(w, func(c schedule.Call, now time.Time) schedule.Reason {
				if c.Kind == schedule.ListSessionsForWorker && int(now.Sub(since).Seconds())%90 < 45 {
					return schedule.Denied
				}
				return ""
			})
		}},
		{"restart, discovery denied", 10, benchShards, true, 0, func(w *benchWorld, since time.Time) {
			w.fault = works(w, func(c schedule.Call, now time.Time) schedule.Reason {
				if c.Kind == schedule.ListWorkers {
					return schedule.Denied
				}
				return ""
			})
		}},
		{"restart, batch denied", 1, benchShards, true, 0, func(w *benchWorld, since time.Time) {
			w.fault = works(w, func(c schedule.Call, now time.Time) schedule.Reason {
				if c.Kind == schedule.BatchGetSession {
					return schedule.Denied
				}
				return ""
			})
		}},
		{"one shard, first listings end", 10, 1, false, 45_000, nil},
	} {
		b.Run(bench.name, func(b *testing.B) {
			w := newBenchWorld(50_000, bench.fleets, bench.shards)
			w.start(100, bench.restart)
			for range bench.warmUp {
				w.request()
			}
			if bench.set != nil {
				bench.set(w, w.now)
			}
			w.run(b, 0)
		})
	}
}

// BenchmarkOwnership has one shard of twelve disowned and owned again every 1,000 requests, which is after its workers were
// listed for the first time and others of them wait for their second listing.
func BenchmarkOwnership(b *testing.B) {
	w := newBenchWorld(50_000, 10, benchShards)
	w.start(100, false)
	n := 0
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 55_000 {
		w.request()
	}
	clear(w.spent)
	w.stateAt = w.now
	for b.Loop() {
		if n++; n%5000 == 0 {
			w.time("disown", func() { w.schedule.Disown(n/5000%benchShards, w.now) })
			w.own(n/5000%benchShards, true)
		}
		w.request()
	}
	w.report(b, "next", "done", "commit", "counts", "state", "own", "disown")
}

// A fleet of very many workers that is gone leaves nothing behind, and is found again when it is back.
func TestLargeFleetIsGone(t *testing.T) {
	const workers = 5000
	w := newBenchWorld(workers, 1, benchShards)
	w.start(100, true)
	until := func(want int) {
		t.Helper()
		for range 10 * workers {
			if w.request(); w.schedule.Counts().Workers == want {
				return
			}
		}
		t.Fatalf("there are %d workers, not %d", w.schedule.Counts().Workers, want)
	}
	until(workers)
	gone := true
	w.hidden = func(_ [2]string, n int, _ uint64) bool { return n < 0 && gone }
	until(0)
	gone = false
	until(workers)
	w.hidden = func(_ [2]string, n int, _ uint64) bool { return n >= 0 && n%50 == 0 }
	clear(w.known)
	until(workers - workers/50)
}
