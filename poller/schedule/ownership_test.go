package schedule

import (
	"testing"
	"time"

	"farmwire/diff"
)

// twoShards is a Config of one fleet whose workers are in shard 0 if their numbers are even, and else in shard 1.
func twoShards(rate float64) Config {
	return Config{
		Farms: []string{"farm-1"}, Fleets: []string{"fleet-1"}, Staleness: 15 * time.Second, Rate: rate,
		Shards: 2, Shard: func(id string) int { return number(diff.WorkerKey{WorkerID: id}) % 2 },
	}
}

// A fleet that cannot be listed keeps no worker of a shard from its second listing: also if another shard, which is owned
// already, could use the whole budget.
func TestFailingFleetDelaysNoSecondListing(t *testing.T) {
	p := newPlayOf(Config{Staleness: 15 * time.Second, Rate: 5, Shards: 2, Shard: func(id string) int {
		return number(diff.WorkerKey{WorkerID: id}) % 2
	}}, 1)
	p.add(0, 200)
	bad := fleetKey{"farm-1", "fleet-2"}
	for n := range 200 {
		p.workers[bad] = append(p.workers[bad], Worker{ID: key(1000 + n).WorkerID})
	}
	p.schedule.Own(0, nil, p.now)
	p.run(10 * time.Minute)
	p.answer = func(c Call) Answer {
		if c.Kind == ListSessionsForWorker && c.Worker.FleetID == bad.fleet {
			return refused(Denied)
		}
		return lookedUp(c)
	}
	p.run(5 * time.Minute)
	p.schedule.Own(1, nil, p.now)
	p.run(5 * time.Minute)
	from := p.now
	p.run(10 * time.Minute)
	p.check(t)
	var perShard [2]int
	for _, c := range p.calls {
		if c.Kind == ListSessionsForWorker && !c.at.Before(from) && c.Worker.FleetID != bad.fleet {
			perShard[c.Shards[0]]++
		}
	}
	if perShard[1] < perShard[0]*9/10 {
		t.Errorf("listings of two shards with as many workers: %v", perShard)
	}
}

// Restored open sessions go before lookups that have waited for their turn.
func TestRestoredSessionsGoBeforeOtherLookups(t *testing.T) {
	p := newPlayOf(twoShards(1), 1)
	p.known = func(w diff.WorkerKey) Known {
		open := openSessions(w, 1)
		if number(w)%2 == 0 {
			return Known{Open: open, Unresolved: open}
		}
		return Known{Open: open}
	}
	p.add(0, 120)
	p.schedule.Own(0, p.knownOf([]diff.WorkerKey{key(0), key(2)}), p.now)
	for try := range 10 {
		p.run(time.Minute + time.Duration(try)*1300*time.Millisecond)
		p.schedule.Own(1, p.knownOf([]diff.WorkerKey{key(1), key(3)}), p.now)
		before := len(p.calls)
		p.run(5 * time.Second)
		p.check(t)
		if c := p.calls[before]; c.Kind != BatchGetSession || len(c.Shards) == 0 {
			t.Errorf("try %d: the first call is %s of %d sessions", try, c.Kind.Operation(), len(c.Sessions))
		}
		p.disown(1)
	}
}

// A list of discovery that is under way when the last shard is disowned does not keep the schedule from asking for a farm, and
// begins anew when a shard is owned again.
func TestListUnderWayEndsWithTheLastShard(t *testing.T) {
	p := newPlay(15*time.Second, 10, 1).add(0, 300)
	p.found = func(c Call) Answer { return refused(ServerError) }
	p.own()
	p.run(80 * time.Millisecond) // the first request has failed, and the second waits
	p.disown(0)
	before := len(p.calls)
	p.run(10 * time.Second)
	if n := len(p.calls) - before; n < 8 {
		t.Errorf("%d requests in ten seconds until a farm is shown", n)
	}
	p.found = func(c Call) Answer {
		if c.Page == 2 {
			return refused(Throttled)
		}
		return p.discovered(c)
	}
	p.own()
	p.run(2 * time.Second) // the second page is throttled
	p.disown(0)
	p.run(time.Hour)
	p.found = p.discovered
	p.own()
	before = len(p.calls)
	p.run(time.Second)
	p.check(t)
	for _, c := range p.calls[before:] {
		if c.Kind == ListWorkers {
			if c.Page != 1 {
				t.Errorf("the list goes on with page %d", c.Page)
			}
			return
		}
	}
	t.Error("the list is not asked for")
}

// Until a usable answer shows a farm, a schedule without a shard makes its first call about once a second, and none after that.
func TestFirstCall(t *testing.T) {
	for what, config := range map[string]Config{
		"all": {}, "farm": {Farms: []string{"farm-1"}}, "fleet": {Farms: []string{"farm-1"}, Fleets: []string{"fleet-1"}},
	} {
		t.Run(what, func(t *testing.T) {
			config.Rate, config.Staleness, config.Shards = 10, 15*time.Second, 2
			for _, reason := range allReasons {
				p := newPlayOf(config, 1).add(0, 250)
				p.found = func(Call) Answer { return refused(reason) }
				p.run(time.Minute)
				least := 50
				switch reason {
				case Credentials, Unfetched:
					least = 11 // there is a pause
				case Throttled:
					least = 8 // the pace falls
				}
				if n := len(p.calls); n < least || n > 61 {
					t.Errorf("%s: %d requests in a minute", reason, n)
				}
				if s := p.schedule.State(p.now); s.Answered || s.FarmShown || s.LastFailure != reason {
					t.Errorf("state: %+v", s.Counts)
				}
				p.found = p.discovered
				p.run(12 * time.Second)
				before := len(p.calls)
				p.run(time.Hour)
				p.check(t)
				if n := len(p.calls) - before; n > 0 {
					t.Errorf("%s: %d requests after the answer", reason, n)
				}
				if s := p.schedule.State(p.now); !s.Answered || !s.FarmShown || s.LastFailure != "" {
					t.Errorf("state: %+v", s.Counts)
				}
			}
		})
	}
}

// As long as ListFarms shows no farm, it is asked as often as discovery asks.
func TestNoFarm(t *testing.T) {
	p := newPlayOf(Config{Rate: 10, Staleness: 15 * time.Second}, 1)
	clear(p.workers)
	p.run(10*time.Minute + 10*time.Second)
	if n := len(p.calls); n < 20 || n > 22 {
		t.Errorf("%d requests in ten minutes", n)
	}
	if s := p.schedule.Counts(); !s.Answered || s.FarmShown || s.LastFailure != "" {
		t.Errorf("%+v", s)
	}
	p.add(0, 1)
	p.run(31 * time.Second)
	before := len(p.calls)
	p.run(time.Hour)
	p.check(t)
	if s := p.schedule.Counts(); !s.FarmShown || len(p.calls) > before {
		t.Errorf("%+v, %d requests after a farm was shown", s, len(p.calls)-before)
	}
}

// The first call keeps to the budget of one shard. When a shard is owned after that, discovery begins.
func TestFirstCallsKeepToTheBudget(t *testing.T) {
	p := newPlayOf(Config{Farms: []string{"farm-1"}, Fleets: []string{"fleet-1"}, Rate: 1, Staleness: 15 * time.Second, Shards: 12}, 1).add(0, 250)
	p.found = func(Call) Answer { return refused(ServerError) }
	p.run(10 * time.Minute)
	if n := len(p.calls); n > 52 {
		t.Errorf("%d requests in 600 s with a twelfth of 1 a second", n)
	}
	p.found = p.discovered
	p.calls = nil
	p.run(10 * time.Minute)
	if n := len(p.calls); n != 1 {
		t.Errorf("%d requests after the answer", n)
	}
	p.own()
	p.run(2 * time.Minute)
	p.check(t)
	if n := p.schedule.Counts().Fleets; n != 1 || len(p.calls) < 4 {
		t.Errorf("%d fleets found, %d requests", n, len(p.calls))
	}
}

// Workers that do not exist any more keep no worker of a shard from its second listing, also if they had open sessions when the
// shard was owned.
func TestDeadWorkersDelayNoSecondListing(t *testing.T) {
	p := newPlayOf(twoShards(10), 1).add(0, 300)
	p.schedule.Own(0, nil, p.now)
	p.run(5 * time.Minute)
	var known []Known
	for n := firstDead + 1; n < firstDead+1000; n += 2 {
		known = append(known, Known{Worker: key(n), Open: openSessions(key(n), 1)})
	}
	p.schedule.Own(1, known, p.now) // the sessions have ended, as lookups find
	p.run(2 * time.Minute)
	from := p.now
	p.run(3 * time.Minute)
	p.check(t)
	var perShard [2]int
	for _, c := range p.calls {
		if c.Kind == ListSessionsForWorker && !c.at.Before(from) && !isDead(c.Worker) {
			perShard[c.Shards[0]]++
		}
	}
	if perShard[1] < perShard[0]*9/10 {
		t.Errorf("listings of two shards with as many workers: %v", perShard)
	}
}
