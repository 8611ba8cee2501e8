package poller

import (
	"context"
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

// A listing that waits for its next page, of which no request is in flight, is delivered at once, with the worker's status.
func TestDisownDeliversWhatWaitsForItsNextPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{PageSize: 2, Faults: []farmtest.Fault{
			{Kind: farmtest.Throttled, Operation: farmtest.ListSessionsForWorker, Page: 2, Delay: time.Minute},
		}})
		for range 3 {
			world.worker.StartSession(nil)
		}
		p := start(t, direct{handler: world}, testConfig)
		observations := p.Own(0, nil)
		time.Sleep(10 * time.Second)
		if n := p.State().InFlight; n != 0 {
			t.Fatalf("%d calls are in flight", n)
		}
		p.Disown(0)
		all, took := rest(observations)
		if took > 0 {
			t.Errorf("the channel was closed after %v", took)
		}
		if len(all) != 1 || all[0].Source != diff.Answers || len(all[0].Sightings) != 2 || all[0].Status == nil {
			t.Errorf("observations: %+v", all)
		}
	})
}

// What a call in flight has shown when its shard is disowned has the worker's status too.
func TestStatusOfWhatIsDisowned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{PageSize: 2, Faults: []farmtest.Fault{
			{Kind: farmtest.Slow, Operation: farmtest.ListSessionsForWorker, Page: 2, Delay: 5 * time.Second},
		}})
		for range 3 {
			world.worker.StartSession(nil)
		}
		p := start(t, direct{handler: world}, testConfig)
		observations := p.Own(0, nil)
		time.Sleep(time.Second)
		if n := p.State().InFlight; n != 1 {
			t.Fatalf("%d calls are in flight", n)
		}
		p.Disown(0)
		all, _ := rest(observations)
		if len(all) != 1 || len(all[0].Sightings) != 2 || all[0].Status == nil {
			t.Errorf("observations: %+v", all)
		}
	})
}

// What is measured of the requests ends with them: the paces when no shard is owned any more, and the calls in flight when Run has
// returned.
func TestMetricsEndWithTheRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		slow := func(r *http.Request) time.Duration { return 100 * time.Millisecond }
		p := New(directClient(direct{handler: world, delay: slow}), testConfig, zap.NewNop(), prometheus.NewRegistry())
		m := p.service.metrics
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		p.Own(0, nil)
		time.Sleep(2 * time.Second)
		if value(t, m.pace) == 0 {
			t.Error("there is no pace")
		}
		p.Disown(0)
		time.Sleep(2 * time.Second)
		if pace := value(t, m.pace); pace != 0 {
			t.Errorf("without a shard the paces are %v", pace)
		}
		p.Own(0, nil)
		time.Sleep(50 * time.Millisecond)
		if p.State().InFlight == 0 {
			t.Error("nothing is in flight")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := value(t, m.callsInFlight); n != 0 || p.State().InFlight != 0 {
			t.Errorf("%d calls are in flight after Run, and the metric is %v", p.State().InFlight, n)
		}
	})
}
