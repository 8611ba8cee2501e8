package poller

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/poller/farmtest"
	"farmwire/poller/schedule"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// isFine reports whether nothing keeps a Poller from observing everything.
func isFine(s State) bool {
	return s.Phase == Polling && s.Answered && len(s.Discovery) == 0 && s.PendingTargets == 0 && len(s.MissingFleets) == 0 &&
		!s.CredentialsRefused && s.UnlistedCount == 0 && s.LookupsFailing == 0
}

// The State counts what was found and how the requests ended, and names a configured fleet that is in no farm.
func TestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		world.worker.StartSession(nil)
		world.fleet.AddWorker()
		config := testConfig
		config.Fleets = []string{world.fleet.ID(), "fleet-of-no-farm"}
		var denied atomic.Bool
		h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if denied.Load() && strings.HasSuffix(r.URL.Path, "/farms") {
				rw.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
				rw.WriteHeader(http.StatusForbidden)
				return
			}
			world.ServeHTTP(rw, r)
		})
		w := watch(t, directClient(direct{handler: h}), config)
		time.Sleep(40 * time.Second)
		denied.Store(true)
		time.Sleep(35 * time.Second)
		s := w.poller.State()
		const often = 2 * time.Second // the budget is always used, and a second passes at least between two listings of a worker
		if s.OldestListing <= 0 || s.OldestListing > often {
			t.Errorf("the oldest listing is %v old", s.OldestListing)
		}
		farms := s.Operations["ListFarms"]
		if farms.Answered == 0 || farms.Failed[schedule.Denied] == 0 || len(farms.Failed) != 1 {
			t.Errorf("ListFarms: %+v", farms)
		}
		if sessions := s.Operations["ListSessionsForWorker"]; sessions.Answered < 2*uint64(time.Minute/often) || len(sessions.Failed) > 0 {
			t.Errorf("ListSessionsForWorker: %+v", sessions)
		}
		if len(s.Discovery) != 1 || s.Discovery[0].Operation != "ListFarms" || s.Discovery[0].Failures == 0 || s.Discovery[0].Reason != schedule.Denied {
			t.Errorf("failing discovery: %+v", s.Discovery)
		}
		if len(s.Failing) != 1 || s.Failing[0].Operation != "ListFarms" || s.Failing[0].Reason != schedule.Denied || s.Failing[0].For < 5*time.Second {
			t.Errorf("operations without a usable answer: %+v", s.Failing)
		}
		if s.OldestLook <= 0 || s.OldestLook > often {
			t.Errorf("the oldest look is %v old", s.OldestLook)
		}
		if s.Load <= 0 || s.Starts <= 0 {
			t.Errorf("%v starts a second make a load of %v", s.Starts, s.Load)
		}
		s.Load, s.Starts = 0, 0
		s.OldestListing, s.OldestLook, s.Operations, s.Discovery, s.Failing = 0, 0, nil, nil, nil
		s.WorkersByStatus, s.OpenByFleet, s.DiscoveryRound, s.Uses, s.Paces, s.InFlight = nil, nil, 0, nil, nil, 0 // they are for the metrics
		want := State{Phase: Polling, State: schedule.State{
			Counts:  schedule.Counts{Answered: true, FarmShown: true, Farms: 1, Fleets: 1, Workers: 2, OpenSessions: 1, SessionSeen: true, Shards: 1},
			Targets: 3, Searched: true, MissingFleets: []string{"fleet-of-no-farm"},
			Watched: 2, ListingPages: 2, Unasked: map[int]int{}, Share: config.Rate, Staleness: config.Staleness, DiscoveryRate: 3 / config.Discovery.Seconds(),
			Jobs:     1,
			Strategy: schedule.RoundRobin, // a round of two workers is so short
		}}
		if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("state (-want +got):\n%s", diff)
		}
	})
}

// A fleet that is found later was not read yet, but everything was read once.
func TestSearched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		var found atomic.Value
		h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if id, _ := found.Load().(string); id != "" && strings.HasSuffix(r.URL.Path, id+"/workers") {
				time.Sleep(time.Minute)
			}
			world.ServeHTTP(rw, r)
		})
		w := watch(t, directClient(direct{handler: h}), testConfig)
		synctest.Wait()
		if s := w.poller.State(); s.Searched || s.PendingTargets == 0 {
			t.Errorf("at the start: %+v", s)
		}
		time.Sleep(20 * time.Second)
		found.Store(world.farm.AddFleet("new").ID())
		time.Sleep(20 * time.Second)
		if s := w.poller.State(); !s.Searched || s.PendingTargets != 1 {
			t.Errorf("with a new fleet: %+v", s)
		}
	})
}

// A fleet or a worker that fails alone is no outage of its operation, however rarely the others are asked. If all fail, it is
// one at once.
func TestFailingAlone(t *testing.T) {
	for what, config := range map[string]Config{
		"/workers":  {Rate: 50, Staleness: 10 * time.Second, Discovery: 5 * time.Minute},
		"/sessions": {Rate: 50, Staleness: 5 * time.Minute, Discovery: 10 * time.Second},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newWorld(farmtest.Config{})
				other := world.farm.AddFleet("other")
				worker := other.AddWorker()
				var all atomic.Bool
				h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, what) && (all.Load() || strings.Contains(r.URL.Path, other.ID())) {
						rw.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
						rw.WriteHeader(http.StatusForbidden)
						return
					}
					world.ServeHTTP(rw, r)
				})
				w := watch(t, directClient(direct{handler: h}), config)
				time.Sleep(10 * time.Minute)
				worker.StartSession(nil)
				for range 1200 {
					time.Sleep(time.Second)
					if s := w.poller.State(); len(s.Failing) > 0 {
						t.Fatalf("%+v", s.Failing)
					}
				}
				all.Store(true)
				time.Sleep(6 * time.Minute)
				if s := w.poller.State(); len(s.Failing) != 1 || s.Failing[0].For < 30*time.Second {
					t.Errorf("all fail: %+v", s.Failing)
				}
				time.Sleep(time.Hour)
				if s := w.poller.State(); len(s.Failing) != 1 || s.Failing[0].For < time.Hour {
					t.Errorf("all fail for an hour: %+v", s.Failing)
				}
			})
		})
	}
}

// Of the operations that the schedule can do without, only one that is denied is told.
func TestDeniedOperationsAreTold(t *testing.T) {
	for _, kind := range []schedule.Kind{schedule.BatchGetSession, schedule.GetSession, schedule.BatchGetWorker, schedule.ListSessions} {
		for _, reason := range []schedule.Reason{schedule.Denied, schedule.ServerError} {
			l, now := loopOfShards(t, nil, 0), time.Now()
			l.service.operations.judge(kind, "", now, false)
			l.service.operations.judge(kind, reason, now, false)
			told := l.failing(&schedule.State{}, now)
			if (reason == schedule.Denied) != (len(told) == 1 && told[0].Operation == kind.Operation()) {
				t.Errorf("%s, %s: %+v", kind.Operation(), reason, told)
			}
		}
	}
}

// series returns how many label values a collector has.
func series(c prometheus.Collector) int {
	collected := make(chan prometheus.Metric, 100)
	c.Collect(collected)
	return len(collected)
}

// The gauges have a value for each fleet and status, and none after the shard was disowned.
func TestFleetGauges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		world.worker.StartSession(nil)
		world.fleet.AddWorker()
		w := watch(t, directClient(direct{handler: world}), testConfig)
		time.Sleep(30 * time.Second)
		m := w.poller.service.metrics
		if n := value(t, m.openSessions.vec.WithLabelValues(world.fleet.ID())); n != 1 {
			t.Errorf("%v open sessions", n)
		}
		if n := value(t, m.workers.vec); n != 2 {
			t.Errorf("%v workers", n)
		}
		if n := series(m.openSessions.vec); n != 1 {
			t.Errorf("%d fleets have open sessions", n)
		}
		w.poller.Disown(0)
		time.Sleep(10 * time.Second)
		if workers, open := series(m.workers.vec), series(m.openSessions.vec); workers+open != 0 {
			t.Errorf("%d and %d labels are left", workers, open)
		}
	})
}

// A shard that was just owned counts at once, with all that discovery has not listed yet. Otherwise the
// Poller would seem to observe everything.
func TestStateOfAShardJustOwned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unowned(t, newWorld(farmtest.Config{}), testConfig)
		time.Sleep(10*time.Second + publishEvery/2)
		if s := p.State(); s.Shards != 0 || !isFine(s) {
			t.Errorf("state without a shard: %+v", s)
		}
		p.Own(0, nil)
		synctest.Wait()
		if s := p.State(); s.Shards != 1 || s.Targets != 1 || s.PendingTargets != 1 {
			t.Errorf("state of a shard that was just owned: %+v", s)
		}
		p.Disown(0)
		synctest.Wait()
		if s := p.State(); s.Shards != 0 || s.Targets != 0 {
			t.Errorf("state after the shard was disowned: %+v", s)
		}
	})
}
