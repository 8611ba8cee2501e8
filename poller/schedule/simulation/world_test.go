package simulation

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

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
		call := schedule.Call{Kind: schedule.ListSessions, Worker: k.key}
		for call.Page = 1; ; call.Page++ {
			a, page := w.listSessions(call, now)
			for _, s := range page {
				shown = append(shown, s.StartedAt.Sub(timeOf(0)))
			}
			if len(page) > pageSize {
				t.Fatalf("%d sessions on a page", len(page))
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

// Each mix has what its name says, over five hours of 300 workers.
func TestRhythm(t *testing.T) {
	const span = 5 * time.Hour
	for _, test := range []struct {
		mix         Mix
		open, share float64 // open sessions of a worker on average; share of the starts of the busiest tenth of the workers
		two         bool    // some workers have two open sessions at a time
	}{
		{Even, 1. / 3, .15, false}, {Idle, .05, .26, false}, {Skewed, .1, .9, false}, {Busy, .97, .12, false}, {Bursts, 1. / 3, .15, false},
		{TwoAtOnce, 4. / 9, .2, true},
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
