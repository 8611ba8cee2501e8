package poller

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"
	"farmwire/poller/schedule"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// rewriting answers like the handler, but gives a member of JSON objects another value in the answers to requests whose path
// contains the text.
func rewriting(handler http.Handler, path, member, value string) http.Handler {
	old := regexp.MustCompile(fmt.Sprintf("%q:(\"[^\"]*\"|null)", member))
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, path) {
			handler.ServeHTTP(rw, r)
			return
		}
		rec := &recording{header: rw.Header()}
		handler.ServeHTTP(rec, r)
		rw.Header().Del("Content-Length")
		rw.WriteHeader(max(rec.status, http.StatusOK))
		_, _ = rw.Write(old.ReplaceAll(bytes.Clone(rec.Bytes()), fmt.Appendf(nil, "%q:%q", member, value)))
	})
}

// A field of a session that is longer than 4 KiB makes the listings of its worker malformed, and those of no other. The
// log names the worker once. A field of 4 KiB is like any other.
func TestLongFieldOfASession(t *testing.T) {
	for _, field := range []string{"sessionId", "queueId", "jobId", "lifecycleStatus", "targetLifecycleStatus"} {
		for _, length := range []int{4096, 4097} {
			t.Run(fmt.Sprint(field, " ", length), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { longField(t, field, length) })
			})
		}
	}
}

func longField(t *testing.T, field string, length int) {
	world := newWorld(farmtest.Config{})
	neighbour := world.fleet.AddWorker()
	world.worker.StartSession(nil).SetTarget()
	h := rewriting(world, world.worker.ID()+"/sessions", field, strings.Repeat("x", length))
	core, logged := observer.New(zapcore.WarnLevel)
	w := watchWith(t, New(directClient(direct{handler: h}), testConfig, zap.New(core), prometheus.NewRegistry()))
	time.Sleep(2 * time.Minute)
	fits := length <= 4096
	if n := w.seen(world.worker.ID())[diff.CompleteListing]; fits != (n > 0) {
		t.Errorf("%d complete listings of the worker", n)
	}
	if n := w.seen(neighbour.ID())[diff.CompleteListing]; n < 10 {
		t.Errorf("%d complete listings of the neighbour", n)
	}
	s := w.poller.State()
	if fits != isFine(s) || !fits && (s.UnlistedCount != 1 || s.Unlisted[0].Reason != schedule.FieldTooLong) {
		t.Errorf("state: %+v", s)
	}
	if n := logged.FilterField(zap.String("worker", world.worker.ID())).Len(); fits != (n == 0) || n > 1 {
		t.Errorf("%d log lines name the worker: %v", n, logged.All())
	}
}

// A status or a host name of a worker that is too long is left empty, and hides no worker. An identifier that is too long
// makes the list malformed.
func TestLongFieldOfDiscovery(t *testing.T) {
	long := strings.Repeat("x", 4097)
	for field, c := range map[string]struct {
		path      string
		malformed string // the operation whose answers are; empty if none
	}{
		"status":   {"/workers", ""},
		"hostName": {"/workers", ""},
		"workerId": {"/workers", "ListWorkers"},
		"fleetId":  {"/fleets", "ListFleets"},
		"farmId":   {"/farms", "ListFarms"},
	} {
		t.Run(field, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newWorld(farmtest.Config{})
				session := world.worker.StartSession(nil)
				h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, c.path) {
						rewriting(world, c.path, field, long).ServeHTTP(rw, r)
					} else {
						world.ServeHTTP(rw, r)
					}
				})
				core, _ := observer.New(zapcore.WarnLevel)
				w := watchWith(t, New(directClient(direct{handler: h}), testConfig, zap.New(core), prometheus.NewRegistry()))
				time.Sleep(time.Minute)
				s := w.poller.State()
				if c.malformed != "" {
					if len(s.Discovery) != 1 || s.Discovery[0].Operation != c.malformed || s.Discovery[0].Reason != schedule.FieldTooLong {
						t.Errorf("state: %+v", s)
					}
					return
				}
				if got := w.kinds(session.ID()); got != "started" && got != "discovered" || !isFine(s) {
					t.Errorf("events %q, state %+v", got, s)
				}
				for _, o := range w.all() {
					if o.Status == nil || len(o.Status.Status)+len(o.Status.HostName) > 4096 || (field == "status") != (o.Status.Status == "") || (field == "hostName") != (o.Status.HostName == "") {
						t.Fatalf("the status of the worker is %+v", o.Status)
					}
				}
			})
		})
	}
}

// A session whose id is reserved makes the listings of its worker malformed, and those of no other. The log names the worker.
func TestReservedID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		neighbour := world.fleet.AddWorker()
		world.worker.StartSession(nil)
		h := rewriting(world, world.worker.ID()+"/sessions", "sessionId", "reserved")
		core, logged := observer.New(zapcore.WarnLevel)
		config := testConfig
		config.IsReserved = func(text string) bool { return text == "reserved" }
		w := watchWith(t, New(directClient(direct{handler: h}), config, zap.New(core), prometheus.NewRegistry()))
		time.Sleep(2 * time.Minute)
		if n := w.seen(world.worker.ID())[diff.CompleteListing]; n > 0 {
			t.Errorf("%d complete listings of the worker", n)
		}
		if n := w.seen(neighbour.ID())[diff.CompleteListing]; n < 10 {
			t.Errorf("%d complete listings of the neighbour", n)
		}
		if s := w.poller.State(); s.UnlistedCount != 1 || s.Unlisted[0].Reason != schedule.ReservedID {
			t.Errorf("state: %+v", s)
		}
		if n := logged.FilterField(zap.String("worker", world.worker.ID())).Len(); n != 1 {
			t.Errorf("%d log lines name the worker: %v", n, logged.All())
		}
	})
}
