package poller

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"farmwire/diff"
)

const firstDead = 50_000 // the number of the first worker that is not shown

// restart is a play of a process that was started beside so many workers that are shown, a third of them with an open session,
// and restored so many that do not exist any more.
func restart(live, dead int, discoveryFails bool) *play {
	p := newPlay(15*time.Second, 10, 1)
	forgetDue := make(map[diff.WorkerKey]time.Time)
	p.sessions = func(w diff.WorkerKey) committedSessions {
		n, due := numberOf(w), forgetDue[w]
		switch {
		case n < firstDead && n%3 == 0:
			return committedSessions{open: []diff.Session{openSession(w, 0)}}
		case n < firstDead:
			return committedSessions{}
		case due.IsZero():
			due = p.now.Add(diff.ForgetAfter)
		case !p.now.Before(due):
			return committedSessions{empty: true}
		}
		forgetDue[w] = due
		return committedSessions{forgetDue: due}
	}
	p.answer = func(c call) callOutcome {
		return callOutcome{noSuchWorker: c.kind == listSessions && isDead(c.workers[0]), pages: 1}
	}
	if discoveryFails {
		target := discoveryTarget{farm: key(0).FarmID, fleet: key(0).FleetID}
		p.schedule.discovery.add(target, p.now)
		for range failingAfter {
			p.schedule.discovery.done(target, errNoList, p.now)
		}
		p.schedule.discovery.targets[target].due = p.now.Add(1000 * time.Hour)
	}
	for n := firstDead; n < firstDead+dead; n++ {
		p.schedule.addKnown(key(n), 0, committedSessions{forgetDue: p.now}, p.now)
	}
	p.add(0, live)
	if !discoveryFails {
		p.schedule.workersMissingWhere(func(diff.WorkerKey) bool { return true }, p.now)
	}
	return p
}

// numberOf is the inverse of key.
func numberOf(w diff.WorkerKey) int {
	n, err := strconv.Atoi(strings.TrimPrefix(w.WorkerID, "worker-"))
	if err != nil {
		panic(err)
	}
	return n
}

func isDead(w *scheduledWorker) bool { return numberOf(w.key) >= firstDead }

// waits returns the mean and the longest time between two listings of workers that are shown, and how many calls were for
// dead ones.
func (p *play) waits(from time.Time) (mean, longest time.Duration, dead int) {
	n := 0
	for w, gaps := range p.gaps(from) {
		for _, gap := range gaps {
			if numberOf(w) < firstDead {
				mean, longest, n = mean+gap, max(longest, gap), n+1
			}
		}
	}
	for _, c := range p.calls {
		if !c.at.Before(from) && isDead(c.workers[0]) {
			dead++
		}
	}
	return mean / time.Duration(max(n, 1)), longest, dead
}

// After a restart, workers that do not exist any more cost those that do almost nothing, however many they are, but they get
// on.
func TestDeadWorkersAreListedFromSpareBudget(t *testing.T) {
	for _, tt := range []struct {
		live           int
		discoveryFails bool
		slower         float64 // at most
		perHour        int     // listings of dead workers, at least
	}{
		{live: 300, slower: 1.1, perHour: 1_700},
		{live: 100, slower: 1.1, perHour: 4_000}, // the budget is not used up
		{live: 300, discoveryFails: true, slower: 1.45, perHour: 8_900},
	} {
		p := restart(tt.live, 0, false)
		p.run(10 * time.Minute)
		from := p.now
		p.run(time.Hour)
		mean, longest, _ := p.waits(from)
		for _, dead := range []int{50_000, 200_000} {
			t.Run(fmt.Sprintf("live=%d/dead=%d/discoveryFails=%v", tt.live, dead, tt.discoveryFails), func(t *testing.T) {
				p := restart(tt.live, dead, tt.discoveryFails)
				p.run(20 * time.Minute) // until all are due
				from := p.now
				p.run(time.Hour)
				if p.broken != nil {
					t.Fatal(p.broken)
				}
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
}

// A dead worker is listed twice, a day apart, whatever restarts there are: a restored one whose first absence is stored only
// once more.
func TestDeadWorkersAreListedTwice(t *testing.T) {
	p := restart(20, 500, false)
	p.run(40 * time.Hour)
	if _, _, n := p.waits(time.Time{}); n != 1000 || len(p.schedule.workers) != 20 {
		t.Errorf("%d listings of 500 dead workers, and %d workers are left; want 1000 and 20", n, len(p.schedule.workers))
	}
	p = restart(20, 0, false)
	due := p.now.Add(5 * time.Hour)
	forgotten := committedSessions{empty: true}
	live := p.sessions
	p.sessions = func(w diff.WorkerKey) committedSessions {
		if numberOf(w) >= firstDead {
			return forgotten
		}
		return live(w)
	}
	for n := firstDead; n < firstDead+500; n++ {
		p.schedule.addKnown(key(n), 0, committedSessions{forgetDue: due}, p.now)
	}
	p.schedule.workersMissingWhere(func(diff.WorkerKey) bool { return true }, p.now)
	p.run(5 * time.Hour)
	if _, _, n := p.waits(time.Time{}); n != 0 {
		t.Errorf("%d listings before anything can be forgotten", n)
	}
	p.run(2 * time.Hour)
	if _, _, n := p.waits(time.Time{}); n != 500 || len(p.schedule.workers) != 20 {
		t.Errorf("%d listings of 500 dead workers, and %d workers are left; want 500 and 20", n, len(p.schedule.workers))
	}
}

// The listing of a dead worker that has many pages counts as many.
func TestPagesOfDeadWorkersCount(t *testing.T) {
	p := restart(300, 20_000, false)
	answer := p.answer
	p.answer = func(c call) callOutcome {
		o := answer(c)
		if isDead(c.workers[0]) {
			o.noSuchWorker, o.pages = false, 5
		}
		return o
	}
	p.run(20 * time.Minute)
	from := p.now
	p.run(time.Hour)
	if _, _, n := p.waits(from); n < 300 || n > 400 {
		t.Errorf("%d listings of five pages of dead workers in an hour, want 1800/5", n)
	}
}

// A worker that cannot be listed because its fleet does not exist is listed less and less often.
func TestDeadWorkersFail(t *testing.T) {
	p := restart(20, 100, false)
	p.answer = func(c call) callOutcome {
		if isDead(c.workers[0]) {
			return callOutcome{err: &attemptError{ReasonNotFound, errors.New("404")}}
		}
		return callOutcome{}
	}
	p.run(24 * time.Hour)
	if _, _, n := p.waits(time.Time{}); n > 20*100 {
		t.Errorf("%d listings of 100 dead workers in a day", n)
	}
}

// When discovery has listed everything once, what it finds later costs no pass over the workers that it does not show.
func TestDiscoveryOfManyDeadWorkers(t *testing.T) {
	p := restart(20, 100, true)
	if n := len(p.schedule.unknown); n != 100 {
		t.Errorf("before the first complete list the presence of %d workers is unknown, want 100", n)
	}
	p.schedule.addKnown(key(5), 0, committedSessions{}, p.now)
	p.schedule.workersMissingWhere(func(diff.WorkerKey) bool { return true }, p.now)
	if n := len(p.schedule.unknown); n != 0 {
		t.Errorf("after it, the presence of %d workers is unknown", n)
	}
	p.schedule.addKnown(key(1000), 0, committedSessions{}, p.now)
	p.schedule.addKnown(key(1001), 0, committedSessions{}, p.now)
	p.add(1000, 1001)
	p.schedule.disown(0)
	if n := len(p.schedule.unknown); n != 0 {
		t.Errorf("the presence of %d workers is unknown", n)
	}
}

// While lookups are throttled, a lookup that waits does not keep hidden workers from the budget that nothing else needs.
func TestHiddenWorkersDoNotWaitForThrottledLookups(t *testing.T) {
	p := newPlay(15*time.Second, 10, 1)
	p.schedule.addKnown(key(firstDead), 0, committedSessions{forgetDue: p.now.Add(-time.Hour)}, p.now)
	lost := key(0)
	sessions := []diff.Session{openSession(lost, 0)}
	p.schedule.addKnown(lost, 0, committedSessions{open: sessions, unresolved: sessions}, p.now)
	p.schedule.workers[lost].listingDue = p.now.Add(time.Hour)
	p.schedule.rest(p.schedule.workers[lost], p.now)
	p.schedule.workersMissingWhere(func(w diff.WorkerKey) bool { return w == key(firstDead) }, p.now)
	earliest := startTimes{listSessions: p.now, lookUpBatch: p.now.Add(time.Hour), lookUpSingle: p.now.Add(time.Hour)}
	if c, wake := p.schedule.next(p.now, &earliest); c.kind != listSessions || !isDead(c.workers[0]) {
		t.Errorf("call %+v, wake %v", c, wake)
	}
}
