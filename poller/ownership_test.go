package poller

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/internal/leaks"
	"farmwire/poller/farmtest"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) { os.Exit(leaks.Main(m)) }

// The methods do not block before and after Run, and Run closes all channels.
func TestOwnWithoutRun(t *testing.T) {
	world := newWorld(farmtest.Config{})
	p := New(directClient(direct{handler: world}), testConfig, zap.NewNop(), prometheus.NewRegistry())
	if s := p.State(); s.Phase != NotStarted {
		t.Errorf("the phase of a new poller is %d", s.Phase)
	}
	early := p.Own(0, nil)
	p.Disown(0)
	p.Committed(diff.Snapshot{})
	again := p.Own(0, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	p.Committed(diff.Snapshot{})
	for _, observations := range []<-chan diff.Observation{early, again, p.Own(1, nil)} {
		if _, open := <-observations; open {
			t.Error("an observation of a Poller whose Run ended at once")
		}
	}
	if s := p.State(); s.Phase != Ended {
		t.Errorf("the phase of a poller that has ended is %d", s.Phase)
	}
}

// A worker whose observation is not committed is not listed again. If no observation of a shard is received, other
// shards are not delayed.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		for range 9 {
			world.fleet.AddWorker()
		}
		config := testConfig
		config.Shards = 2
		config.Shard = func(id string) int { return int(id[len(id)-1]) % 2 }
		p := New(directClient(direct{handler: world}), config, zap.NewNop(), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		p.Own(0, nil) // the observations are never received
		second := p.Own(1, nil)
		seen := make(map[diff.WorkerKey]int)
		timeout := time.After(2 * time.Minute)
		for running := true; running; {
			select {
			case o := <-second:
				seen[o.Worker]++
			case <-timeout:
				running = false
			}
		}
		if len(seen) == 0 {
			t.Error("the second shard was not polled")
		}
		for w, n := range seen {
			if n != 1 {
				t.Errorf("worker %s was observed %d times and never committed", w.WorkerID, n)
			}
		}
		if n := world.Calls()[farmtest.ListSessionsForWorker]["ok"]; n != 10 {
			t.Errorf("%d listings", n)
		}
		p.Disown(1)
		if _, open := <-second; open {
			t.Error("an observation after Disown")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// An answer to a call that began before a shard was disowned is not delivered after the shard is owned again.
func TestDisownDropsCallsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{Faults: []farmtest.Fault{{Kind: farmtest.Slow, Delay: 4 * time.Second, Operation: farmtest.ListSessionsForWorker}}})
		p := New(directClient(direct{handler: world}), testConfig, zap.NewNop(), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		first := p.Own(0, nil)
		time.Sleep(100 * time.Millisecond) // its listing is in flight
		p.Disown(0)
		ownedAgain := time.Now()
		second := p.Own(0, nil)
		if o, open := <-first; open {
			t.Errorf("the channel of the disowned shard delivered %+v", o)
		}
		if o := <-second; o.FirstRequest.Sent.Before(ownedAgain) {
			t.Error("the observation is of a request that was sent before the shard was owned again")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// The same holds for lookups, although they may be of several shards.
func TestDisownDropsLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		snapshot := restored(world, world.worker.StartSession(nil))
		world.SetFaults(farmtest.Fault{Kind: farmtest.ListNull, Operation: farmtest.ListSessionsForWorker})
		asked := make(chan struct{}, 10)
		slow := func(r *http.Request) time.Duration {
			if strings.HasSuffix(r.URL.Path, "batch-get-session") {
				asked <- struct{}{}
				return 5 * time.Second
			}
			return time.Millisecond
		}
		p := New(directClient(direct{handler: world, delay: slow}), testConfig, zap.NewNop(), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		p.Own(0, []diff.Snapshot{snapshot})
		<-asked // after three listings failed
		time.Sleep(time.Second)
		p.Disown(0)
		ownedAgain := time.Now()
		second := p.Own(0, []diff.Snapshot{snapshot})
		o := <-second
		if o.Source != diff.Answers || o.Sightings[0].Sent.Before(ownedAgain) {
			t.Errorf("observation %+v, but the shard was owned again at %v", o, ownedAgain)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// restored returns a restored snapshot of the world's worker with an open session.
func restored(w *world, s *farmtest.Session) diff.Snapshot {
	key := diff.WorkerKey{FarmID: w.farm.ID(), FleetID: w.fleet.ID(), WorkerID: w.worker.ID()}
	r := diff.NewRestorer()
	r.Put(diff.Record{Sequence: 1, Seen: time.Now(), Session: diff.Session{
		WorkerKey: key,
		QueueID:   s.Job().QueueID(), JobID: s.Job().ID(), SessionID: s.ID(),
		LifecycleStatus: diff.StatusStarted, StartedAt: s.StartedAt(),
	}})
	return r.Snapshots(func(string) diff.Watch { return diff.Watch{} })[key]
}

// If the Config names farms or fleets, discovery does not list more than it needs, and no others are polled.
func TestNamedFarmsAndFleets(t *testing.T) {
	for name, c := range map[string]struct {
		farms, fleets bool
		want          []farmtest.Operation // that are called
	}{
		"none":  {false, false, []farmtest.Operation{farmtest.ListFarms, farmtest.ListFleets, farmtest.ListWorkers}},
		"farm":  {true, false, []farmtest.Operation{farmtest.ListFleets, farmtest.ListWorkers}},
		"fleet": {false, true, []farmtest.Operation{farmtest.ListFarms, farmtest.ListFleets, farmtest.ListWorkers}},
		"both":  {true, true, []farmtest.Operation{farmtest.ListWorkers}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newWorld(farmtest.Config{})
				otherFleet := world.farm.AddFleet("other").AddWorker()
				otherFarm := world.Cloud().AddFarm("other").AddFleet("fleet").AddWorker()
				config := testConfig
				if c.farms {
					config.Farms = []string{world.farm.ID()}
				}
				if c.fleets {
					config.Fleets = []string{world.fleet.ID()}
				}
				w := watch(t, directClient(direct{handler: world}), config)
				time.Sleep(50 * time.Second)
				for _, operation := range []farmtest.Operation{farmtest.ListFarms, farmtest.ListFleets, farmtest.ListWorkers} {
					if called := world.Calls()[operation]["ok"] > 0; called != slices.Contains(c.want, operation) {
						t.Errorf("%s called: %v", operation, called)
					}
				}
				for worker, want := range map[string]bool{world.worker.ID(): true, otherFleet.ID(): !c.fleets, otherFarm.ID(): !c.farms && !c.fleets} {
					if got := len(w.seen(worker)) > 0; got != want {
						t.Errorf("worker %s polled: %v", worker, got)
					}
				}
				found := w.poller.Found()
				if farm := found.Farms[world.farm.ID()]; farm.Listed.IsZero() != (c.farms && c.fleets) {
					t.Errorf("farm listed at %v", farm.Listed)
				}
				if f := found.Fleets[world.fleet.ID()]; f.FarmID != world.farm.ID() || f.FirstLook.IsZero() || f.FirstLook.After(time.Now().Add(-45*time.Second)) {
					t.Errorf("found %+v", f)
				}
				if s := w.poller.State(); !isFine(s) {
					t.Errorf("state: %+v", s)
				}
			})
		})
	}
}

// FirstLook is by the service's clock, and never changes.
func TestFirstLookIsByTheServicesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		skew := 100 * time.Second
		world := newWorld(farmtest.Config{Skew: skew})
		start := time.Now()
		w := watch(t, directClient(direct{handler: world}), testConfig)
		time.Sleep(5 * time.Minute)
		f := w.poller.Found().Fleets[world.fleet.ID()]
		if d := f.FirstLook.Sub(start.Add(skew)); d.Abs() > time.Second {
			t.Errorf("the first look was %v off", d)
		}
		if listed := w.poller.Found().Farms[world.farm.ID()].Listed; listed.Sub(f.FirstLook) < 4*time.Minute {
			t.Errorf("the farm was listed %v after the first look", listed.Sub(f.FirstLook))
		}
		if got := value(t, w.poller.service.metrics.clockSkew); got < 99 || got > 101 {
			t.Errorf("a skew of %v s was measured", got)
		}
	})
}

// If discovery does not show a worker of a restored snapshot, a lookup finds out what became of its open session.
func TestRestoredWorkerThatDoesNotExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		s := world.worker.StartSession(nil)
		snapshot := restored(world, s)
		world.worker.Delete()
		second := watch(t, directClient(direct{handler: world}), testConfig, snapshot)
		time.Sleep(5 * time.Second)
		if got := second.kinds(s.ID()); got != "ended" {
			t.Errorf("events: %q", got)
		}
	})
}
