package poller

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// hearing is a Watcher that checks what it is told, and keeps it.
type hearing struct {
	t  *testing.T
	mu sync.Mutex

	last     uint64 // the number of the last request
	inFlight map[uint64]Request
	sentAt   map[uint64]time.Time // when Sent was called
	answers  []Answer
	told     map[diff.WorkerKey]int // observations that it was told of and that were not received yet
	disowned bool                   // all shards are disowned
	skew     time.Duration          // how far the service's clock is ahead of this host's, if At is to be checked
}

// newHearing returns a hearing that must not be waiting for an answer when the test, and so Run, has ended.
func newHearing(t *testing.T) *hearing {
	h := &hearing{t: t, inFlight: make(map[uint64]Request), sentAt: make(map[uint64]time.Time), told: make(map[diff.WorkerKey]int)}
	t.Cleanup(h.ended)
	return h
}

func (h *hearing) Sent(r Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Number != h.last+1 || r.Operation == "" || r.At.IsZero() || r.At.Location() != time.UTC {
		h.t.Errorf("after request %d: %+v", h.last, r)
	}
	h.last = r.Number
	h.inFlight[r.Number], h.sentAt[r.Number] = r, time.Now()
}

func (h *hearing) Answered(a Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	sent, ok := h.inFlight[a.Number]
	delete(h.inFlight, a.Number)
	at := a.At
	sent.At = at
	if diff := gocmp.Diff(sent, a.Request); !ok || diff != "" {
		h.t.Errorf("request %d is answered, in flight %v (-sent +answered):\n%s", a.Number, ok, diff)
	}
	if early := h.sentAt[a.Number].Add(h.skew).Sub(at); h.skew != 0 && a.Number > 1 && (early < 0 || early > requestTimeout+2*time.Second) {
		h.t.Errorf("request %d is said to be sent %v before it was", a.Number, early)
	}
	if a.UnderWay && (a.List == 0 || a.Complete) || (a.Complete || len(a.Found) > 0 || len(a.Shown) > 0) && a.Reason != "" {
		h.t.Errorf("%+v", a)
	}
	for _, w := range a.Awaiting {
		if !slices.Contains(a.Shown, w) {
			h.t.Errorf("%v awaits a listing and is not shown by request %d", w, a.Number)
		}
	}
	for _, w := range a.Observed {
		h.told[w]++
	}
	h.answers = append(h.answers, a)
}

// received takes in that an observation was received from the channel of Own.
func (h *hearing) received(o diff.Observation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told[o.Worker] == 0 && h.disowned {
		return // what a listing has shown that waited for its next request
	}
	if h.told[o.Worker]--; h.told[o.Worker] < 0 {
		h.t.Errorf("an observation of %v was received before the Watcher was told", o.Worker)
	}
}

// of returns the answers to an operation.
func (h *hearing) of(operation farmtest.Operation) (all []Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.answers {
		if a.Operation == string(operation) {
			all = append(all, a)
		}
	}
	return all
}

// ended checks that every request was answered.
func (h *hearing) ended() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.inFlight) > 0 || len(h.answers) == 0 {
		h.t.Errorf("after %d answers these are in flight: %v", len(h.answers), h.inFlight)
	}
}

// forget forgets the answers so far.
func (h *hearing) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers = nil
}

// inWords describes an answer, with the names of what it names.
func inWords(a Answer, names map[string]string) string {
	var words []string
	add := func(word string, values ...string) {
		values = slices.Clone(values)
		for i := range values {
			values[i] = cmp.Or(names[values[i]], values[i])
		}
		slices.Sort(values)
		if len(values) > 0 {
			words = append(words, word+" "+strings.Join(values, ","))
		}
	}
	workersOf := func(keys []diff.WorkerKey) (all []string) {
		for _, k := range keys {
			all = append(all, k.WorkerID)
		}
		return all
	}
	var sessions []string
	for _, s := range a.Sessions {
		sessions = append(sessions, s.SessionID)
	}
	if a.Farm != "" {
		add("in", a.Farm)
	}
	if a.Fleet != "" {
		add("in", a.Fleet)
	}
	add("about", workersOf(a.Workers)...)
	add("about", sessions...)
	if a.Reason != "" {
		words = append(words, "fails: "+a.Reason)
	}
	if a.List != 0 {
		words = append(words, map[bool]string{true: "first request", false: "further request"}[a.List == a.Number])
	}
	if a.UnderWay {
		words = append(words, "goes on")
	}
	if a.Complete {
		words = append(words, "complete")
	}
	add("farms", a.Farms...)
	add("fleets", a.Fleets...)
	add("shows", workersOf(a.Shown)...)
	add("awaiting", workersOf(a.Awaiting)...)
	add("found", a.Found...)
	add("observed", workersOf(a.Observed)...)
	return strings.Join(words, "; ")
}

// heardWorld is a world of one fleet, the workers w0, w1 and w2, and the sessions s0, s1 and s2 of w0.
type heardWorld struct {
	*world
	sessions []*farmtest.Session
	workers  []*farmtest.Worker
	names    map[string]string
}

func newHeardWorld(cfg farmtest.Config) *heardWorld {
	h := &heardWorld{world: newWorld(cfg), names: make(map[string]string)}
	h.workers = []*farmtest.Worker{h.worker, h.fleet.AddWorker(), h.fleet.AddWorker()}
	for range 3 {
		h.sessions = append(h.sessions, h.worker.StartSession(nil))
	}
	h.names[h.farm.ID()], h.names[h.fleet.ID()] = "farm", "fleet"
	for n, w := range h.workers {
		h.names[w.ID()] = fmt.Sprintf("w%d", n)
	}
	for n, s := range h.sessions {
		h.names[s.ID()] = fmt.Sprintf("s%d", n)
	}
	return h
}

// What the Watcher is told of each operation.
func TestWatcherHearsOfEachOperation(t *testing.T) {
	for name, c := range map[string]struct {
		faults    []farmtest.Fault
		change    func(*heardWorld) // after 10 seconds
		operation farmtest.Operation
		which     func(Answer) bool
		want      []string // the answers so many, in their order
	}{
		"farms":   {operation: farmtest.ListFarms, which: func(a Answer) bool { return a.Complete }, want: []string{"first request; complete; farms farm"}},
		"fleets":  {operation: farmtest.ListFleets, want: []string{"in farm; first request; complete; fleets fleet"}},
		"workers": {operation: farmtest.ListWorkers, want: []string{"in farm; in fleet; first request; goes on; shows w,w; awaiting w,w", "in farm; in fleet; further request; complete; shows w; awaiting w"}},
		"a listing": {operation: farmtest.ListSessionsForWorker, which: isAbout("w0"), want: []string{
			"about w0; first request; goes on", "about w0; further request; complete; observed w0",
		}},
		"a worker without sessions": {operation: farmtest.ListSessionsForWorker, which: isAbout("w1"), want: []string{"about w1; first request; complete; observed w1"}},
		"a page is throttled": {
			faults:    []farmtest.Fault{{Kind: farmtest.Throttled, Operation: farmtest.ListSessionsForWorker, Page: 2, Count: 1}},
			operation: farmtest.ListSessionsForWorker, which: isAbout("w0"), want: []string{
				"about w0; first request; goes on", "about w0; fails: throttled; further request; goes on", "about w0; further request; complete; observed w0",
			}},
		"a page fails for good": {
			faults:    []farmtest.Fault{{Kind: farmtest.Denied, Operation: farmtest.ListSessionsForWorker, Page: 2, Count: 1}},
			operation: farmtest.ListSessionsForWorker, which: isAbout("w0"), want: []string{"about w0; first request; goes on", "about w0; fails: denied; further request"},
		},
		"a server error": {
			faults:    []farmtest.Fault{{Kind: farmtest.ServerError, Operation: farmtest.ListFleets, Count: 1}},
			operation: farmtest.ListFleets, want: []string{"in farm; fails: server_error; first request; goes on", "in farm; further request; complete; fleets fleet"},
		},
		"no list": {
			faults:    []farmtest.Fault{{Kind: farmtest.ListAbsent, Operation: farmtest.ListFleets, Count: 1}},
			operation: farmtest.ListFleets, want: []string{"in farm; fails: no_list; first request", "in farm; first request; complete; fleets fleet"},
		},
		"workers, denied": {
			faults:    []farmtest.Fault{{Kind: farmtest.Denied, Operation: farmtest.ListWorkers, Page: 2, Count: 1}},
			operation: farmtest.ListWorkers, want: []string{"in farm; in fleet; first request; goes on; shows w,w; awaiting w,w", "in farm; in fleet; fails: denied; further request"},
		},
		"a listing has too many pages": {
			faults:    []farmtest.Fault{{Kind: farmtest.EndlessPages, Operation: farmtest.ListSessionsForWorker}},
			operation: farmtest.ListSessionsForWorker, which: func(a Answer) bool { return isAbout("w0")(a) && !a.UnderWay }, want: []string{"about w0; fails: too_many_pages; further request"},
		},
		"a worker is gone": {
			change:    func(h *heardWorld) { h.workers[1].Lose() },
			operation: farmtest.ListSessionsForWorker, which: func(a Answer) bool { return isAbout("w1")(a) && !a.Complete },
			want: []string{"about w1; first request; observed w1"},
		},
		"a lookup": {
			change:    func(h *heardWorld) { h.worker.Lose(); h.sessions[1].Forget() },
			operation: farmtest.BatchGetSession, which: func(a Answer) bool { return len(a.Sessions) > 1 },
			want: []string{"about w0; about s0,s1,s2; found s0,s2; observed w0"},
		},
		"a lookup fails": {
			faults:    []farmtest.Fault{{Kind: farmtest.ServerError, Operation: farmtest.BatchGetSession}},
			change:    func(h *heardWorld) { h.worker.Lose() },
			operation: farmtest.BatchGetSession, which: func(a Answer) bool { return len(a.Sessions) > 1 },
			want: []string{"about w0; about s0,s1,s2; fails: server_error"},
		},
		"a single session": {
			faults:    []farmtest.Fault{{Kind: farmtest.Denied, Operation: farmtest.BatchGetSession}},
			change:    func(h *heardWorld) { h.worker.Lose() },
			operation: farmtest.GetSession, which: func(a Answer) bool { return len(a.Observed) > 0 && a.Sessions[0].SessionID != "" && len(a.Found) > 0 },
			want: []string{"about w0; about session; found session; observed w0"},
		},
		"a single session that does not exist": {
			faults: []farmtest.Fault{{Kind: farmtest.Denied, Operation: farmtest.BatchGetSession}},
			change: func(h *heardWorld) {
				h.worker.Lose()
				for _, s := range h.sessions {
					s.Forget()
				}
			},
			operation: farmtest.GetSession, which: func(a Answer) bool { return len(a.Observed) > 0 },
			want: []string{"about w0; about session; observed w0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newHeardWorld(farmtest.Config{PageSize: 2, Faults: c.faults})
				for _, s := range world.sessions {
					if c.operation == farmtest.GetSession { // any may be asked about first
						world.names[s.ID()] = "session"
					}
				}
				for _, w := range world.workers {
					if c.operation == farmtest.ListWorkers { // any may be on the first page
						world.names[w.ID()] = "w"
					}
				}
				h, config := newHearing(t), testConfig
				config.Watcher = h
				watch(t, directClient(direct{handler: world}), config)
				time.Sleep(10 * time.Second)
				from := 0
				if c.change != nil {
					from = len(h.of(c.operation))
					c.change(world)
				}
				time.Sleep(time.Minute)
				which := c.which
				if which == nil {
					which = func(Answer) bool { return true }
				}
				var got []string
				for _, a := range h.of(c.operation)[from:] {
					if which(renamed(a, world.names)) {
						got = append(got, inWords(a, world.names))
					}
				}
				if diff := gocmp.Diff(c.want, got[:min(len(got), len(c.want))]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", c.operation, diff)
				}
			})
		})
	}
}

// isAbout returns whether an answer of renamed is about one worker.
func isAbout(worker string) func(Answer) bool {
	return func(a Answer) bool { return len(a.Workers) == 1 && a.Workers[0].WorkerID == worker }
}

// renamed returns the answer with the names of the workers that it asks about.
func renamed(a Answer, names map[string]string) Answer {
	a.Workers = slices.Clone(a.Workers)
	for i := range a.Workers {
		a.Workers[i].WorkerID = names[a.Workers[i].WorkerID]
	}
	return a
}

// With many workers and a small budget their statuses are swept. What is shown, what is gone, and what awaits a listing is told.
func TestWatcherHearsOfStatuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		workers := []*farmtest.Worker{world.worker}
		for range 59 {
			workers = append(workers, world.fleet.AddWorker())
		}
		h, config := newHearing(t), testConfig
		config.Watcher, config.Rate, config.Discovery = h, 2, 10*time.Minute
		w := watch(t, directClient(direct{handler: world}), config)
		time.Sleep(5 * time.Minute)
		h.forget()
		workers[7].SetStatus(farmtest.WorkerRunning)
		lost := make(map[string]bool)
		for _, w := range workers[10:20] { // a few may be listed before
			w.Lose()
			lost[w.ID()] = true
		}
		time.Sleep(9 * time.Second)
		asked, shown, awaiting, hidden := 0, make(map[string]int), make(map[string]int), make(map[string]bool)
		for _, a := range h.of(farmtest.BatchGetWorker) {
			if a.List != 0 || a.UnderWay || a.Complete || len(a.Observed) > 0 {
				t.Errorf("%+v", a)
			}
			asked += len(a.Workers)
			for n, keys := range [][]diff.WorkerKey{a.Shown, a.Awaiting} {
				for _, k := range keys {
					[]map[string]int{shown, awaiting}[n][k.WorkerID]++
				}
			}
			for _, k := range a.Workers {
				if !slices.Contains(a.Shown, k) {
					hidden[k.WorkerID] = true
				}
			}
		}
		for id := range hidden {
			if !lost[id] {
				t.Errorf("worker %s exists and is not shown", id)
			}
		}
		if asked < 60 || len(shown) < 45 || len(hidden) < 5 || len(awaiting) != 1 || awaiting[workers[7].ID()] == 0 {
			t.Errorf("%d asked, %d shown, awaiting %v, not shown %v", asked, len(shown), awaiting, hidden)
		}
		time.Sleep(2 * time.Minute)
		if n := w.seen(workers[7].ID())[diff.CompleteListing]; n < 2 {
			t.Errorf("the worker was listed %d times", n)
		}
		h.forget()
		workers[7].SetStatus(farmtest.WorkerIdle)
		time.Sleep(5 * time.Minute)
		for _, a := range h.of(farmtest.BatchGetWorker) {
			if len(a.Awaiting) > 0 {
				t.Errorf("after its listing awaiting: %v", a.Awaiting)
			}
		}
	})
}

// The statuses of workers whose shard is not owned are not dealt with.
func TestWorkersOfOtherShardsAwaitTheirListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newHeardWorld(farmtest.Config{})
		h, config := newHearing(t), testConfig
		config.Watcher, config.Shards = h, 2
		config.Shard = func(id string) int { return map[bool]int{true: 1}[id == world.workers[1].ID()] }
		p := start(t, direct{handler: world}, config)
		observations := p.Own(0, nil)
		for range 3 {
			o := <-observations
			h.received(o)
			p.Committed(diff.Apply(diff.NewSnapshot(o.Worker, diff.Watch{}), diff.Changes{}))
		}
		time.Sleep(40 * time.Second)
		all := h.of(farmtest.ListWorkers)
		if got, want := inWords(all[len(all)-1], world.names), "in farm; in fleet; first request; complete; shows w0,w1,w2; awaiting w1"; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		p.Disown(0)
		rest(observations)
	})
}

// A shard is disowned while its listings are in flight. They end as cancelled, and what their pages have shown is told before it is
// delivered. Of a shard that is owned anew meanwhile, nothing of the old requests is told.
func TestWatcherHearsOfDisown(t *testing.T) {
	for _, again := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			world := newHeardWorld(farmtest.Config{PageSize: 2})
			second := func(r *http.Request) time.Duration {
				if strings.HasSuffix(r.URL.Path, "/sessions") && r.URL.Query().Get("nextToken") != "" {
					return 5 * time.Second
				}
				return time.Millisecond
			}
			h, config := newHearing(t), testConfig
			config.Watcher = h
			p := start(t, direct{handler: world, delay: second}, config)
			observations := p.Own(0, nil)
			time.Sleep(2 * time.Second)
			if again {
				p.Own(0, nil) // it is disowned first
			} else {
				p.Disown(0)
			}
			got := 0
			for o := range observations {
				if o.Source == diff.Answers {
					got++
				}
				if o.Source == diff.CompleteListing || !again {
					h.received(o)
				}
			}
			if got != 1 {
				t.Errorf("%d observations of a listing that was stopped", got)
			}
			time.Sleep(10 * time.Millisecond)
			var words []string
			for _, a := range h.of(farmtest.ListSessionsForWorker) {
				if a.Reason != "" {
					words = append(words, inWords(a, world.names))
				}
			}
			want := []string{"about w0; fails: cancelled; further request; observed w0"}
			if again {
				want = []string{"about w0; fails: cancelled; further request"}
			}
			if diff := gocmp.Diff(want, words); diff != "" {
				t.Errorf("owned again %v (-want +got):\n%s", again, diff)
			}
		})
	}
}

// A lookup for workers of two shards is cancelled when one of them is disowned. The Watcher hears of both.
func TestWatcherHearsOfTwoShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newHeardWorld(farmtest.Config{})
		other := world.workers[1].StartSession(nil)
		world.names[other.ID()] = "t0"
		time.Sleep(time.Second)
		var isSlow atomic.Bool
		slow := func(r *http.Request) time.Duration {
			if isSlow.Load() && strings.HasSuffix(r.URL.Path, "batch-get-session") {
				return 5 * time.Second
			}
			return time.Millisecond
		}
		h, config := newHearing(t), testConfig
		config.Watcher, config.Shards = h, 2
		config.Shard = func(id string) int { return map[bool]int{true: 1}[id == world.workers[1].ID()] }
		w := watch(t, directClient(direct{handler: world, delay: slow}), config)
		time.Sleep(10 * time.Second)
		var snapshots []diff.Snapshot
		w.mu.Lock()
		for _, s := range w.snapshots {
			snapshots = append(snapshots, s)
		}
		w.mu.Unlock()
		restarted := newHearing(t) // of a second Poller, which restores the sessions and so asks for them first
		config.Watcher = restarted
		isSlow.Store(true)
		next := New(directClient(direct{handler: world, delay: slow}), config, zap.NewNop(), prometheus.NewRegistry())
		var boxes []<-chan diff.Observation
		for shard := range config.Shards {
			boxes = append(boxes, next.Own(shard, slices.DeleteFunc(slices.Clone(snapshots), func(s diff.Snapshot) bool {
				return config.Shard(s.Worker().WorkerID) != shard
			})))
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- next.Run(ctx) }()
		time.Sleep(100 * time.Millisecond)
		next.Disown(1)
		time.Sleep(10 * time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, box := range boxes {
			rest(box)
		}
		var words []string
		for _, a := range restarted.of(farmtest.BatchGetSession) {
			words = append(words, inWords(a, world.names))
		}
		want := []string{"about w0,w1; about s0,s1,s2,t0; fails: cancelled", "about w0; about s0,s1,s2; found s0,s1,s2; observed w0"}
		if diff := gocmp.Diff(want, words[:min(2, len(words))]); diff != "" {
			t.Errorf("lookups (-want +got):\n%s", diff)
		}
	})
}

// At is the Date of the answer less the time that passed since the request, or else as far from this host's clock as the newest
// Date was.
func TestWhenRequestsAreSentByTheServicesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := time.Date(1999, 5, 6, 7, 8, 9, 0, time.UTC)
		var date time.Time
		slow := direct{handler: newWorld(farmtest.Config{}), delay: func(*http.Request) time.Duration { return 300 * time.Millisecond }}
		dated := func(o *deadline.Options) { o.HTTPClient = datedClient{slow, &date} }
		s := New(deadline.New(directClient(slow).Options(), dated), Config{}, zap.NewNop(), prometheus.NewRegistry()).service
		send := func() time.Time {
			r := s.send(t.Context(), schedule.Call{Kind: schedule.ListFarms, Page: 1})
			if r.At.Location() != time.UTC {
				t.Errorf("%v is not in UTC", r.At)
			}
			return r.At
		}
		date = time.Time{}
		if now, got := time.Now(), send(); !got.Equal(now) {
			t.Errorf("without any Date the request was sent at %v, want %v", got, now)
		}
		date = base
		if got := send(); got != base.Add(-300*time.Millisecond) {
			t.Errorf("it was sent at %v", got)
		}
		date = time.Time{}
		time.Sleep(10 * time.Second)
		if got := send(); got != base.Add(10*time.Second) {
			t.Errorf("without a Date it was sent at %v", got)
		}
		date = base.Add(time.Hour)
		send()
		date = time.Time{}
		if got := send(); got != base.Add(time.Hour) {
			t.Errorf("without a Date it was sent at %v, and the clock was set meanwhile", got)
		}
	})
}

// datedClient is an HTTP client whose answers have a Date, or none if it is zero.
type datedClient struct {
	direct
	date *time.Time
}

func (c datedClient) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.direct.Do(r)
	if err == nil {
		resp.Header.Del("Date")
		if !c.date.IsZero() {
			resp.Header.Set("Date", c.date.Format(http.TimeFormat))
		}
	}
	return resp, err
}

// With all faults, changes of the farm, and clocks that differ, every request is told and answered once, and every observation is
// told before it is received.
func TestWatcherWithAllFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := farmtest.AllFaults(7)
		cfg.Skew = -90 * time.Minute
		world := newWorld(cfg)
		for range 39 {
			world.fleet.AddWorker()
		}
		h, config := newHearing(t), testConfig
		h.skew = cfg.Skew
		config.Watcher, config.Rate, config.Shards = h, 2, 3
		config.Shard = func(id string) int { return int(id[len(id)-1]) % 3 }
		w := watch(t, directClient(direct{handler: world}), config)
		var open []*farmtest.Session
		worker := world.worker
		for n := range 200 {
			time.Sleep(5 * time.Second)
			switch n % 4 {
			case 0:
				worker = world.fleet.AddWorker()
			case 1:
				worker.SetStatus(farmtest.WorkerRunning)
				open = append(open, worker.StartSession(nil))
			case 2:
				if n%8 == 2 {
					worker.Delete()
				}
			default:
				open[len(open)-1].End()
			}
		}
		h.mu.Lock()
		h.disowned = true
		h.mu.Unlock()
		for shard := range config.Shards {
			w.poller.Disown(shard)
		}
		time.Sleep(requestTimeout + time.Second)
		h.mu.Lock()
		defer h.mu.Unlock()
		for k, n := range h.told {
			if n != 0 {
				t.Errorf("%d observations of %v were told and not received", n, k)
			}
		}
		heard := make(map[string]int)
		for _, a := range h.answers {
			heard[a.Operation]++
			heard[a.Reason]++
		}
		for _, what := range []string{"ListFarms", "ListFleets", "ListWorkers", "BatchGetWorker", "ListSessionsForWorker", "BatchGetSession", "throttled", "denied", "server_error", "connection", "malformed"} {
			if heard[what] == 0 {
				t.Errorf("%s was not heard", what)
			}
		}
		if len(w.all()) < 100 {
			t.Errorf("only %d observations", len(w.all()))
		}
	})
}

// Many sessions of one job begin at once. The Watcher is told which workers the pages of the job's list are observations of.
func TestWatcherHearsOfJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		workers := []*farmtest.Worker{world.worker}
		for range 79 {
			workers = append(workers, world.fleet.AddWorker())
		}
		h, config := newHearing(t), testConfig
		config.Watcher, config.Rate = h, 2
		watch(t, directClient(direct{handler: world}), config)
		time.Sleep(5 * time.Minute)
		job := world.farm.AddJob("")
		for _, w := range workers {
			w.SetStatus(farmtest.WorkerRunning)
			w.StartSession(job)
		}
		time.Sleep(2 * time.Minute)
		observed := 0
		for _, a := range h.of(farmtest.ListSessions) {
			if a.Farm != world.farm.ID() || a.Fleet != "" || a.Workers != nil || a.List == 0 || a.Reason != "" {
				t.Errorf("%+v", a)
			}
			observed += len(a.Observed)
		}
		if observed < 40 {
			t.Errorf("%d workers were observed by lists of jobs", observed)
		}
	})
}

// A listing that is stopped early ends with an observation and is not complete.
func TestWatcherHearsOfStoppedListings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{PageSize: 2, Order: farmtest.NewestFirst})
		names := map[string]string{world.worker.ID(): "w"}
		for n := range 6 {
			begun := world.Cloud().Now().Add(time.Duration(n-10) * time.Minute)
			world.worker.AddHistory(nil, begun, begun.Add(30*time.Second))
		}
		h, config := newHearing(t), testConfig
		config.Watcher = h
		watch(t, directClient(direct{handler: world}), config)
		time.Sleep(2 * time.Second)
		world.worker.StartSession(nil).End()
		time.Sleep(10 * time.Second)
		h.forget()
		time.Sleep(time.Minute)
		got := make(map[string]int)
		for _, a := range h.of(farmtest.ListSessionsForWorker) {
			got[inWords(a, names)]++
		}
		if got["about w; first request; observed w"] == 0 {
			t.Errorf("answers: %v", got)
		}
	})
}

// The requests that are in flight when Run ends count as cancelled.
func TestWatcherHearsOfTheEndOfRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		slow := func(r *http.Request) time.Duration { return time.Second }
		h, config := newHearing(t), testConfig
		config.Watcher = h
		p := New(directClient(direct{handler: world, delay: slow}), config, zap.NewNop(), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		time.Sleep(time.Millisecond)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if all := h.of(farmtest.ListFarms); len(all) != 1 || all[0].Reason != string(schedule.Cancelled) {
			t.Errorf("answers: %+v", all)
		}
	})
}

// Whether an answer is usable whose status is not good, or whose list is discarded.
func TestUsableAnswers(t *testing.T) {
	const none = schedule.ResourceNotFound
	missing := func(kind string) schedule.Answer { return schedule.Answer{Reason: none, NotFound: kind} }
	discarded := schedule.Outcome{Stage: schedule.Discarded, Reason: none}
	for name, c := range map[string]struct {
		kind    schedule.Kind
		answer  schedule.Answer
		outcome schedule.Outcome
		want    schedule.Reason
	}{
		"no such worker":                     {schedule.ListSessionsForWorker, missing("worker"), schedule.Outcome{Stage: schedule.Complete, NoSuchWorker: true}, ""},
		"no such worker, and it is disowned": {schedule.ListSessionsForWorker, missing("worker"), schedule.Outcome{Stage: schedule.Discarded, Reason: none, Ignored: true}, ""},
		"no such fleet":                      {schedule.ListSessionsForWorker, missing("fleet"), discarded, none},
		"no such fleet, and it is confirmed": {schedule.ListSessionsForWorker, missing("fleet"), schedule.Outcome{Stage: schedule.Complete, NoSuchWorker: true}, ""},
		"no such job":                        {schedule.ListSessions, missing("job"), discarded, ""},
		"no such queue":                      {schedule.ListSessions, missing("queue"), discarded, none},
		"no such fleet for ListWorkers":      {schedule.ListWorkers, missing("fleet"), discarded, none},
		"no such session":                    {schedule.GetSession, missing(""), schedule.Outcome{Stage: schedule.Complete}, ""},
		"it does not say what":               {schedule.GetSession, missing(""), discarded, none},
		"too many pages":                     {schedule.ListWorkers, schedule.Answer{}, schedule.Outcome{Stage: schedule.Discarded, Reason: schedule.TooManyPages}, schedule.TooManyPages},
		"asked again":                        {schedule.ListWorkers, schedule.Answer{Reason: schedule.Timeout}, schedule.Outcome{Reason: schedule.Timeout}, schedule.Timeout},
		"a page of several":                  {schedule.ListWorkers, schedule.Answer{}, schedule.Outcome{}, ""},
	} {
		if got := usableReason(schedule.Call{Kind: c.kind}, &reading{Answer: c.answer}, c.outcome); got != string(c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
