package poller

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/poller/farmtest"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"
)

// unowned runs a Poller that owns no shard.
func unowned(t *testing.T, handler http.Handler, config Config) *Poller {
	t.Helper()
	p := New(directClient(direct{handler: handler}), config, zaptest.NewLogger(t), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p
}

func isFarmShown(p *Poller) bool {
	select {
	case <-p.FarmShown():
		return true
	default:
		return false
	}
}

// Without a shard about one request a second is sent until a usable answer shows a farm, and none after that.
func TestFarmShown(t *testing.T) {
	refusals := map[string]http.HandlerFunc{
		"403": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
			w.WriteHeader(http.StatusForbidden)
		},
		"500":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"404":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"302":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) },
		"silence": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done(); panic(http.ErrAbortHandler) },
		"cut":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"garbage": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Welcome to the hotel</html>") },
		"no body": func(http.ResponseWriter, *http.Request) {},
		"no list": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"nextToken":"x"}`) },
		"null": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"farms":null,"workers":null,"fleets":null}`)
		},
		"a number":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"farms":7,"workers":7,"fleets":7}`) },
		"half a body": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"farms":[`) },
	}
	for name, refuse := range refusals {
		for what, first := range map[string]string{"all": "/farms", "farm": "/fleets", "fleet": "/workers"} {
			t.Run(name+"/"+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					world := newWorld(farmtest.Config{})
					config := Config{Shards: 2}
					if what != "all" {
						config.Farms = []string{world.farm.ID()}
					}
					if what == "fleet" {
						config.Fleets = []string{world.fleet.ID()}
					}
					var requests atomic.Int64
					var good atomic.Bool
					p := unowned(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						requests.Add(1)
						if !strings.HasSuffix(r.URL.Path, first) {
							t.Errorf("requested %s, want only %s", r.URL.Path, first)
						}
						if !good.Load() {
							refuse(w, r)
							return
						}
						world.ServeHTTP(w, r)
					}), config)
					time.Sleep(time.Minute)
					least := int64(50)
					if name == "silence" {
						least = 5
					}
					if n := requests.Load(); n < least || n > 61 {
						t.Errorf("%d requests in a minute", n)
					}
					if isFarmShown(p) {
						t.Fatal("FarmShown is closed without a usable answer")
					}
					if s := p.State(); s.Phase != Polling || s.Answered || s.LastFailure == "" {
						t.Errorf("state: %+v", s)
					}
					good.Store(true)
					time.Sleep(12 * time.Second)
					if !isFarmShown(p) {
						t.Fatal("FarmShown is not closed after a usable answer")
					}
					before := requests.Load()
					time.Sleep(time.Hour)
					if n := requests.Load() - before; n > 0 {
						t.Errorf("%d requests after the answer", n)
					}
					if s := p.State(); !isFine(s) {
						t.Errorf("state: %+v", s)
					}
				})
			})
		}
	}
}

// As long as ListFarms shows no farm, it is asked as often as discovery asks. The farm may come on a later page.
func TestNoFarmShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int64
		var shown atomic.Bool
		p := unowned(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			switch {
			case r.URL.Query().Get("nextToken") == "":
				fmt.Fprint(w, `{"farms":[],"nextToken":"x"}`)
			case !shown.Load():
				fmt.Fprint(w, `{"farms":[]}`)
			default:
				fmt.Fprint(w, `{"farms":[{"farmId":"farm-1","displayName":"f","createdAt":"2025-01-01T00:00:00Z","createdBy":"u"}],"nextToken":"y"}`)
			}
		}), Config{Discovery: 30 * time.Second})
		time.Sleep(10*time.Minute + 10*time.Second)
		if n := requests.Load(); n < 40 || n > 44 {
			t.Errorf("%d requests in ten minutes", n)
		}
		if s := p.State(); isFarmShown(p) || !s.Answered || s.FarmShown || s.LastFailure != "" {
			t.Fatalf("shown: %v; state: %+v", isFarmShown(p), s)
		}
		shown.Store(true)
		time.Sleep(31 * time.Second)
		if s := p.State(); !isFarmShown(p) || !s.FarmShown {
			t.Fatalf("shown: %v; state: %+v", isFarmShown(p), s)
		}
		before := requests.Load()
		time.Sleep(time.Hour)
		if n := requests.Load() - before; n > 0 {
			t.Errorf("%d requests after a farm was shown", n)
		}
	})
}

// Until a farm is shown the budget of one shard is kept. One page is enough for an answer. When a shard is
// owned after that, discovery begins.
func TestRequestsUntilFarmShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		for range 250 {
			world.fleet.AddWorker()
		}
		var requests atomic.Int64
		var bad atomic.Bool
		bad.Store(true)
		p := unowned(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			if bad.Load() {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			world.ServeHTTP(w, r)
		}), Config{Farms: []string{world.farm.ID()}, Fleets: []string{world.fleet.ID()}, Rate: 1, Shards: 12})
		time.Sleep(10 * time.Minute)
		if n := requests.Load(); n > 52 {
			t.Errorf("%d requests in 600 s with a twelfth of 1 a second", n)
		}
		bad.Store(false)
		requests.Store(0)
		time.Sleep(10 * time.Minute)
		if n := requests.Load(); n != 1 || !isFarmShown(p) {
			t.Errorf("%d requests; answered: %v", n, isFarmShown(p))
		}
		go func() {
			for range p.Own(0, nil) {
			}
		}()
		time.Sleep(2 * time.Minute)
		if n := len(p.Found().Fleets); n != 1 || requests.Load() < 4 {
			t.Errorf("%d fleets found, %d requests", n, requests.Load())
		}
	})
}
