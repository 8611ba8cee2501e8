package simulation

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

// The status is what the last heartbeat has reported, and survives short gaps.
func TestStatus(t *testing.T) {
	w := &worker{phase: 5 * time.Second, longest: time.Minute}
	for _, start := range []time.Duration{30, 94} {
		w.sessions = append(w.sessions, &session{start: start * time.Second, end: (start + 60) * time.Second})
	}
	var running []int
	for second := -60; second < 300; second++ {
		if w.status(time.Duration(second)*time.Second) == "RUNNING" {
			running = append(running, second)
		}
	}
	// Heartbeats are at 5, 20, 35, and so on. The sessions are open from 30 to 90 and from 94 to 154; the gap survives, and so
	// does the status at 155.
	if first, last := running[0], running[len(running)-1]; first != 35 || last != 169 || len(running) != 135 {
		t.Errorf("RUNNING from %d to %d, for %d seconds", first, last, len(running))
	}
	w.sessions = w.sessions[:1]
	for second, want := range map[int]string{34: "IDLE", 35: "RUNNING", 94: "RUNNING", 95: "IDLE"} {
		if got := w.status(time.Duration(second) * time.Second); got != want {
			t.Errorf("%s at %d s, want %s", got, second, want)
		}
	}
}

// The pages of a listing show every session once, in either order, up to what the service keeps.
func TestPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{Workers: 1, OldestFirst: rapid.Bool().Draw(t, "oldest first")}.WithDefaults()
		w := newWorld(c)
		k := w.fleets[0].workers[0]
		k.pages = rapid.IntRange(1, 4).Draw(t, "pages")
		k.hasHistory = rapid.Bool().Draw(t, "history")
		k.sessions, k.longest = nil, 150*time.Second
		started := rapid.IntRange(0, 350).Draw(t, "sessions")
		for n := range started {
			at := time.Duration(n) * 100 * time.Second
			k.sessions = append(k.sessions, &session{worker: k, id: "session", job: "job", start: at, end: at + 150*time.Second})
		}
		now := time.Duration(started)*100*time.Second - 60*time.Second // two are open, the next has not started
		k.sessions = append(k.sessions, &session{worker: k, start: now + 1, end: never})
		var shown []time.Duration
		call := schedule.Call{Kind: schedule.ListSessionsForWorker, Worker: k.key}
		for call.Page = 1; ; call.Page++ {
			a, p := w.listSessions(call, now)
			for _, s := range p.shown {
				shown = append(shown, s.StartedAt.Sub(timeOf(0)))
			}
			if len(p.starts) > pageSize {
				t.Fatalf("%d sessions on a page", len(p.starts))
			}
			if a.Next == "" {
				break
			}
		}
		if k.hasHistory && call.Page != k.pages || !k.hasHistory && call.Page > k.pages {
			t.Fatalf("%d pages", call.Page)
		}
		kept := min(started, k.pages*pageSize-olderSessions+min(2, started))
		if !c.OldestFirst {
			slices.Reverse(shown)
		}
		if len(shown) != kept || kept > 0 && shown[kept-1] != k.sessions[started-1].start || !slices.IsSorted(shown) || len(slices.Compact(shown)) != kept {
			t.Fatalf("%d of %d sessions are shown in %d pages, want the last %d", len(shown), started, call.Page, kept)
		}
	})
}

// The pages of a job's list show every session once that has started, in either order, and those of deleted workers too.
func TestJobPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{Fleets: []Fleet{{Workers: 3}, {Farm: 1, Workers: 1}}, OldestFirst: rapid.Bool().Draw(t, "oldest first")}.WithDefaults()
		w := newWorld(c)
		j := w.newJob(1000)
		key := schedule.Job{FarmID: w.farms[0], QueueID: queueID(j.queue), JobID: j.id}
		if a, _ := w.listJob(schedule.Call{Job: key, Page: 1}, 0); a.NotFound != "job" {
			t.Fatalf("a job without sessions: %+v", a)
		}
		const now = time.Hour
		want := make(map[string]bool)
		all := rapid.Bool().Draw(t, "all are in the farm and have started")
		for n := range rapid.OneOf(rapid.IntRange(1, 350), rapid.SampledFrom([]int{100, 101, 200})).Draw(t, "sessions") {
			f, at := w.fleets[0], time.Duration(rapid.IntRange(0, 60).Draw(t, "start"))*time.Minute
			if !all {
				f = w.fleets[rapid.SampledFrom([]int{0, 0, 0, 0, 1}).Draw(t, "fleet")]
				at = at * 11 / 6
			}
			s := w.addSession(f.workers[n%len(f.workers)], j, at, time.Minute)
			if want[s.id] = f.farm == key.FarmID && s.start <= now; !want[s.id] {
				delete(want, s.id)
			}
		}
		w.fleets[0].workers[0].deleted = now / 2
		if len(w.ofJob[key]) == 0 {
			return
		}
		var starts []time.Duration
		call := schedule.Call{Kind: schedule.ListSessions, Job: key}
		for call.Page = 1; ; call.Page++ {
			a, p := w.answer(call, now)
			if starts = append(starts, p.starts...); len(p.shown) > pageSize || len(p.shown) != len(p.starts) || a.Reason != "" {
				t.Fatalf("%d sessions on a page, %d starts, %q", len(p.shown), len(p.starts), a.Reason)
			}
			for i, s := range p.shown {
				if !want[s.SessionID] || s.SessionID != p.sessions[i].id || s.JobID != j.id || s.FarmID != key.FarmID {
					t.Fatalf("%+v is shown, or twice", s)
				}
				delete(want, s.SessionID)
			}
			if a.Next == "" {
				break
			}
		}
		if !c.OldestFirst {
			slices.Reverse(starts)
		}
		if len(want) > 0 || !slices.IsSorted(starts) {
			t.Fatalf("%d sessions are not shown; starts: %v", len(want), starts)
		}
	})
}

// The order is that of everything on the pages, also of what the answer does not name.
func TestOrder(t *testing.T) {
	type verdict struct{ newestFirst, unordered bool }
	for name, test := range map[string]struct {
		pages [][]time.Duration
		want  []verdict
	}{
		"newest first": {[][]time.Duration{{9, 7, 7}, {7, 1}}, []verdict{{true, false}, {true, false}}},
		"one":          {[][]time.Duration{{9}, {7}}, []verdict{{false, false}, {true, false}}},
		"together":     {[][]time.Duration{{9, 9}, {9}, {}}, []verdict{{false, false}, {false, false}, {false, false}}},
		"oldest first": {[][]time.Duration{{1, 2}, {3}}, []verdict{{false, true}, {false, true}}},
		"mixed":        {[][]time.Duration{{9, 7}, {8, 6}, {5}}, []verdict{{true, false}, {false, true}, {false, true}}},
		"nothing":      {[][]time.Duration{{}}, []verdict{{false, false}}},
	} {
		var l listing
		for n, starts := range test.pages {
			var a schedule.Answer
			if l.judge(&a, page{starts: starts}); (verdict{a.NewestFirst, a.Unordered}) != test.want[n] || !a.Settled {
				t.Errorf("%s, page %d: newest first %v, unordered %v, settled %v", name, n+1, a.NewestFirst, a.Unordered, a.Settled)
			}
		}
	}
	for _, oldestFirst := range []bool{false, true} {
		for _, history := range []int{1, 30} {
			w := newWorld(Config{Workers: 20, Mix: Busy, Pages: history, OldestFirst: oldestFirst}.WithDefaults())
			w.makeUntil(time.Hour)
			for _, k := range w.fleets[0].workers {
				var l listing
				for n := 1; n <= history; n++ {
					a, p := w.listSessions(schedule.Call{Worker: k.key, Page: n}, time.Hour)
					if l.judge(&a, p); a.NewestFirst == oldestFirst || a.Unordered != oldestFirst {
						t.Fatalf("oldest first %v, page %d of %d: %+v", oldestFirst, n, history, a)
					}
				}
			}
		}
	}
}

// BatchGetWorker shows the workers that exist, and names those that do not.
func TestGetWorkers(t *testing.T) {
	w := newWorld(Config{Workers: 3, Mix: Busy}.WithDefaults())
	w.makeUntil(time.Hour)
	k := w.fleets[0].workers
	k[1].deleted = 30 * time.Minute
	never := k[0].key
	never.WorkerID = "worker-never"
	a, p := w.answer(schedule.Call{Kind: schedule.BatchGetWorker, Workers: []diff.WorkerKey{k[0].key, k[1].key, never, k[2].key}}, time.Hour)
	want := schedule.Answer{
		Statuses: map[diff.WorkerKey]diff.WorkerStatus{k[0].key: {Status: k[0].status(time.Hour)}, k[2].key: {Status: k[2].status(time.Hour)}},
		Gone:     []diff.WorkerKey{k[1].key, never},
	}
	if d := cmp.Diff(want, a); d != "" || len(p.shown) > 0 || a.Statuses[k[0].key].Status != "RUNNING" {
		t.Errorf("%d sessions, statuses %v: %s", len(p.shown), a.Statuses, d)
	}
}

// A list of workers shows every worker that exists once, even if others are deleted meanwhile.
func TestWorkersOfAFleet(t *testing.T) {
	w := newWorld(Config{Workers: 250, Mix: Autoscaling}.WithDefaults())
	w.makeUntil(time.Hour)
	f := w.fleets[0]
	at, existing := time.Hour, map[string]bool{}
	for _, k := range f.workers {
		existing[k.key.WorkerID] = k.existed(at)
	}
	var shown []string
	c := schedule.Call{Kind: schedule.ListWorkers, Farm: f.farm, Fleet: f.id}
	for {
		a := w.listWorkers(c, at)
		for _, k := range a.Workers {
			shown = append(shown, k.ID)
		}
		if a.Next == "" {
			break
		}
		c.Token = a.Next
		at += 20 * time.Second
		w.makeUntil(at)
	}
	last := shown[len(shown)-1]
	for _, k := range f.workers {
		id := k.key.WorkerID
		n := strings.Count(strings.Join(shown, " "), id)
		if n > 1 || n == 0 && existing[id] && k.existed(at) || n > 0 && !existing[id] && k.created < time.Hour {
			t.Errorf("%s, created at %v and deleted at %v, is shown %d times; the last is %s", id, k.created, k.deleted, n, last)
		}
	}
	if len(shown) < 200 || w.listWorkers(schedule.Call{Farm: f.farm, Fleet: "other"}, at).NotFound != "fleet" {
		t.Errorf("%d workers", len(shown))
	}
}

// The lengths of sessions have the same mean in all mixes, and the distribution that their mix says.
func TestLengths(t *testing.T) {
	for mix, want := range map[Mix]struct{ variation, ofQueue, median float64 }{
		Even: {.3, .5, .96}, Regular: {.1, 1, 1}, Exponential: {1, .5, .69}, HeavyTail: {2, .5, .45}, Updates: {.3, .5, .96},
	} {
		w := newWorld(Config{Mix: mix, Workers: 1, Seed: 1}.WithDefaults())
		const n = 100_000
		var sum, all, square float64
		var ofQueue []float64 // of queue 0, as multiples of their mean
		for i := range n * queues {
			length := w.length(i%queues, time.Minute).Minutes()
			if all += length; i%queues == 0 {
				sum, square = sum+length, square+length*length
				ofQueue = append(ofQueue, length)
			}
		}
		slices.Sort(ofQueue)
		mean := sum / n
		for what, figures := range map[string][2]float64{
			"mean of all":              {all / n / queues, 1},
			"mean of a queue":          {mean, want.ofQueue},
			"coefficient of variation": {math.Sqrt(square/n-mean*mean) / mean, want.variation},
			"median":                   {ofQueue[n/2] / mean, want.median},
		} {
			if got, want := figures[0], figures[1]; math.Abs(got/want-1) > .05 {
				t.Errorf("%s: the %s is %.3f, want %.3f", mix, what, got, want)
			}
		}
	}
}

// Nothing can announce a session beside another one, or between two heartbeats.
func TestUnannounced(t *testing.T) {
	s, err := New(Config{Workers: 2, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	k := s.world.fleets[0].workers
	k[0].phase, k[1].fault = 5*time.Second, Hang()
	for name, test := range map[string]struct {
		sessions [][2]time.Duration // starts and ends, in seconds; heartbeats are at 5, 20, 35, 50 and so on
		want     int
	}{
		"usual":                      {[][2]time.Duration{{100, 160}, {200, 260}}, 0},
		"back to back":               {[][2]time.Duration{{100, 160}, {160, 220}}, 0},
		"beside another":             {[][2]time.Duration{{100, 160}, {159, 220}}, 1},
		"beside one before the last": {[][2]time.Duration{{100, 900}, {200, 300}, {400, 500}, {950, 990}}, 2},
		"between heartbeats":         {[][2]time.Duration{{111, 125}, {126, 139}}, 2},
		"at a heartbeat":             {[][2]time.Duration{{125, 126}, {151, 155}, {154, 156}}, 2},
		"not in the window":          {[][2]time.Duration{{51, 60}, {1001, 1002}}, 0},
	} {
		k[0].sessions = nil
		for _, n := range test.sessions {
			k[0].sessions = append(k[0].sessions, &session{worker: k[0], start: n[0] * time.Second, end: n[1] * time.Second})
		}
		k[1].sessions = k[0].sessions
		if got := s.unannounced(100*time.Second, 1000*time.Second); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// Each mix has what its name says, over five hours of 300 workers.
func TestRhythm(t *testing.T) {
	const span = 5 * time.Hour
	for _, test := range []struct {
		mix         Mix
		open, share float64 // open sessions of a worker on average; share of the starts of the busiest tenth of the workers
		two         bool    // some workers have two open sessions at a time
	}{
		{Even, 1. / 3, .15, false}, {Idle, .05, .26, false}, {Skewed, .1, .9, false}, {Busy, .97, .12, false}, {Bursts, 1. / 3, .15, false},
		{TwoAtOnce, 4. / 9, .2, true}, {Regular, 1. / 3, .14, false}, {Exponential, 1. / 3, .17, false}, {HeavyTail, 1. / 3, .17, false},
	} {
		w := newWorld(Config{Mix: test.mix, Workers: 300, Seed: 1}.WithDefaults())
		w.makeUntil(span)
		var open time.Duration
		var starts []int
		all, two := 0, false
		for _, k := range w.fleets[0].workers {
			count := 0
			for i, s := range k.sessions {
				two = two || i > 0 && k.sessions[i-1].end > s.start
				if s.start >= 0 {
					count++
					open += min(s.end, span) - s.start
				}
			}
			starts, all = append(starts, count), all+count
		}
		slices.Sort(starts)
		busiest := 0
		for _, n := range starts[len(starts)-len(starts)/10:] {
			busiest += n
		}
		perWorker := open.Seconds() / span.Seconds() / 300
		share := float64(busiest) / float64(all)
		if perWorker < test.open*.85 || perWorker > test.open*1.15 || share < test.share*.8 || share > test.share*1.2 || two != test.two {
			t.Errorf("%s: %.3f open sessions a worker, %.2f of the starts on a tenth, two at once %v", test.mix, perWorker, share, two)
		}
	}
}
