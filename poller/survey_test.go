package poller

import (
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"
	"farmwire/poller/schedule"
)

// Workers that were never listed are counted, and their age counts from when they were first shown.
func TestNeverListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		for range 599 {
			world.fleet.AddWorker()
		}
		w := watch(t, directClient(direct{handler: world}), Config{Rate: 10})
		time.Sleep(11 * time.Second)
		s := w.poller.State()
		if s.Watched != 600 || s.NeverListed < 450 || s.NeverListed > 600 || s.OldestNeverListed < 4*time.Second || s.OldestListing < s.OldestNeverListed {
			t.Errorf("after 11 s: %d of %d workers were never listed, the oldest for %v; the oldest listing is %v old", s.NeverListed, s.Watched, s.OldestNeverListed, s.OldestListing)
		}
		if s.ListingPages != 600 || s.Share != 10 || s.Staleness != 15*time.Second || s.DiscoveryRate < 0.2 || s.DiscoveryRate > 0.3 {
			t.Errorf("%d pages, %v requests a second, %v, discovery %v", s.ListingPages, s.Share, s.Staleness, s.DiscoveryRate)
		}
		time.Sleep(3 * time.Minute)
		if s := w.poller.State(); s.NeverListed != 0 || s.OldestNeverListed != 0 {
			t.Errorf("after 3 minutes %d workers were never listed", s.NeverListed)
		}
	})
}

// If no listing is answered, the ages grow, and the operation is told to give no usable answer.
func TestListingsDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		world.SetFaults(farmtest.Fault{Kind: farmtest.Denied, Operation: farmtest.ListSessionsForWorker})
		w := watch(t, directClient(direct{handler: world}), testConfig)
		time.Sleep(10 * time.Minute)
		s := w.poller.State()
		if s.NeverListed != 1 || s.OldestNeverListed < 9*time.Minute || s.OldestListing < 9*time.Minute {
			t.Errorf("%d never listed, for %v; the oldest listing is %v old", s.NeverListed, s.OldestNeverListed, s.OldestListing)
		}
		if len(s.Failing) != 1 || s.Failing[0].Operation != "ListSessionsForWorker" || s.Failing[0].For < 9*time.Minute || s.Failing[0].Reason != schedule.Denied {
			t.Errorf("operations without a usable answer: %+v", s.Failing)
		}
	})
}

// Open sessions that were restored count as not asked for until a listing or a lookup of them is done. An answer that tells
// nothing counts, and no answer does not.
func TestUnaskedSessions(t *testing.T) {
	for name, c := range map[string]struct {
		denied  []farmtest.Operation
		deleted bool
	}{
		"listed":                 {},
		"the worker was deleted": {deleted: true},
		"listings denied":        {denied: []farmtest.Operation{farmtest.ListSessionsForWorker}},
		"everything denied":      {denied: []farmtest.Operation{farmtest.ListSessionsForWorker, farmtest.BatchGetSession, farmtest.GetSession}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newWorld(farmtest.Config{})
				open := world.worker.StartSession(nil)
				key := diff.WorkerKey{FarmID: world.farm.ID(), FleetID: world.fleet.ID(), WorkerID: world.worker.ID()}
				r := diff.NewRestorer()
				r.Put(diff.Record{Sequence: 1, Seen: time.Now(), Session: diff.Session{
					WorkerKey: key, QueueID: open.Job().QueueID(), JobID: open.Job().ID(), SessionID: open.ID(),
					LifecycleStatus: diff.StatusStarted, StartedAt: open.StartedAt(),
				}})
				if c.deleted {
					world.worker.Delete()
				}
				world.SetFaults(farmtest.Fault{Kind: farmtest.Unavailable})
				w := watch(t, directClient(direct{handler: world}), testConfig, r.Snapshots(func(string) diff.Watch { return diff.Watch{Since: time.Now()} })[key])
				synctest.Wait()
				if s := w.poller.State(); s.Unasked[0] != 1 {
					t.Errorf("right after the restore %v are not asked for", s.Unasked)
				}
				time.Sleep(3 * time.Second)
				if s := w.poller.State(); s.Unasked[0] != 1 {
					t.Errorf("without an answer %v are not asked for", s.Unasked)
				}
				var faults []farmtest.Fault
				for _, operation := range c.denied {
					faults = append(faults, farmtest.Fault{Kind: farmtest.Denied, Operation: operation})
				}
				world.SetFaults(faults...)
				time.Sleep(2 * time.Minute)
				if s := w.poller.State(); len(s.Unasked) != 0 {
					t.Errorf("%v are not asked for", s.Unasked)
				}
			})
		})
	}
}

// BatchGetSession is tried soon after the start, although no session needs it, and GetSession if that is denied. So missing
// permissions are known at once.
func TestTrials(t *testing.T) {
	for name, c := range map[string]struct {
		denied        farmtest.Operation
		batch, single uint64 // answered
	}{
		"allowed":      {batch: 1},
		"batch denied": {denied: farmtest.BatchGetSession, single: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newWorld(farmtest.Config{})
				if c.denied != "" {
					world.SetFaults(farmtest.Fault{Kind: farmtest.Denied, Operation: c.denied})
				}
				w := watch(t, directClient(direct{handler: world}), testConfig)
				time.Sleep(time.Minute)
				if s := w.poller.State(); s.SessionSeen || s.Operations["BatchGetSession"].Answered+s.Operations["GetSession"].Answered > 0 {
					t.Errorf("before there is a session: %+v", s.Operations)
				}
				world.worker.StartSession(nil)
				time.Sleep(time.Minute)
				s := w.poller.State()
				if !s.SessionSeen || s.Operations["BatchGetSession"].Answered != c.batch || s.Operations["GetSession"].Answered != c.single {
					t.Errorf("%+v", s.Operations)
				}
				if denied := len(s.Failing) == 1 && s.Failing[0].Operation == "BatchGetSession"; denied != (c.denied != "") {
					t.Errorf("operations without a usable answer: %+v", s.Failing)
				}
				time.Sleep(2*time.Hour + time.Minute)
				s = w.poller.State()
				if s.Operations["BatchGetSession"].Answered != 3*c.batch || s.Operations["GetSession"].Answered < 3*c.single || s.Operations["GetSession"].Answered > 4*c.single {
					t.Errorf("two hours later: %+v", s.Operations)
				}
				if n := len(w.all()); n == 0 || w.all()[n-1].Source == diff.Answers {
					t.Error("a trial gave an observation")
				}
			})
		})
	}
}

// A farm without a fleet is named, and a farm of the configuration that does not exist.
func TestFarmsThatLack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		empty := world.Cloud().AddFarm("empty")
		w := watch(t, directClient(direct{handler: world}), testConfig)
		config := testConfig
		config.Farms = []string{"farm-of-nobody", empty.ID()}
		other := watch(t, directClient(direct{handler: world}), config)
		time.Sleep(time.Minute)
		if s := w.poller.State(); len(s.EmptyFarms) != 1 || s.EmptyFarms[0] != empty.ID() || len(s.MissingFarms) > 0 {
			t.Errorf("empty %v, missing %v", s.EmptyFarms, s.MissingFarms)
		}
		if s := other.poller.State(); len(s.MissingFarms) != 1 || s.MissingFarms[0] != "farm-of-nobody" {
			t.Errorf("missing %v", s.MissingFarms)
		}
	})
}

// The throttled part of the attempts is that of the last five minutes.
func TestThrottledRatio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o operations
		if r := o.throttledRatio(time.Now()); r != 0 {
			t.Errorf("%v without an attempt", r)
		}
		for range 3 {
			o.note(schedule.ListFarms, "", time.Now())
		}
		o.note(schedule.ListFarms, schedule.Throttled, time.Now())
		if r := o.throttledRatio(time.Now()); r != 0.25 {
			t.Errorf("%v, want 0.25", r)
		}
		time.Sleep(4 * time.Minute)
		o.note(schedule.ListFarms, "", time.Now())
		if r := o.throttledRatio(time.Now()); r != 0.2 {
			t.Errorf("%v, want 0.2", r)
		}
		time.Sleep(2 * time.Minute)
		if r := o.throttledRatio(time.Now()); r != 0 {
			t.Errorf("%v after six minutes", r)
		}
	})
}
