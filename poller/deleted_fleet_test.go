package poller

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"
)

// deleted answers as if the fleet did not exist, while gone is set. It counts the requests for it in asked.
func deleted(w *world, fleet *farmtest.Fleet, gone *atomic.Bool, asked *atomic.Int64) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case gone.Load() && strings.HasSuffix(r.URL.Path, "/fleets"):
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(rw, `{"fleets":[{"farmId":%q,"fleetId":%q,"displayName":"x","status":"ACTIVE","workerCount":1,"minWorkerCount":0,"maxWorkerCount":5,"createdAt":"2026-01-01T00:00:00Z","createdBy":"x"}]}`, w.farm.ID(), w.fleet.ID())
		case gone.Load() && strings.Contains(r.URL.Path, fleet.ID()):
			asked.Add(1)
			rw.Header().Set("X-Amzn-ErrorType", "ResourceNotFoundException")
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(rw, `{"message":"fleet not found","resourceType":"fleet","resourceId":%q}`, fleet.ID())
		default:
			w.ServeHTTP(rw, r)
		}
	})
}

// The workers of a fleet that was deleted are listed more and more rarely, and the State shows no problem. If
// they are shown again, they are listed at once.
func TestFleetIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		other := world.farm.AddFleet("other")
		var worker *farmtest.Worker
		for range 40 {
			worker = other.AddWorker()
			worker.StartSession(nil).End()
		}
		var gone atomic.Bool
		var asked atomic.Int64
		config := Config{Rate: 10, Staleness: 15 * time.Second, Discovery: 30 * time.Second}
		w := watch(t, directClient(direct{handler: deleted(world, other, &gone, &asked)}), config)
		time.Sleep(3 * time.Minute)
		gone.Store(true)
		time.Sleep(2 * time.Minute)
		if asked.Load() == 0 {
			t.Error("the workers were not listed after the fleet was deleted")
		}
		time.Sleep(2 * time.Hour)
		asked.Store(0)
		time.Sleep(time.Hour)
		if n := asked.Load(); n > 80 {
			t.Errorf("%d requests in the third hour for 40 workers of a fleet that was deleted", n)
		}
		if s := w.poller.State(); !isFine(s) {
			t.Errorf("state: %+v", s)
		}
		gone.Store(false)
		had := w.seen(worker.ID())[diff.CompleteListing]
		time.Sleep(time.Minute)
		if w.seen(worker.ID())[diff.CompleteListing] == had {
			t.Error("the worker is shown again and was not listed for a minute")
		}
	})
}

// That the fleet or the farm of a worker does not exist lets its ended sessions be forgotten only while complete listings of
// discovery lack it too.
func TestAnswersThatNameTheFleet(t *testing.T) {
	for _, tt := range []struct {
		name       string
		named      string // in the error: fleet or farm
		listed     bool   // discovery still shows the fleet
		farmGone   bool   // ListFarms shows only another farm
		forgets    bool
		openAtLast bool // a session is open
	}{
		{name: "the fleet is gone", named: "fleet", forgets: true},
		{name: "the fleet is still listed", named: "fleet", listed: true},
		{name: "the farm is named and still listed", named: "farm"},
		{name: "a session is open", named: "fleet", openAtLast: true},
		{name: "the farm is gone", named: "farm", farmGone: true, forgets: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newWorld(farmtest.Config{})
				other := world.farm.AddFleet("other")
				worker := other.AddWorker()
				if tt.openAtLast {
					worker.StartSession(nil)
				}
				second := world.Cloud().AddFarm("second")
				second.AddFleet("render").AddWorker().StartSession(nil)
				var gone atomic.Bool
				w := watch(t, directClient(direct{handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					path := r.URL.Path
					rw.Header().Set("Content-Type", "application/json")
					switch {
					case gone.Load() && tt.farmGone && strings.HasSuffix(path, "/farms"):
						fmt.Fprintf(rw, `{"farms":[{"farmId":%q,"displayName":"x","createdAt":"2026-01-01T00:00:00Z","createdBy":"x"}]}`, second.ID())
					case gone.Load() && strings.Contains(path, other.ID()):
						id := map[string]string{"fleet": other.ID(), "farm": world.farm.ID()}[tt.named]
						rw.Header().Set("X-Amzn-ErrorType", "ResourceNotFoundException")
						rw.WriteHeader(http.StatusNotFound)
						fmt.Fprintf(rw, `{"message":"not found","resourceType":%q,"resourceId":%q}`, tt.named, id)
					case tt.listed:
						world.ServeHTTP(rw, r)
					default:
						deleted(world, other, &gone, new(atomic.Int64)).ServeHTTP(rw, r)
					}
				})}), Config{Rate: .1, Staleness: 10 * time.Minute, Discovery: 10 * time.Minute}) // the whole rate is used for more than a day
				key := diff.WorkerKey{FarmID: world.farm.ID(), FleetID: other.ID(), WorkerID: worker.ID()}
				remembered := func() int {
					w.mu.Lock()
					defer w.mu.Unlock()
					return w.snapshots[key].Remembered()
				}
				time.Sleep(3 * time.Minute)
				worker.StartSession(nil).End() // not before the fleet was watched
				time.Sleep(30 * time.Minute)
				if remembered() != 1 {
					t.Fatalf("%d sessions are remembered at first", remembered())
				}
				gone.Store(true)
				time.Sleep(24 * time.Hour)
				if remembered() != 1 {
					t.Fatal("forgotten within a day")
				}
				time.Sleep(3 * time.Hour)
				if (remembered() == 0) != tt.forgets {
					t.Errorf("%d sessions are remembered", remembered())
				}
			})
		})
	}
}
