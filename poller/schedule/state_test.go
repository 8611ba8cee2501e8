package schedule

import (
	"testing"
	"time"

	"farmwire/diff"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The State counts what was found, and names a configured fleet that is in no farm and a list that fails.
func TestState(t *testing.T) {
	p := newPlayOf(Config{Fleets: []string{"fleet-1", "fleet-of-no-farm"}, Staleness: 15 * time.Second, Rate: 50}, 1).add(0, 2)
	p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, number(w)), OldestLook: p.now} }
	p.own()
	if s := p.schedule.State(p.now); s.Shards != 1 || s.Targets != 1 || s.PendingTargets != 1 || s.Searched {
		t.Errorf("of a shard that was just owned: %+v", s)
	}
	p.run(40 * time.Second)
	p.found = func(c Call) Answer {
		if c.Kind == ListFarms {
			return refused(Denied)
		}
		return p.discovered(c)
	}
	p.run(34 * time.Second)
	p.check(t)
	s := p.schedule.State(p.now)
	for what, age := range map[string]time.Duration{"listing": s.OldestListing, "look": s.OldestLook} {
		if age <= 0 || age > 20*time.Second {
			t.Errorf("the oldest %s is %v old", what, age)
		}
	}
	if len(s.Discovery) != 1 || s.Discovery[0].Failures == 0 {
		t.Errorf("failing discovery: %+v", s.Discovery)
	}
	if s.DiscoveryRound < 27*time.Second || s.DiscoveryRound > 40*time.Second {
		t.Errorf("a round of discovery takes %v", s.DiscoveryRound)
	}
	want := State{
		Counts:  Counts{Answered: true, FarmShown: true, Shards: 1, Farms: 1, Fleets: 1, Workers: 2, OpenSessions: 1},
		Targets: 3, Searched: true, MissingFleets: []string{"fleet-of-no-farm"}, Discovery: []DiscoveryFailure{{Operation: "ListFarms", Reason: Denied}},
		Strategy: RoundRobin, Watched: 2, ListingPages: 2, Unasked: map[int]int{}, Share: 50, Staleness: 15 * time.Second, DiscoveryRate: 0.1,
		Uses:            map[Kind]bool{ListFarms: true, ListFleets: true, ListWorkers: true, ListSessionsForWorker: true},
		WorkersByStatus: map[FleetStatus]int{{"fleet-1", "RUNNING"}: 2}, OpenByFleet: map[string]int{"fleet-1": 1},
	}
	if diff := cmp.Diff(want, s, cmpopts.IgnoreFields(State{}, "OldestListing", "OldestLook", "DiscoveryRound", "Paces"), cmpopts.IgnoreFields(DiscoveryFailure{}, "Failures")); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	for k := ListFarms; k < kinds; k++ {
		if s.Paces[k] != 50 {
			t.Errorf("the pace of %s is %v", k.Operation(), s.Paces[k])
		}
	}
	p.disown(0)
	if s := p.schedule.State(p.now); s.Targets != 0 || s.WorkersByStatus != nil || s.Workers != 0 || s.OpenSessions != 0 || s.Share != 0 {
		t.Errorf("without a shard: %+v", s)
	}
}

// Where the statuses of workers are swept, discovery takes a small part of a small budget.
func TestDiscoveryRate(t *testing.T) {
	p := newPlay(15*time.Second, 1, 1).add(0, 600).own()
	p.run(time.Minute)
	if rate := p.schedule.State(p.now).DiscoveryRate; rate < 0.049 || rate > 0.051 {
		t.Errorf("%v requests a second", rate)
	}
	lists := 0
	from := p.now
	p.run(10 * time.Minute)
	for _, c := range p.calls {
		if c.Kind == ListWorkers && c.at.After(from) {
			lists++
		}
	}
	if lists < 20 || lists > 40 {
		t.Errorf("%d requests in ten minutes", lists)
	}
}

// Workers that were never listed are counted, and their age counts from when they were first shown.
func TestNeverListed(t *testing.T) {
	p := newPlay(15*time.Second, 10, 1).add(0, 600).own()
	p.run(11 * time.Second)
	s := p.schedule.State(p.now)
	if s.Watched != 600 || s.NeverListed < 450 || s.NeverListed > 600 || s.OldestNeverListed < 4*time.Second || s.OldestListing < s.OldestNeverListed {
		t.Errorf("after 11 s: %d of %d workers were never listed, the oldest for %v; the oldest listing is %v old", s.NeverListed, s.Watched, s.OldestNeverListed, s.OldestListing)
	}
	if s.ListingPages != 600 || s.Share != 10 || s.DiscoveryRate < 0.19 || s.DiscoveryRate > 0.3 {
		t.Errorf("%d pages, %v requests a second, discovery %v", s.ListingPages, s.Share, s.DiscoveryRate)
	}
	p.run(3 * time.Minute)
	p.check(t)
	if s := p.schedule.State(p.now); s.NeverListed != 0 || s.OldestNeverListed != 0 {
		t.Errorf("after 3 minutes %d workers were never listed", s.NeverListed)
	}
}

// If no listing is answered, the ages grow, and the workers are named with the reason, each once.
func TestListingsDenied(t *testing.T) {
	p := newPlay(15*time.Second, 10, 1).add(0, 50)
	p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, 1), OldestLook: start} }
	p.answer = func(c Call) Answer {
		if c.Kind == ListSessionsForWorker {
			return refused(Denied)
		}
		return lookedUp(c)
	}
	p.own(key(0), key(1))
	p.run(10 * time.Minute)
	p.check(t)
	s := p.schedule.State(p.now)
	if s.NeverListed != 50 || s.OldestNeverListed < 9*time.Minute || s.OldestListing < 9*time.Minute || s.OldestLook < 9*time.Minute {
		t.Errorf("%d never listed, for %v; the oldest listing is %v old, the oldest look %v", s.NeverListed, s.OldestNeverListed, s.OldestListing, s.OldestLook)
	}
	if s.UnlistedCount != 50 || len(s.Unlisted) != maxUnlisted || s.Unlisted[0].WorkerKey != key(0) || s.Unlisted[9].WorkerKey != key(9) || s.Unlisted[9].Reason != Denied {
		t.Errorf("%d unlisted workers: %+v", s.UnlistedCount, s.Unlisted)
	}
	if n := p.kinds(); n[BatchGetSession] < 30 || n[ListSessionsForWorker] > 300 {
		t.Errorf("calls: %v", n) // the sessions of the first two are known, and looked up
	}
	p.answer = lookedUp
	p.run(2 * time.Minute)
	p.check(t)
	if s := p.schedule.State(p.now); s.UnlistedCount != 0 || s.NeverListed != 0 {
		t.Errorf("after listings work again: %d unlisted, %d never listed", s.UnlistedCount, s.NeverListed)
	}
	for begins, ends := range map[NoteKind]NoteKind{ScopeFails: ScopeWorks, WorkerFails: WorkerWorks} {
		if a, b := p.countNotes(begins), p.countNotes(ends); a != b || begins == ScopeFails && a == 0 {
			t.Errorf("%d notes that something fails, %d that it works again", a, b)
		}
	}
}

// A worker of a scope that fails as a whole has the scope's reason, even if it was never tried itself.
func TestUnlistedForTheReasonOfAScope(t *testing.T) {
	p := newPlayOf(Config{Staleness: 15 * time.Second, Rate: 10}, 1).add(0, 100)
	p.workers[fleetKey{"farm-2", "fleet-2"}] = []Worker{{ID: key(0).WorkerID + "0"}}
	p.answer = func(Call) Answer { return refused(NoList) }
	p.own()
	p.run(20 * time.Second)
	p.workers[fleetKey{"farm-2", "fleet-3"}] = []Worker{{ID: "worker-0"}}
	p.run(40 * time.Second)
	p.check(t)
	s := p.schedule.State(p.now)
	if s.UnlistedCount != 102 || s.Unlisted[0].WorkerID != "worker-0" {
		t.Errorf("%d are unlisted", s.UnlistedCount)
	}
	for _, w := range s.Unlisted {
		if w.Reason != NoList {
			t.Errorf("%+v", w)
		}
	}
}

// Open sessions that were restored count as not asked for until a listing or a lookup of them is done. An answer that tells
// nothing counts, and no answer does not.
func TestUnaskedSessions(t *testing.T) {
	for name, c := range map[string]struct {
		denied  []Kind
		deleted bool
	}{
		"listed":                 {},
		"the worker was deleted": {deleted: true},
		"listings denied":        {denied: []Kind{ListSessionsForWorker}},
		"batches denied":         {denied: []Kind{BatchGetSession}},
		"everything denied":      {denied: []Kind{ListSessionsForWorker, BatchGetSession, GetSession}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(15*time.Second, 10, 1)
			if !c.deleted {
				p.add(0, 1)
			}
			p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, 2)} }
			p.own(key(0))
			if s := p.schedule.State(p.now); s.Unasked[0] != 2 {
				t.Errorf("right after the restore %v are not asked for", s.Unasked)
			}
			for _, reason := range []Reason{ServerError, Timeout, Connection, Throttled, Credentials, Unfetched} {
				p.answer = func(Call) Answer { return refused(reason) }
				p.found = p.answer
				p.run(20 * time.Second)
				if s := p.schedule.State(p.now); s.Unasked[0] != 2 {
					t.Errorf("%s: without an answer %v are not asked for", reason, s.Unasked)
				}
			}
			p.found = p.discovered
			p.answer = func(x Call) Answer {
				for _, kind := range c.denied {
					if kind == x.Kind {
						return refused(Denied)
					}
				}
				if x.Kind == ListSessionsForWorker && c.deleted {
					return noSuch
				}
				return lookedUp(x)
			}
			p.run(2 * time.Minute)
			p.check(t)
			if s := p.schedule.State(p.now); len(s.Unasked) != 0 {
				t.Errorf("%v are not asked for", s.Unasked)
			}
		})
	}
}

// A farm without a fleet is named, and a farm of the Config that does not exist.
func TestFarmsThatLack(t *testing.T) {
	p := newPlayOf(Config{Farms: []string{"farm-of-nobody", "farm-2"}, Staleness: 15 * time.Second, Rate: 10}, 1)
	p.found = func(c Call) Answer {
		if c.Kind == ListFleets && c.Farm == "farm-2" {
			return Answer{}
		}
		return p.discovered(c)
	}
	p.own()
	p.run(time.Minute)
	p.check(t)
	if s := p.schedule.State(p.now); !cmp.Equal(s.MissingFarms, []string{"farm-of-nobody"}) || s.Farms != 1 || s.PendingTargets != 1 || s.EmptyFarms != nil {
		t.Errorf("missing %v, %d farms, %d pending, empty %v", s.MissingFarms, s.Farms, s.PendingTargets, s.EmptyFarms)
	}
	p = newPlayOf(Config{Staleness: 15 * time.Second, Rate: 10}, 1)
	p.found = func(c Call) Answer {
		if c.Kind == ListFarms {
			return Answer{Farms: []string{"farm-1", "farm-2"}}
		}
		return p.discovered(c)
	}
	found := p.found
	p.found = func(c Call) Answer {
		if c.Farm == "farm-2" {
			return Answer{}
		}
		return found(c)
	}
	p.own()
	p.run(time.Minute)
	p.check(t)
	if s := p.schedule.State(p.now); !cmp.Equal(s.EmptyFarms, []string{"farm-2"}) || s.Farms != 2 {
		t.Errorf("empty %v of %d farms", s.EmptyFarms, s.Farms)
	}
}

// A fleet that ListFleets has shown counts although its workers cannot be listed; one that only the Config names does not.
func TestFleetsThatCannotBeListed(t *testing.T) {
	for _, c := range []struct {
		config   Config
		restored int // workers
		want     int
	}{
		{Config{}, 0, 1}, {Config{Farms: []string{"farm-1"}}, 0, 1}, {Config{Farms: []string{"farm-1"}}, 1, 1},
		{Config{Farms: []string{"farm-1"}, Fleets: []string{"fleet-1"}}, 0, 0}, {Config{Farms: []string{"farm-1"}, Fleets: []string{"fleet-1"}}, 1, 0},
	} {
		c.config.Staleness, c.config.Rate = 15*time.Second, 10
		p := newPlayOf(c.config, 1)
		p.found = func(c Call) Answer {
			if c.Kind == ListWorkers {
				return refused(Denied)
			}
			return p.discovered(c)
		}
		p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, 1)} }
		p.own([]diff.WorkerKey{key(0)}[:c.restored]...)
		p.run(time.Minute)
		p.check(t)
		if n := p.schedule.Counts().Fleets; n != c.want {
			t.Errorf("%v, %v, %d restored: %d fleets, want %d", c.config.Farms, c.config.Fleets, c.restored, n, c.want)
		}
	}
}

// Refused credentials pause everything for some seconds, and are told until others are accepted.
func TestCredentials(t *testing.T) {
	for _, reason := range []Reason{Credentials, Unfetched} {
		p := newPlay(15*time.Second, 10, 1).add(0, 100).own()
		p.run(20 * time.Second)
		good := p.answer
		p.answer = func(Call) Answer { return refused(reason) }
		p.found = p.answer
		p.run(time.Second)
		before := len(p.calls)
		p.run(time.Minute)
		if n := len(p.calls) - before; n < 8 || n > 16 {
			t.Errorf("%s: %d requests in a minute", reason, n)
		}
		if s := p.schedule.State(p.now); s.CredentialsRefused != (reason == Credentials) || s.CredentialsUnavailable != (reason == Unfetched) {
			t.Errorf("%s: %v, %v", reason, s.CredentialsRefused, s.CredentialsUnavailable)
		}
		p.answer, p.found = good, p.discovered
		p.run(30 * time.Second)
		p.check(t)
		if s := p.schedule.State(p.now); s.CredentialsRefused || s.CredentialsUnavailable || s.UnlistedCount > 0 {
			t.Errorf("%s: with good credentials: %+v", reason, s)
		}
	}
}
