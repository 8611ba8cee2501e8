// Each of these tests runs in one goroutine. The race detector would find nothing and make it six times as long.
//go:build !race

package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"farmwire/diff"

	"pgregory.net/rapid"
)

// beside is a play in which some fleets and operations fail for good.
type beside struct {
	*play
	listing, workersOf map[string]Answer // the answers of a fleet that are failures
	batch, single      Answer
	all                int // workers
}

var forGood = []Answer{{}, refused(Timeout), refused(Denied), refused(ServerError), refused(NoList), refused(ResourceNotFound)}

func newBeside(t *rapid.T) *beside {
	answer := rapid.SampledFrom(forGood)
	b := &beside{listing: make(map[string]Answer), workersOf: make(map[string]Answer)}
	b.play = newPlayOf(Config{
		Staleness: 15 * time.Second, Rate: rapid.SampledFrom([]float64{5, 20, 100}).Draw(t, "rate"),
		Shards: 2, Shard: func(id string) int { return number(diff.WorkerKey{WorkerID: id}) % 2 },
	}, rapid.Uint64().Draw(t, "seed"))
	clear(b.workers)
	for i := range 4 {
		f := fleetKey{fmt.Sprintf("farm-%d", i/2), fmt.Sprintf("fleet-%d", i)}
		if i > 0 { // the first one works
			b.listing[f.fleet] = answer.Draw(t, "ListSessionsForWorker in "+f.fleet)
			b.workersOf[f.fleet] = answer.Draw(t, "ListWorkers in "+f.fleet)
		}
		for range rapid.IntRange(1, 60).Draw(t, "workers in "+f.fleet) {
			b.workers[f] = append(b.workers[f], Worker{ID: fmt.Sprintf("worker-%d", b.all)})
			b.all++
		}
	}
	b.batch, b.single = answer.Draw(t, "BatchGetSession"), answer.Draw(t, "GetSession")
	b.known = func(w diff.WorkerKey) Known {
		open := openSessions(w, number(w)%3)
		return Known{Open: open, Unresolved: open[:len(open)/2]}
	}
	b.latency = func(c Call) time.Duration {
		if b.failure(c).Reason == Timeout {
			return 10 * time.Second
		}
		return 50 * time.Millisecond
	}
	b.answer = func(c Call) Answer { return b.unlessItFails(c, lookedUp) }
	b.found = func(c Call) Answer { return b.unlessItFails(c, b.discovered) }
	return b
}

// failure returns the failure of a call, or a good answer.
func (b *beside) failure(c Call) Answer {
	switch c.Kind {
	case ListSessionsForWorker:
		return b.listing[c.Worker.FleetID]
	case ListWorkers:
		return b.workersOf[c.Fleet]
	case BatchGetSession:
		return b.batch
	case GetSession:
		return b.single
	}
	return Answer{}
}

func (b *beside) unlessItFails(c Call, answer func(Call) Answer) Answer {
	if a := b.failure(c); !isGood(a) {
		return a
	}
	return answer(c)
}

func isGood(a Answer) bool { return a.Reason == "" }

// keys returns the workers for which the condition holds.
func (b *beside) keys(is func(diff.WorkerKey) bool) (all []diff.WorkerKey) {
	for f, workers := range b.workers {
		for _, w := range workers {
			if k := (diff.WorkerKey{FarmID: f.farm, FleetID: f.fleet, WorkerID: w.ID}); is(k) {
				all = append(all, k)
			}
		}
	}
	return all
}

func (b *beside) isHealthy(w diff.WorkerKey) bool {
	return isGood(b.listing[w.FleetID]) && isGood(b.workersOf[w.FleetID])
}

// Whatever fails for good in other fleets, farms and operations, every worker that can be listed is listed again and again, and
// the sessions that its listings lack are looked up.
func TestOthersFailForGood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBeside(t)
		for shard := range 2 {
			known := b.keys(func(w diff.WorkerKey) bool { return b.config.Shard(w.WorkerID) == shard && number(w)%3 == 0 })
			b.schedule.Own(shard, b.knownOf(known), b.now)
			b.run(5 * time.Minute)
		}
		from := b.now
		// A round with four turns for each worker, and for the sessions that are looked up one by one.
		bound := time.Duration(float64(6*b.all)/b.config.Rate*float64(time.Second)) + 45*time.Second
		b.run(3 * bound)
		if b.broken == nil {
			b.broken = consistent(b.schedule)
		}
		if b.broken != nil {
			t.Fatal(b.broken)
		}
		lookups := make(map[string]int)
		for _, c := range b.calls {
			for _, s := range c.Sessions {
				if !c.at.Before(from) && isGood(b.failure(c.Call)) {
					lookups[s.SessionID]++
				}
			}
		}
		gaps := b.gaps(from)
		for _, w := range b.keys(b.isHealthy) {
			for _, s := range b.known(w).Unresolved {
				if lookups[s.SessionID] == 0 && (isGood(b.batch) || isGood(b.single)) {
					t.Fatalf("%s was not looked up in %v", s.SessionID, 3*bound)
				}
			}
			if len(gaps[w]) == 0 {
				t.Fatalf("%v was not listed twice in %v", w, 3*bound)
			}
			for _, gap := range gaps[w] {
				if gap > bound {
					t.Fatalf("%v was not listed for %v, above %v", w, gap, bound)
				}
			}
		}
	})
}

// A worker is listed again and again although so many others fail that its fleet or all listings fail as a whole: also if these
// are workers that may not exist, or if there are so many lookups that those that failed the last time always have their turn.
func TestManyOthersFailForGood(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fleets  int  // of the others; with none they are in the worker's fleet
		isFound bool // ListWorkers shows them
	}{
		{"small fleets", 20, true}, {"small fleets that are not shown", 20, false},
		{"a large fleet", 1, true}, {"a large fleet that is not shown", 1, false}, {"the same fleet", 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayOf(Config{Farms: []string{"farm-1"}, Staleness: 15 * time.Second, Rate: 20}, 1).add(0, 1)
			var others []diff.WorkerKey
			for n := range 80 {
				w := key(100 + n)
				if tt.fleets > 0 {
					w.FleetID = fmt.Sprintf("bad-%d", n%tt.fleets)
				}
				of := fleetKey{w.FarmID, w.FleetID}
				p.workers[of] = append(p.workers[of], Worker{ID: w.WorkerID})
				others = append(others, w)
			}
			p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, number(w)%2)} }
			p.own(others...)
			p.run(time.Minute)
			p.answer = func(c Call) Answer {
				if c.Kind == BatchGetSession || c.Kind == ListSessionsForWorker && c.Worker != key(0) {
					return refused(Denied)
				}
				return lookedUp(c)
			}
			p.found = func(c Call) Answer {
				if strings.HasPrefix(c.Fleet, "bad") && !tt.isFound {
					return refused(Denied)
				}
				return p.discovered(c)
			}
			p.run(20 * time.Minute)
			p.check(t)
			last, longest := start, time.Duration(0)
			for _, c := range p.calls {
				if c.Kind == ListSessionsForWorker && c.Worker == key(0) {
					last, longest = c.at, max(longest, c.at.Sub(last))
				}
			}
			if longest = max(longest, p.now.Sub(last)); longest > 2*time.Minute {
				t.Errorf("the worker was not listed for %v", longest)
			}
		})
	}
}

// A fleet whose workers have never been listed is tried before the many workers of a fleet that fails, although the whole farm fails.
func TestNewFleetBesideOneThatFails(t *testing.T) {
	p := newPlayOf(Config{Farms: []string{"farm-1"}, Staleness: 15 * time.Second, Rate: 100}, 1)
	bad := fleetKey{"farm-1", "bad"}
	add := func(from, to int) {
		for n := from; n < to; n++ {
			p.workers[bad] = append(p.workers[bad], Worker{ID: key(n).WorkerID})
		}
	}
	p.answer = func(c Call) Answer {
		if c.Kind == ListSessionsForWorker && c.Worker.FleetID == bad.fleet {
			return refused(NoList)
		}
		return lookedUp(c)
	}
	add(100, 126)
	p.own()
	p.run(5 * time.Minute)
	add(126, 200)
	p.run(time.Minute)
	p.add(0, 1)
	from := p.now
	p.run(7 * time.Minute) // discovery takes up to 5 minutes
	p.check(t)
	var listed []time.Duration
	for _, c := range p.calls {
		if c.Kind == ListSessionsForWorker && c.Worker == key(0) {
			listed = append(listed, c.at.Sub(from))
		}
	}
	if len(listed) < 10 {
		t.Errorf("the worker of the new fleet was listed at %v", listed)
	}
}

// However many fleets fail, each by itself, their tries have at most every tenth call while others are due.
func TestTriesHaveAShare(t *testing.T) {
	p := newPlayOf(Config{Farms: []string{"farm-1"}, Staleness: 15 * time.Second, Rate: 2}, 1).add(0, 20)
	for n := range 180 {
		of := fleetKey{"farm-1", fmt.Sprintf("bad-%d", n%30)}
		p.workers[of] = append(p.workers[of], Worker{ID: key(100 + n).WorkerID})
	}
	isBad := func(c Call) bool {
		return c.Kind == ListSessionsForWorker && strings.HasPrefix(c.Worker.FleetID, "bad")
	}
	p.answer = func(c Call) Answer {
		if isBad(c) {
			return refused(Denied)
		}
		return lookedUp(c)
	}
	p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, number(w)%2)} }
	p.own()
	p.run(time.Hour)
	from := p.now
	p.run(20 * time.Minute)
	p.check(t)
	bad := p.count(func(c made) bool { return !c.at.Before(from) && isBad(c.Call) })
	all := p.count(func(c made) bool { return !c.at.Before(from) })
	if bad > all/8 || bad < 40 {
		t.Errorf("%d of %d calls were tries in fleets that fail", bad, all)
	}
}
