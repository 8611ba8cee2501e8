package poller

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/smithy-go/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
)

// direct is an HTTP client that passes requests to a handler without a network, so that the time of a synctest
// bubble stands still while they are answered. It delays requests, and gives up those whose context ends.
type direct struct {
	handler http.Handler
	delay   func(*http.Request) time.Duration // nil for a millisecond
}

func (d direct) Do(r *http.Request) (resp *http.Response, err error) {
	wait := time.Millisecond
	if d.delay != nil {
		wait = d.delay(r)
	}
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	defer func() {
		if p := recover(); p == http.ErrAbortHandler { // the handler cut the connection
			resp, err = nil, cmp.Or(r.Context().Err(), io.ErrUnexpectedEOF)
		} else if p != nil {
			panic(p)
		}
	}()
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	resp = w.Result()
	if resp.Header.Get("Date") == "" {
		resp.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	return resp, nil
}

// directClient returns the SDK's client of a handler.
func directClient(d direct) *deadline.Client {
	return deadline.New(deadline.Options{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String("http://deadline.test"),
		Credentials:  credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
		HTTPClient:   d,
		APIOptions:   []func(*middleware.Stack) error{withoutHostPrefix},
	})
}

// watcher owns the shards of a Poller as Farmwire does: it compares the observations with snapshots and commits
// them. It keeps the observations and the events.
type watcher struct {
	t      *testing.T
	poller *Poller

	mu           sync.Mutex
	snapshots    map[diff.WorkerKey]diff.Snapshot
	events       []diff.Change
	records      []diff.Record
	observations []diff.Observation
}

// watch runs a Poller that owns all shards until the test ends.
func watch(t *testing.T, client *deadline.Client, config Config, snapshots ...diff.Snapshot) *watcher {
	t.Helper()
	return watchWith(t, New(client, config, zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)), prometheus.NewRegistry()), snapshots...)
}

// watchWith runs a Poller that owns all shards until the test ends.
func watchWith(t *testing.T, p *Poller, snapshots ...diff.Snapshot) *watcher {
	t.Helper()
	w := &watcher{t: t, poller: p, snapshots: make(map[diff.WorkerKey]diff.Snapshot)}
	for _, s := range snapshots {
		w.snapshots[s.Worker()] = s
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	running.Go(func() {
		if err := w.poller.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	for shard := range p.config.Shards {
		observations := w.poller.Own(shard, slices.DeleteFunc(slices.Clone(snapshots), func(s diff.Snapshot) bool {
			return p.config.Shard(s.Worker().WorkerID) != shard
		}))
		running.Go(func() {
			for o := range observations {
				w.take(o)
			}
		})
	}
	return w
}

func (w *watcher) take(o diff.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h, ok := w.poller.config.Watcher.(*hearing); ok {
		h.received(o)
	}
	w.observations = append(w.observations, o)
	s, ok := w.snapshots[o.Worker]
	if !ok {
		fleet, ok := w.poller.Found().Fleets[o.Worker.FleetID]
		if !ok || fleet.FirstLook.IsZero() {
			w.t.Errorf("worker %s observed before its fleet was found", o.Worker.WorkerID)
		}
		s = diff.NewSnapshot(o.Worker, diff.Watch{Since: fleet.FirstLook})
	}
	changes := diff.Between(s, o)
	s = diff.Apply(s, changes)
	w.snapshots[o.Worker] = s
	w.events = append(w.events, changes.Events...)
	w.records = append(w.records, changes.Records()...)
	w.poller.Committed(s)
}

// kinds returns the kinds of a session's events, separated by spaces.
func (w *watcher) kinds(session string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var words []string
	for _, e := range w.events {
		if e.Session.SessionID == session {
			words = append(words, string(e.Kind))
		}
	}
	return strings.Join(words, " ")
}

// all returns the observations so far.
func (w *watcher) all() []diff.Observation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.observations)
}

// seen counts the observations of a worker by their source.
func (w *watcher) seen(worker string) map[diff.Source]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := make(map[diff.Source]int)
	for _, o := range w.observations {
		if o.Worker.WorkerID == worker {
			n[o.Source]++
		}
	}
	return n
}

// world is a simulated region with a farm of one fleet and one worker.
type world struct {
	*farmtest.Server
	farm   *farmtest.Farm
	fleet  *farmtest.Fleet
	worker *farmtest.Worker
}

func newWorld(cfg farmtest.Config) *world {
	srv := farmtest.New(cfg)
	farm := srv.Cloud().AddFarm("farm")
	fleet := farm.AddFleet("fleet")
	return &world{Server: srv, farm: farm, fleet: fleet, worker: fleet.AddWorker()}
}

// testConfig polls fast enough for most tests.
var testConfig = Config{Rate: 50, Staleness: 10 * time.Second, Discovery: 30 * time.Second}

func TestLifeOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		w := watch(t, directClient(direct{handler: world}), testConfig)
		time.Sleep(20 * time.Second)
		s := world.worker.StartSession(nil)
		time.Sleep(11 * time.Second)
		s.SetTarget()
		time.Sleep(11 * time.Second)
		s.End()
		time.Sleep(11 * time.Second)
		if got, want := w.kinds(s.ID()), "started ending ended"; got != want {
			t.Errorf("events: %q, want %q", got, want)
		}
		if s := w.poller.State(); !isFine(s) {
			t.Errorf("state: %+v", s)
		}
		all := w.all()
		last := all[len(all)-1]
		if last.Status == nil || last.Status.HostName != world.worker.HostName() {
			t.Errorf("worker's status is %+v", last.Status)
		}
	})
}

// A new worker is found by the next ListWorkers. If a worker is deleted, a lookup finds out what became of its
// open session.
func TestWorkerComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		config := testConfig
		config.Rate, config.Staleness, config.Discovery = .1, 5*time.Minute, 10*time.Minute // the whole rate is used for more than three days
		w := watch(t, directClient(direct{handler: world}), config)
		time.Sleep(2 * time.Minute) // until the fleet is watched
		second := world.fleet.AddWorker()
		s := second.StartSession(nil)
		time.Sleep(12 * time.Minute)
		if got := w.kinds(s.ID()); got != "started" {
			t.Fatalf("events of a new worker's session: %q", got)
		}
		second.Delete()
		time.Sleep(6 * time.Minute)
		if got := w.kinds(s.ID()); got != "started ended" {
			t.Errorf("events of a deleted worker's session: %q", got)
		}
		// It is listed twice more, a day apart, to let diff forget its session, and never again after that.
		time.Sleep(52 * time.Hour)
		listings := w.seen(second.ID())[diff.NoSuchWorker]
		if listings < 2 || listings > 8 {
			t.Errorf("a worker that does not exist was listed %d times", listings)
		}
		time.Sleep(30 * time.Hour)
		if more := w.seen(second.ID())[diff.NoSuchWorker]; more != listings {
			t.Errorf("a worker of which no session is known was listed %d times more", more-listings)
		}
	})
}

func TestLookupOfWorkerThatIsLost(t *testing.T) {
	for _, denied := range []farmtest.Operation{"", farmtest.BatchGetSession} {
		t.Run(fmt.Sprintf("denied %q", denied), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newWorld(farmtest.Config{})
				if denied != "" {
					world.SetFaults(farmtest.Fault{Kind: farmtest.Denied, Operation: denied})
				}
				s, forgotten := world.worker.StartSession(nil), world.worker.StartSession(nil)
				time.Sleep(3 * time.Second)
				w := watch(t, directClient(direct{handler: world}), testConfig)
				time.Sleep(5 * time.Second)
				world.worker.Lose()
				time.Sleep(time.Minute)
				s.End()
				forgotten.Forget()
				time.Sleep(11 * time.Second)
				if got := w.kinds(s.ID()); got != "discovered ended" {
					t.Errorf("events of the session that ended: %q", got)
				}
				if got := w.kinds(forgotten.ID()); got != "discovered" {
					t.Errorf("events of the session that was forgotten, before it can have vanished: %q", got)
				}
				time.Sleep(4 * time.Minute)
				if got := w.kinds(forgotten.ID()); got != "discovered vanished" {
					t.Errorf("events of the session that was forgotten: %q", got)
				}
			})
		})
	}
}
