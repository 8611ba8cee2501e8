package poller

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// start runs a Poller until the test ends, in a bubble of synctest.
func start(t *testing.T, d direct, config Config) *Poller {
	t.Helper()
	p := New(directClient(d), config, zap.NewNop(), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p
}

// rest returns what a channel still delivers until it is closed, and how long that took.
func rest(observations <-chan diff.Observation) (all []diff.Observation, took time.Duration) {
	began := time.Now()
	for o := range observations {
		all = append(all, o)
	}
	return all, time.Since(began)
}

// After Disown, what was received before is delivered: observations that nobody has taken yet, however many, and the pages of
// a listing that was stopped.
func TestDisownDeliversWhatWasReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		for range outboxSize + 100 {
			world.fleet.AddWorker()
		}
		for range pageSize + 1 {
			world.worker.StartSession(nil)
		}
		second := func(r *http.Request) time.Duration {
			if strings.Contains(r.URL.Path, world.worker.ID()) && r.URL.Query().Get("nextToken") != "" {
				return time.Hour // longer than any test waits
			}
			return time.Millisecond
		}
		config := testConfig
		config.Rate = 500
		p := start(t, direct{handler: world, delay: second}, config)
		observations := p.Own(0, nil)
		time.Sleep(8 * time.Second)
		p.Disown(0)
		all, took := rest(observations)
		if took > 100*time.Millisecond {
			t.Errorf("the channel was closed after %v", took)
		}
		if want := outboxSize + 101; len(all) != want {
			t.Errorf("%d observations, want %d", len(all), want)
		}
		for _, o := range all {
			switch stopped := o.Worker.WorkerID == world.worker.ID(); {
			case stopped && (o.Source != diff.Answers || len(o.Sightings) != pageSize):
				t.Errorf("the stopped listing gives source %v with %d sessions", o.Source, len(o.Sightings))
			case !stopped && o.Source != diff.CompleteListing:
				t.Errorf("a complete listing has source %v", o.Source)
			}
		}
	})
}

// A lookup that is cancelled because the shard of another of its workers was disowned is not a failure, and is repeated at once.
func TestCancelledLookupIsRepeated(t *testing.T) {
	world := newWorld(farmtest.Config{})
	snapshot := restored(world, world.worker.StartSession(nil))
	now := time.Now()
	s := newSchedule(testConfig.Staleness, testConfig.Discovery, rand.New(rand.NewPCG(1, 2)))
	s.addKnown(snapshot.Worker(), 0, committedSessionsOf(snapshot), now)
	w := s.workers[snapshot.Worker()]
	w.listingFailures = failingAfter // so that its sessions are looked up
	s.rest(w, now)
	for range failingAfter {
		c := s.beginLookup(w, now)
		if len(c.sessions) != 1 {
			t.Fatalf("%d sessions are looked up", len(c.sessions))
		}
		s.callDone(c, callOutcome{err: context.Canceled}, now)
		if w.activity != resting || w.lookupFailures != 0 || len(s.lookupsFailing) != 0 || s.lookups.first() == nil || s.lookups.first().at.After(now) {
			t.Errorf("after a cancelled lookup: activity %v, %d failures", w.activity, w.lookupFailures)
		}
	}
}
