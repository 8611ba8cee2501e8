package poller

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/smithy-go/middleware"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// If a worker cannot be listed, for whatever reason, nothing of its listings counts, its open session is looked
// up, the State names it, and its neighbour is listed as before. When the fault is over, it is listed again. That listings
// are throttled is no fault of the worker.
func TestWorkerThatCannotBeListed(t *testing.T) {
	for kind, reason := range map[farmtest.Kind]schedule.Reason{
		farmtest.Throttled:       schedule.Throttled,
		farmtest.ThrottledBare:   schedule.Throttled,
		farmtest.ThrottledDate:   schedule.Throttled,
		farmtest.ServerError:     schedule.ServerError,
		farmtest.Unavailable:     schedule.ServerError,
		farmtest.Truncated:       schedule.Malformed,
		farmtest.NotJSON:         schedule.Malformed,
		farmtest.EmptyBody:       schedule.NoList,
		farmtest.Denied:          schedule.Denied,
		farmtest.RepeatedToken:   schedule.RepeatedToken,
		farmtest.TokenRing:       schedule.RepeatedToken,
		farmtest.EndlessPages:    schedule.TooManyPages,
		farmtest.ListAbsent:      schedule.NoList,
		farmtest.ListNull:        schedule.NoList,
		farmtest.EntryIncomplete: schedule.MissingField,
		farmtest.EntryNull:       schedule.Malformed,
		farmtest.EpochTime:       schedule.Malformed,
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { cannotBeListed(t, kind, reason) })
		})
	}
}

func cannotBeListed(t *testing.T, kind farmtest.Kind, reason schedule.Reason) {
	world := newWorld(farmtest.Config{})
	neighbour := world.fleet.AddWorker()
	s := world.worker.StartSession(nil)
	config := testConfig
	config.Rate = 200
	w := watch(t, directClient(direct{handler: world}), config)
	time.Sleep(15 * time.Second)
	listings := w.seen(world.worker.ID())[diff.CompleteListing]
	world.SetFaults(farmtest.Fault{Kind: kind, Worker: world.worker.ID(), Operation: farmtest.ListSessionsForWorker})
	time.Sleep(100 * time.Second)
	if more := w.seen(world.worker.ID())[diff.CompleteListing]; more > listings+1 { // one may have been in flight
		t.Errorf("%d listings counted", more-listings)
	}
	s.End()
	time.Sleep(11 * time.Second)
	isThrottled := reason == schedule.Throttled
	if got := w.kinds(s.ID()); !isThrottled && got != "started ended" {
		t.Errorf("events: %q", got)
	}
	named := func(u schedule.UnlistedWorker) bool {
		return u.WorkerID == world.worker.ID() && u.Reason == reason && u.Failures >= 3
	}
	if s := w.poller.State(); isThrottled && s.UnlistedCount != 0 || !isThrottled && (!slices.ContainsFunc(s.Unlisted, named) || s.UnlistedCount != 1) {
		t.Errorf("%d unlisted workers: %+v, and none with reason %q", s.UnlistedCount, s.Unlisted, reason)
	}
	limit := 14 * time.Second
	if isThrottled {
		limit += 15 * time.Second // all listings slow down
	}
	if gap := w.longestGap(neighbour.ID()); gap > limit {
		t.Errorf("the neighbour was not listed for %v", gap)
	}
	world.SetFaults()
	listings = w.seen(world.worker.ID())[diff.CompleteListing]
	time.Sleep(70 * time.Second)
	if s := w.poller.State(); !isFine(s) {
		t.Errorf("state when the fault is over: %+v", s)
	}
	if w.seen(world.worker.ID())[diff.CompleteListing] == listings {
		t.Error("not listed again when the fault is over")
	}
}

// longestGap returns the longest time from one listing of a worker to its next.
func (w *watcher) longestGap(worker string) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last time.Time
	var gap time.Duration
	for _, o := range w.observations {
		if o.Worker.WorkerID != worker || o.Source != diff.CompleteListing {
			continue
		}
		if !last.IsZero() {
			gap = max(gap, o.FirstRequest.Sent.Sub(last))
		}
		last = o.FirstRequest.Sent
	}
	return gap
}

// A page that fails for a transient reason is requested again, and the listing of several pages is complete.
func TestPageIsRepeated(t *testing.T) {
	for _, kind := range []farmtest.Kind{
		farmtest.Throttled, farmtest.ThrottledBare, farmtest.ThrottledDate, farmtest.ServerError,
		farmtest.Unavailable, farmtest.Truncated, farmtest.NotJSON, farmtest.EpochTime,
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newWorld(farmtest.Config{PageSize: 2, Faults: []farmtest.Fault{
					{Kind: kind, Operation: farmtest.ListSessionsForWorker, Page: 2, Count: 2, Delay: time.Second},
				}})
				for range 5 {
					world.worker.StartSession(nil)
				}
				w := watch(t, directClient(direct{handler: world}), testConfig)
				time.Sleep(8 * time.Second)
				all := w.all()
				if len(all) == 0 {
					t.Fatal("no listing")
				}
				o := all[0]
				if o.Pages != 3 || len(o.Sightings) != 5 {
					t.Errorf("%d pages with %d sessions", o.Pages, len(o.Sightings))
				}
				if n := value(t, w.poller.service.metrics.discarded); n > 0 {
					t.Errorf("discarded: %v", n)
				}
				for i := 1; i < len(o.Sightings); i++ {
					if o.Sightings[i].SentTick < o.Sightings[i-1].SentTick || o.Sightings[i].ArrivedTick <= o.Sightings[i].SentTick {
						t.Errorf("ticks are out of order: %+v", o.Sightings)
					}
				}
			})
		})
	}
}

// The service's Retry-After is obeyed: no request of the operation is sent before.
func TestRetryAfter(t *testing.T) {
	for kind, want := range map[farmtest.Kind]time.Duration{farmtest.Throttled: 7 * time.Second, farmtest.ThrottledBare: 7 * time.Second, farmtest.ThrottledDate: 6 * time.Second} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var times []time.Time
				world := newWorld(farmtest.Config{
					Faults: []farmtest.Fault{{Kind: kind, Operation: farmtest.ListSessionsForWorker, Count: 1, Delay: 7 * time.Second}},
					Observer: func(c farmtest.Call) {
						mu.Lock()
						defer mu.Unlock()
						if c.Operation == farmtest.ListSessionsForWorker {
							times = append(times, c.Arrived)
						}
					},
				})
				world.fleet.AddWorker()
				world.fleet.AddWorker()
				watch(t, directClient(direct{handler: world}), testConfig)
				time.Sleep(12 * time.Second) // after the pause the pace comes back gradually
				mu.Lock()
				defer mu.Unlock()
				// Requests that were sent before the answer may still arrive. After them there is none for some time.
				var gap time.Duration
				for i := 1; i < len(times); i++ {
					gap = max(gap, times[i].Sub(times[i-1]))
				}
				if gap < want {
					t.Errorf("the longest time without a request was %v: %v", gap, times)
				}
				if len(times) < 4 {
					t.Errorf("%d requests", len(times))
				}
			})
		})
	}
}

// If discovery fails, the workers that were found before are polled as before.
func TestDiscoveryFails(t *testing.T) {
	for _, kind := range []farmtest.Kind{
		farmtest.Denied, farmtest.Throttled, farmtest.Unavailable, farmtest.ListAbsent, farmtest.ListNull,
		farmtest.RepeatedToken, farmtest.TokenRing, farmtest.EndlessPages, farmtest.NotJSON,
	} {
		for _, operation := range []farmtest.Operation{farmtest.ListFarms, farmtest.ListFleets, farmtest.ListWorkers} {
			t.Run(string(kind)+" "+string(operation), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					world := newWorld(farmtest.Config{})
					s := world.worker.StartSession(nil)
					w := watch(t, directClient(direct{handler: world}), testConfig)
					time.Sleep(5 * time.Second)
					world.SetFaults(farmtest.Fault{Kind: kind, Operation: operation})
					time.Sleep(300 * time.Second)
					if s := w.poller.State(); len(s.Discovery) == 0 || s.Discovery[0].Operation != string(operation) || s.Discovery[0].Reason == "" {
						t.Errorf("failing discovery: %+v", s.Discovery)
					}
					s.End()
					time.Sleep(11 * time.Second)
					if got := w.kinds(s.ID()); got != "started ended" {
						t.Errorf("events: %q", got)
					}
					world.SetFaults()
					time.Sleep(36 * time.Second)
					if s := w.poller.State(); !isFine(s) {
						t.Errorf("state when the fault is over: %+v", s)
					}
				})
			})
		}
	}
}

// If the credentials are refused, few requests are sent, and the State shows it.
func TestCredentialsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		for range 20 {
			world.fleet.AddWorker()
		}
		w := watch(t, directClient(direct{handler: world}), testConfig)
		time.Sleep(20 * time.Second)
		before := total(world)
		world.SetFaults(farmtest.Fault{Kind: farmtest.Expired})
		time.Sleep(time.Minute)
		if sent := total(world) - before; sent > 60 {
			t.Errorf("%d requests a minute with expired credentials", sent)
		}
		if s := w.poller.State(); !s.CredentialsRefused || s.Operations["ListSessionsForWorker"].Failed[schedule.Credentials] == 0 {
			t.Errorf("the state does not say that the credentials are refused: %+v", s)
		}
		world.SetFaults()
		time.Sleep(70 * time.Second)
		if s := w.poller.State(); !isFine(s) {
			t.Errorf("state when the credentials are good again: %+v", s)
		}
	})
}

func total(w *world) int {
	n := 0
	for _, outcomes := range w.Calls() {
		for _, count := range outcomes {
			n += count
		}
	}
	return n
}

// If a connection breaks, the page is requested again. If a request is never answered, other workers do not wait.
func TestConnectionFaults(t *testing.T) {
	for _, kind := range []farmtest.Kind{farmtest.Cut, farmtest.Reset, farmtest.Truncated} {
		t.Run(string(kind), func(t *testing.T) {
			world := newWorld(farmtest.Config{Faults: []farmtest.Fault{{Kind: kind, Operation: farmtest.ListSessionsForWorker, Count: 2}}})
			w := watch(t, world.serve(t), testConfig)
			w.await(t, world.worker.ID())
			if n := value(t, w.poller.service.metrics.discarded); n > 0 {
				t.Errorf("discarded: %v", n)
			}
		})
	}
	t.Run("hang", func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		neighbour := world.fleet.AddWorker()
		world.SetFaults(farmtest.Fault{Kind: farmtest.Hang, Worker: world.worker.ID()})
		w := watch(t, world.serve(t), Config{Rate: 100, Staleness: 200 * time.Millisecond})
		for range 3 {
			w.await(t, neighbour.ID())
		}
	})
}

// A request that is not answered is given up after requestTimeout.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		late := 0
		w := watch(t, directClient(direct{handler: world, delay: func(r *http.Request) time.Duration {
			if strings.HasSuffix(r.URL.Path, "/sessions") && late < 2 {
				late++
				return time.Hour
			}
			return 0
		}}), testConfig)
		time.Sleep(2*requestTimeout + 2*time.Second)
		if n := w.seen(world.worker.ID())[diff.CompleteListing]; n == 0 {
			t.Error("no listing after two requests that were not answered")
		}
		if n := value(t, w.poller.service.metrics.requests.WithLabelValues("ListSessionsForWorker", string(schedule.Timeout))); n != 2 {
			t.Errorf("%v timeouts were counted", n)
		}
	})
}

// serve starts the server and returns a client of it.
func (w *world) serve(t *testing.T) *deadline.Client {
	t.Helper()
	if err := w.Start(""); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DialContext: (&net.Dialer{}).DialContext}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return deadline.New(deadline.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(w.URL()),
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
		HTTPClient:  &http.Client{Transport: transport},
		APIOptions:  []func(*middleware.Stack) error{withoutHostPrefix},
	})
}

// await waits until a worker is listed once more.
func (w *watcher) await(t *testing.T, worker string) {
	t.Helper()
	had := w.seen(worker)[diff.CompleteListing]
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if w.seen(worker)[diff.CompleteListing] > had {
			return
		}
	}
	t.Fatalf("worker %s was not listed for a minute", worker)
}

// value returns the sum of a collector's counters and gauges.
func value(t *testing.T, c prometheus.Collector) float64 {
	t.Helper()
	metrics := make(chan prometheus.Metric)
	go func() {
		c.Collect(metrics)
		close(metrics)
	}()
	sum := 0.0
	for m := range metrics {
		var d dto.Metric
		if err := m.Write(&d); err != nil {
			t.Fatal(err)
		}
		sum += d.GetCounter().GetValue() + d.GetGauge().GetValue()
	}
	return sum
}
