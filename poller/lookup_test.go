package poller

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"
	"farmwire/poller/schedule"
)

// An error of BatchGetSession for one session does not affect another session. Only an error that names the session
// or its job means that the session does not exist.
func TestItemFaults(t *testing.T) {
	for _, kind := range []farmtest.Kind{
		farmtest.ItemServerError, farmtest.ItemInvalid, farmtest.ItemElsewhere, farmtest.ItemUnknownCode, farmtest.ItemOmitted,
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newWorld(farmtest.Config{})
				one, two := world.worker.StartSession(nil), world.worker.StartSession(nil)
				w := watch(t, directClient(direct{handler: world}), testConfig)
				time.Sleep(5 * time.Second)
				world.SetFaults(farmtest.Fault{Kind: kind})
				world.worker.Lose()
				two.Job().Delete()
				time.Sleep(6 * time.Minute)
				if got := w.kinds(one.ID()); got != "started" {
					t.Errorf("events of the session that cannot be looked up: %q", got)
				}
				if got := w.kinds(two.ID()); got != "started vanished" {
					t.Errorf("events of the session whose job was deleted: %q", got)
				}
				for _, o := range w.all() {
					for _, n := range o.NotFound {
						if n.SessionID == one.ID() && n.MissingAt.IsZero() {
							t.Fatal("a session that exists counts as not found")
						}
					}
				}
				one.End()
				world.SetFaults()
				time.Sleep(11 * time.Second)
				if kind == farmtest.ItemElsewhere {
					time.Sleep(time.Minute) // a session whose queue is missing is looked up more rarely
				}
				if got := w.kinds(one.ID()); got != "started ended" {
					t.Errorf("events when the fault is over: %q", got)
				}
			})
		})
	}
}

// If whole lookups fail, they are repeated, and the end of the session is found when the fault is over.
func TestLookupFaults(t *testing.T) {
	for _, kind := range []farmtest.Kind{farmtest.Throttled, farmtest.Unavailable, farmtest.Truncated, farmtest.NotJSON, farmtest.EmptyBody} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newWorld(farmtest.Config{})
				neighbour := world.fleet.AddWorker()
				s := world.worker.StartSession(nil)
				w := watch(t, directClient(direct{handler: world}), testConfig)
				time.Sleep(5 * time.Second)
				world.SetFaults(farmtest.Fault{Kind: kind, Operation: farmtest.BatchGetSession}, farmtest.Fault{Kind: kind, Operation: farmtest.GetSession},
					farmtest.Fault{Kind: farmtest.Denied, Operation: farmtest.ListSessions}) // which would show the end, too
				world.worker.Delete()
				time.Sleep(3 * time.Minute)
				if got := w.kinds(s.ID()); got != "started" {
					t.Errorf("events: %q", got)
				}
				if calls := world.Calls()[farmtest.BatchGetSession]; sum(calls) > 60 {
					t.Errorf("calls in three minutes: %v", calls)
				}
				if gap := w.longestGap(neighbour.ID()); gap > 11*time.Second {
					t.Errorf("the neighbour was not listed for %v", gap)
				}
				world.SetFaults()
				time.Sleep(70 * time.Second)
				if got := w.kinds(s.ID()); got != "started ended" {
					t.Errorf("events when the fault is over: %q", got)
				}
			})
		})
	}
}

func sum(outcomes map[string]int) int {
	n := 0
	for _, count := range outcomes {
		n += count
	}
	return n
}

// The identifier in a message decides what was not found.
func TestNamedKind(t *testing.T) {
	s := diff.Session{WorkerKey: diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: "worker-1"}, QueueID: "queue-1", JobID: "job-1", SessionID: "session-1"}
	for message, want := range map[string]string{
		"Resource of type session with id session-1 does not exist.": "session",
		"no job-1":              "job",
		"queue-1 is not there":  "queue",
		"session-1 of queue-1?": "",
		"Resource not found":    "",
		"":                      "",
	} {
		if got := namedKind(message, identifiers(s)); got != want {
			t.Errorf("%q is about %q, want %q", message, got, want)
		}
	}
}

// BatchGetSession says of all sessions that something was not found and not what. They are more than one call looks
// up by GetSession, and for most GetSession is denied. The others are looked up nevertheless.
func TestUnclearSessionsAreAllTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		var ids []string
		for range 30 {
			ids = append(ids, world.worker.StartSession(nil).ID())
		}
		good := ids[len(ids)-1]
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			switch {
			case strings.HasSuffix(r.URL.Path, "/batch-get-session"):
				var items []string
				for _, id := range ids {
					items = append(items, `{"sessionId":"`+id+`","farmId":"f","queueId":"q","jobId":"j","code":"ResourceNotFoundException","message":"not found"}`)
				}
				fmt.Fprintf(w, `{"sessions":[],"errors":[%s]}`, strings.Join(items, ","))
			case strings.Contains(r.URL.Path, "/sessions/session-") && !strings.HasSuffix(r.URL.Path, good):
				w.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
				w.WriteHeader(http.StatusForbidden)
			default:
				world.ServeHTTP(w, r)
			}
		})
		w := watch(t, directClient(direct{handler: h}), testConfig)
		time.Sleep(5 * time.Second)
		world.worker.Lose()
		time.Sleep(5 * time.Minute)
		for _, o := range w.all() {
			if o.Source == diff.Answers && len(o.Sightings) > 0 {
				return
			}
		}
		t.Error("the session that GetSession shows was never looked up")
	})
}

// A worker may be moved to another fleet. A lookup of a session that was seen before then shows it there, and counts.
func TestSessionIsShownInAnotherFleet(t *testing.T) {
	for member, want := range map[string]string{"fleetId": "started ended", "workerId": "started"} {
		t.Run(member, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newWorld(farmtest.Config{})
				world.SetFaults(farmtest.Fault{Kind: farmtest.Denied, Operation: farmtest.ListSessions}) // which would show the end, too
				w := watch(t, directClient(direct{handler: rewriting(world, "batch-get-session", member, "another")}), testConfig)
				time.Sleep(time.Minute)
				s := world.worker.StartSession(nil)
				time.Sleep(time.Minute)
				world.worker.Lose()
				s.End()
				time.Sleep(2 * time.Minute)
				if got := w.kinds(s.ID()); got != want {
					t.Errorf("the events are %q, want %q", got, want)
				}
			})
		})
	}
}

// A lookup that is throttled is not counted, because it is sent again.
func TestThrottledLookupIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{Faults: []farmtest.Fault{{Kind: farmtest.Throttled, Operation: farmtest.BatchGetSession}}})
		w := watch(t, directClient(direct{handler: world}), testConfig, restored(world, world.worker.StartSession(nil)))
		time.Sleep(5 * time.Second)
		m := w.poller.service.metrics
		if n := value(t, m.requests.WithLabelValues("BatchGetSession", string(schedule.Throttled))); n == 0 {
			t.Error("no lookup was throttled")
		}
		if n := value(t, m.lookups); n != 0 {
			t.Errorf("%v sessions are counted", n)
		}
	})
}
