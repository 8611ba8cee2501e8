// Each of these tests runs in one goroutine. The race detector would find nothing and make it six times as long.
//go:build !race

package schedule

import (
	"fmt"
	"testing"
	"time"

	"farmwire/diff"
)

// restart is a play of a process that was started beside so many workers that are shown, a third of them with an open session,
// and restored so many that do not exist any more.
func restart(live, dead int, discoveryFails bool) *play {
	p := newPlay(15*time.Second, 10, 1).add(0, live)
	forgetDue := make(map[diff.WorkerKey]time.Time)
	p.known = func(w diff.WorkerKey) Known {
		n, due := number(w), forgetDue[w]
		switch {
		case n < firstDead && n%3 == 0:
			return Known{Open: openSessions(w, 1)}
		case n < firstDead:
			return Known{}
		case due.IsZero():
			due = p.now.Add(diff.ForgetAfter)
		case !p.now.Before(due):
			return Known{Empty: true}
		}
		forgetDue[w] = due
		return Known{ForgetDue: due}
	}
	p.answer = func(c Call) Answer {
		if c.Kind == ListSessionsForWorker && isDead(c.Worker) {
			return noSuch
		}
		return lookedUp(c)
	}
	if discoveryFails {
		p.found = func(c Call) Answer { // it shows all workers, but its last page is bad
			a := p.discovered(c)
			if a.Next == "" && len(a.Workers) > 0 {
				a.Next = "1000000"
			} else if a.Next == "" {
				return refused(NoList)
			}
			return a
		}
	}
	var known []Known
	for n := firstDead; n < firstDead+dead; n++ {
		known = append(known, Known{Worker: key(n), ForgetDue: p.now})
	}
	p.schedule.Own(0, known, p.now)
	return p
}

// waits returns the mean and the longest time between two listings of workers that are shown, and how many calls were for
// dead ones.
func (p *play) waits(from time.Time) (mean, longest time.Duration, dead int) {
	n := 0
	for w, gaps := range p.gaps(from) {
		for _, gap := range gaps {
			if !isDead(w) {
				mean, longest, n = mean+gap, max(longest, gap), n+1
			}
		}
	}
	dead = p.count(func(c made) bool { return !c.at.Before(from) && isDead(c.Worker) })
	return mean / time.Duration(max(n, 1)), longest, dead
}

// After a restart, workers that do not exist any more cost those that do almost nothing, however many they are, but they get
// on.
func TestDeadWorkersAreListedFromSpareBudget(t *testing.T) {
	const due = 15 * time.Second * 9 / 10
	for _, tt := range []struct {
		live, dead     int
		discoveryFails bool
		slower         float64 // at most
		perHour        int     // listings of dead workers, at least
	}{
		{live: 300, dead: 50_000, slower: 1.2, perHour: 1_700},
		{live: 100, dead: 50_000, slower: 1.1, perHour: 4_000},                       // the budget is not used up
		{live: 300, dead: 50_000, discoveryFails: true, slower: 1.6, perHour: 8_900}, // every fourth request is for dead ones
	} {
		t.Run(fmt.Sprintf("live=%d/dead=%d/discoveryFails=%v", tt.live, tt.dead, tt.discoveryFails), func(t *testing.T) {
			p := restart(tt.live, 0, false)
			p.run(10 * time.Minute)
			from := p.now
			p.run(time.Hour)
			mean, longest, _ := p.waits(from)
			mean, longest = max(mean, due), max(longest, due) // that they are listed before is only what nothing else needs
			p = restart(tt.live, tt.dead, tt.discoveryFails)
			p.run(20 * time.Minute) // until all are due
			from = p.now
			p.run(time.Hour)
			p.check(t)
			gotMean, gotLongest, perHour := p.waits(from)
			t.Logf("workers that are shown are listed every %v, at most %v; without dead ones every %v, at most %v; %d listings of dead ones in an hour", gotMean, gotLongest, mean, longest, perHour)
			if gotMean.Seconds() > tt.slower*mean.Seconds() || gotLongest.Seconds() > tt.slower*longest.Seconds()+1 {
				t.Errorf("more than %v times slower", tt.slower)
			}
			if perHour < tt.perHour {
				t.Errorf("only %d listings of dead workers in an hour, want %d", perHour, tt.perHour)
			}
		})
	}
}

// A dead worker is listed twice, a day apart, whatever restarts there are: a restored one whose first absence is stored only
// once more.
func TestDeadWorkersAreListedTwice(t *testing.T) {
	p := restart(20, 500, false)
	p.schedule.budget = newBudget(1, p.now) // all of it is used, which would take long
	p.run(40 * time.Hour)
	p.check(t)
	if _, _, n := p.waits(time.Time{}); n != 1000 || len(p.schedule.workers) != 20 {
		t.Errorf("%d listings of 500 dead workers, and %d workers are left; want 1000 and 20", n, len(p.schedule.workers))
	}
	p = restart(20, 0, false)
	p.disown(0)
	live := p.known
	p.known = func(w diff.WorkerKey) Known {
		if isDead(w) {
			return Known{Empty: true}
		}
		return live(w)
	}
	var known []Known
	for n := firstDead; n < firstDead+500; n++ {
		known = append(known, Known{Worker: key(n), ForgetDue: p.now.Add(5 * time.Hour)})
	}
	p.schedule.Own(0, known, p.now)
	p.run(5 * time.Hour)
	if _, _, n := p.waits(time.Time{}); n != 0 {
		t.Errorf("%d listings before anything can be forgotten", n)
	}
	p.run(2 * time.Hour)
	p.check(t)
	if _, _, n := p.waits(time.Time{}); n != 500 || len(p.schedule.workers) != 20 {
		t.Errorf("%d listings of 500 dead workers, and %d workers are left; want 500 and 20", n, len(p.schedule.workers))
	}
}

// The listing of a dead worker that has many pages counts as many.
func TestPagesOfDeadWorkersCount(t *testing.T) {
	p := restart(300, 20_000, false)
	p.answer = func(c Call) Answer {
		a := lookedUp(c)
		if isDead(c.Worker) && c.Page < 5 {
			a.Next = "x"
		}
		return a
	}
	p.run(20 * time.Minute)
	from := p.now
	p.run(time.Hour)
	p.check(t)
	if _, _, n := p.waits(from); n < 1500 || n > 2000 {
		t.Errorf("%d pages of dead workers in an hour, want 1800", n)
	}
}

// A worker that cannot be listed because its fleet does not exist is listed less and less often.
func TestDeadWorkersFail(t *testing.T) {
	p := restart(20, 100, false)
	p.schedule.budget = newBudget(1, p.now) // all of it is used, which would take long
	p.answer = func(c Call) Answer {
		if isDead(c.Worker) {
			return Answer{Reason: ResourceNotFound, NotFound: "fleet"}
		}
		return lookedUp(c)
	}
	p.run(24 * time.Hour)
	p.check(t)
	if _, _, n := p.waits(time.Time{}); n > 20*100 {
		t.Errorf("%d listings of 100 dead workers in a day", n)
	}
}

// When discovery has listed everything once, what it finds later costs no pass over the workers that it does not show.
func TestPresenceBecomesKnown(t *testing.T) {
	p := restart(20, 100, false)
	if n := len(p.schedule.unknown); n != 100 {
		t.Errorf("before the first complete list the presence of %d workers is unknown, want 100", n)
	}
	p.run(time.Second)
	p.check(t)
	if n := len(p.schedule.unknown); n != 0 {
		t.Errorf("after it, the presence of %d workers is unknown", n)
	}
}

// If discovery fails after a restart, workers that are only known from snapshots are listed even if they have no open
// sessions, and also if their shard is owned later.
func TestRestartWithoutDiscovery(t *testing.T) {
	for _, kind := range []Kind{ListFarms, ListFleets, ListWorkers} {
		for _, reason := range []Reason{Denied, ServerError, Timeout, Throttled} {
			t.Run(kind.Operation()+" "+string(reason), func(t *testing.T) {
				p := newPlayOf(Config{Staleness: 5 * time.Second, Rate: 50, Shards: 2, Shard: func(id string) int { return number(diff.WorkerKey{WorkerID: id}) }}, 1)
				p.add(0, 2)
				p.found = func(c Call) Answer {
					if c.Kind == kind {
						return refused(reason)
					}
					return p.discovered(c)
				}
				listed := func(n int, from time.Time) int {
					return p.count(func(c made) bool { return c.Kind == ListSessionsForWorker && c.Worker == key(n) && !c.at.Before(from) })
				}
				p.schedule.Own(0, p.knownOf([]diff.WorkerKey{key(0)}), p.now)
				within := 100 * time.Second
				if reason == Throttled {
					within = 10 * time.Minute // a 429 is no failure until the list is given up
				}
				p.run(within)
				from := p.now
				p.run(11 * time.Second)
				if listed(0, from) < 1 {
					t.Error("the restored worker is not listed once in a staleness")
				}
				p.schedule.Own(1, p.knownOf([]diff.WorkerKey{key(1)}), p.now)
				p.run(62 * time.Second)
				p.check(t)
				if listed(1, start) == 0 {
					t.Error("the worker of the shard that is owned later was not listed")
				}
			})
		}
	}
}

// While lookups are throttled, a lookup that waits does not keep hidden workers from the budget that nothing else needs.
func TestHiddenWorkersDoNotWaitForThrottledLookups(t *testing.T) {
	p := restart(0, 1000, false)
	p.answer = func(c Call) Answer {
		switch {
		case c.Kind != ListSessionsForWorker:
			return Answer{Reason: Throttled, RetryAfter: time.Minute}
		case isDead(c.Worker):
			return noSuch
		}
		return lookedUp(c)
	}
	p.known = func(w diff.WorkerKey) Known {
		if isDead(w) {
			return Known{ForgetDue: p.now.Add(diff.ForgetAfter)}
		}
		return Known{Open: openSessions(w, 1), Unresolved: openSessions(w, 1)}
	}
	p.add(0, 1)
	p.run(11 * time.Minute) // all dead ones are due
	from := p.now
	p.run(2 * time.Minute)
	p.check(t)
	if _, _, dead := p.waits(from); dead < 200 {
		t.Errorf("%d listings of dead workers in two minutes", dead)
	}
}

// Where open sessions are not swept, a worker that disappears is listed at once, to see what has happened to its sessions, and
// before others that are due.
func TestDisappearedWorkersGoFirst(t *testing.T) {
	p := newPlay(10*time.Second, 2, 1).add(0, 100).own()
	p.run(400 * time.Second)
	f := p.schedule.farms["farm-1"]
	f.isSwept, f.off[BatchGetSession] = false, p.now.Add(time.Hour) // else their open sessions are looked up, and a listing would show nothing
	p.remove(0, 5)
	from := p.now
	lacks := func(c made) bool { return c.Kind == ListWorkers && !c.at.Before(from) }
	for p.count(lacks) == 0 {
		p.run(100 * time.Millisecond)
	}
	from = p.now
	p.run(8 * time.Second)
	p.check(t)
	listed := p.count(func(c made) bool {
		return !c.at.Before(from) && c.Kind == ListSessionsForWorker && number(c.Worker) < 5
	})
	if listed < 5 {
		t.Errorf("%d listings of five workers that have disappeared", listed)
	}
}
