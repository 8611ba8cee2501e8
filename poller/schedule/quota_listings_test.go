// Each of these tests runs in one goroutine. The race detector would find nothing and make it six times as long.
//go:build !race

package schedule_test

import (
	"testing"
	"time"

	"farmwire/poller/schedule"
	"farmwire/poller/schedule/simulation"
)

// With a quota of half the ceiling, nearly all complete listings come about that the quota allows, and no worker is
// reported as failing for it.
func TestHalfTheQuota(t *testing.T) {
	for _, pages := range []int{1, 30} {
		const ceiling, from, to = 20., 5 * time.Minute, 20 * time.Minute
		c := simulation.Config{Rate: ceiling, Quota: ceiling / 2, Fleets: []simulation.Fleet{{Workers: 1000 / pages, Pages: pages}}, Mix: simulation.Idle, OldestFirst: true}.WithDefaults()
		s, err := simulation.New(c)
		if err != nil {
			t.Fatal(err)
		}
		in := schedule.New(configOf(c, 1), s.Now())
		in.Own(0, nil, s.Now())
		s.Drive(in)
		run(t, s, to)
		listed, throttled, other := 0, 0, 0
		for _, l := range s.Listings {
			if l.Complete && l.Ended > from {
				listed += l.Pages
			}
			if !l.Complete {
				t.Errorf("a listing was discarded: %+v", l)
			}
		}
		for _, x := range s.Sent() {
			switch {
			case x.At < from:
			case x.Reason != "":
				throttled++
			case x.Kind != schedule.ListSessionsForWorker:
				other++
			}
		}
		allowed := ceiling/2*(to-from).Seconds() - float64(other)
		t.Logf("%d pages: %d pages of complete listings of %.0f that the quota allowed; %d requests throttled", pages, listed, allowed, throttled)
		if float64(listed) < .9*allowed {
			t.Errorf("%d pages: only %.2f of what the quota allows", pages, float64(listed)/allowed)
		}
		if n := in.State(s.Now()).UnlistedCount; n > 0 {
			t.Errorf("%d pages: %d workers are reported as failing", pages, n)
		}
	}
}

// After a Retry-After nothing is sent in a burst.
func TestNothingIsSentInABurst(t *testing.T) {
	var began time.Time
	c := simulation.Config{Rate: 100, Workers: 3000, Fault: func(now time.Time, c schedule.Call) simulation.Fault {
		if began.IsZero() {
			began = now
		}
		if at := now.Sub(began); c.Kind == schedule.ListSessionsForWorker && at > time.Minute && at < time.Minute+100*time.Millisecond {
			return simulation.Fault{Reason: schedule.Throttled, RetryAfter: 10 * time.Second}
		}
		return simulation.Fault{}
	}}
	s := simulate(t, c, 2*time.Minute)
	most, sent := 0, s.Sent()
	for i, x := range sent {
		n := 0
		for _, y := range sent[i:] {
			if y.At-x.At < 100*time.Millisecond {
				n++
			}
		}
		if x.At > time.Minute {
			most = max(most, n)
		}
	}
	t.Logf("at most %d requests within 100 ms at 100 requests/s", most)
	if most > 20 {
		t.Errorf("%d requests within 100 ms", most)
	}
}

// While ListWorkers of forty fleets hangs, a new worker elsewhere is found within a round of discovery, which takes a twentieth of
// the budget: 82 lists at half a request a second are 164 s.
func TestHangingDiscovery(t *testing.T) {
	c := simulation.Config{Rate: 10, Mix: simulation.Autoscaling, Fault: func(_ time.Time, c schedule.Call) simulation.Fault {
		if c.Kind == schedule.ListWorkers && c.Fleet != fleetID(0) {
			return simulation.Hang()
		}
		return simulation.Fault{}
	}}
	c.Fleets = append(c.Fleets, simulation.Fleet{Workers: 50})
	for range 40 {
		c.Fleets = append(c.Fleets, simulation.Fleet{Workers: 1})
	}
	c = c.WithDefaults()
	s, err := simulation.New(c)
	if err != nil {
		t.Fatal(err)
	}
	in := schedule.New(configOf(c, 1), s.Now())
	in.Own(0, nil, s.Now())
	var last time.Time
	var longest time.Duration
	s.Drive(spy{in, func(now time.Time, c schedule.Call) {
		if c.Kind != schedule.ListWorkers || c.Fleet != fleetID(0) {
			return
		}
		if !last.IsZero() {
			longest = max(longest, now.Sub(last))
		}
		last = now
	}})
	run(t, s, 30*time.Minute)
	t.Logf("the fleet that works was listed at least every %v", longest)
	if last.IsZero() || longest > 180*time.Second {
		t.Errorf("the fleet that works was not listed for %v", longest)
	}
}

// An instance that loses most of its shards goes on at once. A shard that is acquired again lists its own workers first, and
// the others have their floor meanwhile and are listed as before after that.
func TestShardsComeAndGo(t *testing.T) {
	c := simulation.Config{Rate: 12, Workers: 1200}.WithDefaults()
	s, err := simulation.New(c)
	if err != nil {
		t.Fatal(err)
	}
	cfg := configOf(c, 12)
	listings := make(map[int]int)
	var last time.Time
	var silent time.Duration
	in := spy{schedule.New(cfg, s.Now()), func(now time.Time, c schedule.Call) {
		if !last.IsZero() {
			silent = max(silent, now.Sub(last))
		}
		last = now
		if c.Kind == schedule.ListSessionsForWorker {
			listings[cfg.Shard(c.Worker.WorkerID)]++
		}
	}}
	for shard := range 12 {
		in.Own(shard, nil, s.Now())
	}
	s.Drive(in)
	run(t, s, 5*time.Minute)
	last, silent = time.Time{}, 0
	for shard := 1; shard < 12; shard++ {
		in.Disown(shard, s.Now())
	}
	run(t, s, 2*time.Minute)
	t.Logf("with one shard of twelve the longest silence was %v", silent)
	if silent > 1500*time.Millisecond {
		t.Errorf("nothing was sent for %v", silent)
	}

	for shard := 1; shard < 12; shard++ {
		in.Own(shard, nil, s.Now())
	}
	run(t, s, 10*time.Minute)
	in.Disown(3, s.Now())
	run(t, s, time.Second) // until its calls that are in flight have ended, which the simulation would count as calls of the new owner
	in.Own(3, nil, s.Now())
	share := func(d time.Duration) float64 {
		clear(listings)
		run(t, s, d)
		total := 0
		for _, n := range listings {
			total += n
		}
		return float64(listings[3]) / float64(total)
	}
	first := share(9 * time.Second)
	run(t, s, 21*time.Second) // the rest of its workers, and second pages
	then := share(time.Minute)
	t.Logf("%.2f of the listings after it was acquired again are of that shard, and %.2f of those half a minute later", first, then)
	if first < .4 || first > .99 || then > .25 {
		t.Errorf("%.2f and %.2f of the listings are of the shard that was acquired again", first, then)
	}
}

// A worker whose listings are always throttled slows down the others hardly.
func TestOneWorkerIsThrottled(t *testing.T) {
	const from, to = 5 * time.Minute, 25 * time.Minute
	c := simulation.Config{Rate: 30, Fleets: []simulation.Fleet{{Workers: 300}, {Workers: 1}}}
	alone := waits(simulate(t, c, to), fleetID(0), from)
	c.Fault = func(_ time.Time, c schedule.Call) simulation.Fault {
		if c.Kind == schedule.ListSessionsForWorker && c.Worker.FleetID == fleetID(1) {
			return simulation.Fault{Reason: schedule.Throttled}
		}
		return simulation.Fault{}
	}
	got := waits(simulate(t, c, to), fleetID(0), from)
	t.Logf("others wait %v, p99 %v; alone %v, %v", got.Mean(), got.Quantile(.99), alone.Mean(), alone.Quantile(.99))
	if got.Mean() > alone.Mean()*4/3 {
		t.Errorf("others wait %v, alone %v", got.Mean(), alone.Mean())
	}
}

// Operations that are throttled always or often cost the others nothing, however many they are, also after a time in which
// everything was throttled.
func TestThrottledOperations(t *testing.T) {
	const throttled, blackout, from, to = 5 * time.Minute, 8 * time.Minute, 10 * time.Minute, 20 * time.Minute
	isDiscovery := func(k schedule.Kind, _ int) bool { return k.IsDiscovery() }
	answered := func(isThrottled func(k schedule.Kind, n int) bool) map[schedule.Kind]int {
		var began time.Time
		sent, ok := map[schedule.Kind]int{}, map[schedule.Kind]int{}
		simulate(t, simulation.Config{Rate: 10, Workers: 600, Fault: func(now time.Time, c schedule.Call) simulation.Fault {
			if began.IsZero() {
				began = now
			}
			sent[c.Kind]++
			at := now.Sub(began)
			if at > throttled && isThrottled(c.Kind, sent[c.Kind]) || at > blackout && at < blackout+20*time.Second {
				return simulation.Fault{Reason: schedule.Throttled}
			}
			if at > from {
				ok[c.Kind]++
			}
			return simulation.Fault{}
		}}, to)
		return ok
	}
	want := answered(func(schedule.Kind, int) bool { return false })
	for name, isThrottled := range map[string]func(k schedule.Kind, n int) bool{
		"discovery": isDiscovery,
		"discovery, half of the statuses": func(k schedule.Kind, n int) bool {
			return isDiscovery(k, n) || k == schedule.BatchGetWorker && n%2 == 0
		},
		"statuses, some of the listings": func(k schedule.Kind, n int) bool {
			return k == schedule.BatchGetWorker || k == schedule.ListSessionsForWorker && n%50 == 0
		},
	} {
		got := answered(isThrottled)
		t.Logf("%s: %v are answered in %v, and %v if nothing is throttled", name, got, to-from, want)
		for _, k := range []schedule.Kind{schedule.ListSessionsForWorker, schedule.BatchGetSession} {
			if float64(got[k]) < .95*float64(want[k]) {
				t.Errorf("%s: %d %v are answered, and %d if nothing is throttled", name, got[k], k, want[k])
			}
		}
	}
}

// If other tools use up the quota for half a second every 15 s, most of the budget is still used.
func TestBurstsOfOthers(t *testing.T) {
	for _, rate := range []float64{10, 100} {
		var began time.Time
		s := simulate(t, simulation.Config{Rate: rate, Workers: int(rate) * 30, Fault: func(now time.Time, c schedule.Call) simulation.Fault {
			if began.IsZero() {
				began = now
			}
			if now.Sub(began)%(15*time.Second) < 500*time.Millisecond {
				return simulation.Fault{Reason: schedule.Throttled}
			}
			return simulation.Fault{}
		}}, 15*time.Minute)
		n := 0
		for _, x := range s.Sent() {
			if x.At >= 5*time.Minute {
				n++
			}
		}
		used := float64(n) / 600 / rate
		t.Logf("%v requests/s: %.2f of the budget is used", rate, used)
		if used < .65 {
			t.Errorf("%v requests/s: %.2f of the budget is used", rate, used)
		}
	}
}
