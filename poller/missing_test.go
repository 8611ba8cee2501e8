package poller

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"
)

// lostPart is a world of which a part is deleted: the queue, the fleet or the farm of an open session.
type lostPart struct {
	*world
	session *farmtest.Session
	part    string // its id
	handler atomic.Pointer[http.Handler]
	config  Config
	w       *watcher
}

// newLostPart watches a session whose worker is then deleted together with the part, some time after the function before
// is called.
func newLostPart(t *testing.T, part string, config Config, before ...func(*lostPart)) *lostPart {
	t.Helper()
	l := &lostPart{world: newWorld(farmtest.Config{}), config: config}
	l.answerBy(l.world)
	l.farm.AddFleet("another fleet")
	other := l.Cloud().AddFarm("another farm").AddFleet("fleet of another farm")
	if len(config.Farms) > 0 {
		config.Farms = slices.Replace(slices.Clone(config.Farms), 0, 1, l.farm.ID())
		if len(config.Farms) > 1 {
			config.Farms[1] = other.Farm().ID()
		}
		l.config = config
	}
	l.session = l.worker.StartSession(nil)
	l.part = map[string]string{"queue": l.session.Job().QueueID(), "fleet": l.fleet.ID(), "farm": l.farm.ID()}[part]
	l.start(t)
	time.Sleep(3 * time.Minute)
	for _, f := range before {
		f(l)
		time.Sleep(15 * time.Minute)
	}
	l.worker.Lose()
	l.Cloud().Delete(l.part)
	return l
}

func (l *lostPart) start(t *testing.T, snapshots ...diff.Snapshot) {
	l.w = watch(t, directClient(direct{handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*l.handler.Load()).ServeHTTP(rw, r) })}), l.config, snapshots...)
}

// answerBy lets a handler answer from now on.
func (l *lostPart) answerBy(h http.Handler) { l.handler.Store(&h) }

// restart lets another Poller go on with what is stored.
func (l *lostPart) restart(t *testing.T) {
	l.w.poller.Disown(0)
	synctest.Wait()
	r := diff.NewRestorer()
	old := l.w
	for _, record := range old.records {
		r.Put(record)
	}
	var snapshots []diff.Snapshot
	for _, s := range r.Snapshots(func(string) diff.Watch { return diff.Watch{} }) {
		snapshots = append(snapshots, s)
	}
	l.start(t, snapshots...)
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.events, l.w.records = append(old.events, l.w.events...), append(old.records, l.w.records...)
}

func (l *lostPart) expect(t *testing.T, when, events string) {
	t.Helper()
	if got := l.w.kinds(l.session.ID()); got != events {
		t.Errorf("%s: the events are %q, want %q", when, got, events)
	}
}

// slow polls rarely, so that the simulation of a day is fast.
var slow = Config{Rate: 50, Staleness: 2 * time.Minute, Discovery: 10 * time.Minute}

// A session whose queue, fleet or farm was deleted vanishes after a day, and not before, also if the instance is started
// again in between. Until then it is counted, and is no reason for a warning.
func TestPartIsDeleted(t *testing.T) {
	for part, restarts := range map[string]int{"queue": 0, "fleet": 2, "farm": 0} {
		t.Run(part, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLostPart(t, part, slow)
				time.Sleep(23 * time.Hour / time.Duration(restarts+1))
				for range restarts {
					l.restart(t)
					time.Sleep(23 * time.Hour / time.Duration(restarts+1))
				}
				l.expect(t, "after 23 hours", "started")
				if s := l.w.poller.State(); s.Missing != 1 || !isFine(s) {
					t.Errorf("state after 23 hours: %+v", s)
				}
				time.Sleep(3 * time.Hour)
				l.expect(t, "after 26 hours", "started vanished")
				if s := l.w.poller.State(); s.Missing != 0 || s.OpenSessions != 0 {
					t.Errorf("state after 26 hours: %+v", s)
				}
			})
		})
	}
}

// Requests for a session whose queue, fleet or farm is missing become rare, while discovery goes on as before.
func TestMissingIsAskedForRarely(t *testing.T) {
	for _, part := range []string{"queue", "fleet", "farm"} {
		t.Run(part, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLostPart(t, part, Config{Rate: 50, Staleness: 15 * time.Second, Discovery: time.Minute})
				time.Sleep(10 * time.Hour)
				before := l.asked()
				time.Sleep(5 * time.Hour)
				// A listing, a lookup of the session, and one that tries whether BatchGetSession is allowed, each about once an hour.
				if n := l.asked() - before; n < 5 || n > 17 {
					t.Errorf("%d requests for the worker in five hours", n)
				}
			})
		})
	}
}

// An instance that is started again every hour asks a few times each time, and does not begin with the usual pace.
func TestMissingIsAskedForRarelyAfterRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLostPart(t, "fleet", Config{Rate: 50, Staleness: 15 * time.Second, Discovery: time.Minute})
		time.Sleep(time.Hour)
		before := l.asked()
		for range 10 {
			l.restart(t)
			time.Sleep(time.Hour)
		}
		if n := l.asked() - before; n > 60 {
			t.Errorf("%d requests for the worker in ten hours", n)
		}
	})
}

// asked counts the requests that are not of discovery.
func (l *lostPart) asked() int {
	n := 0
	for operation, calls := range l.Calls() {
		if !slices.Contains([]farmtest.Operation{farmtest.ListFarms, farmtest.ListFleets, farmtest.ListWorkers}, operation) {
			n += sum(calls)
		}
	}
	return n
}

// If the part is there again, the session goes on, nothing of what was missing is left, and the day begins anew when the
// part is missing again.
func TestPartIsFoundAgain(t *testing.T) {
	for _, part := range []string{"queue", "fleet", "farm"} {
		t.Run(part, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLostPart(t, part, slow)
				time.Sleep(2 * time.Hour)
				l.Cloud().Restore(l.part)
				time.Sleep(time.Hour)
				if ids := l.snapshot().Missing(); len(ids) > 0 || l.w.poller.State().Missing != 0 {
					t.Errorf("still missing: %v, %+v", ids, l.w.poller.State())
				}
				l.Cloud().Delete(l.part)
				l.restart(t)
				time.Sleep(time.Hour)
				l.Cloud().SetSkew(21 * time.Hour) // only the service's clock decides
				time.Sleep(90 * time.Minute)
				l.expect(t, "23 hours after it was missing again", "started")
				l.Cloud().Restore(l.part)
				l.session.End()
				time.Sleep(2 * time.Hour)
				l.expect(t, "when it has ended", "started ended")
			})
		})
	}
}

func (l *lostPart) snapshot() diff.Snapshot {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	for _, s := range l.w.snapshots {
		if s.Worker().WorkerID == l.worker.ID() {
			return s
		}
	}
	return diff.Snapshot{}
}

// Nothing but such an answer of which discovery is sure lets a session vanish: no refusal, no error, no other account, and
// no list that fails or still shows the fleet or the farm.
func TestUnsureAnswersAreNoAbsence(t *testing.T) {
	fault := func(kind farmtest.Kind, operations ...farmtest.Operation) func(*lostPart) {
		return func(l *lostPart) {
			var faults []farmtest.Fault
			for _, o := range operations {
				faults = append(faults, farmtest.Fault{Kind: kind, Operation: o})
			}
			l.SetFaults(faults...)
		}
	}
	for name, c := range map[string]struct {
		part   string
		config Config
		break_ func(*lostPart)
	}{
		"lookups are denied":             {"queue", slow, fault(farmtest.Denied, farmtest.BatchGetSession, farmtest.GetSession)},
		"lookups are throttled":          {"farm", slow, fault(farmtest.Throttled, farmtest.BatchGetSession, farmtest.GetSession)},
		"ListFarms is denied":            {"queue", slow, fault(farmtest.Denied, farmtest.ListFarms)},
		"ListFarms has no list":          {"farm", slow, fault(farmtest.ListAbsent, farmtest.ListFarms)},
		"ListFleets is denied":           {"fleet", slow, fault(farmtest.Denied, farmtest.ListFleets)},
		"ListFleets shows the fleet":     {"fleet", slow, func(l *lostPart) { l.show("fleets", "fleetId", l.fleet.ID()) }},
		"ListFarms shows the farm":       {"farm", slow, func(l *lostPart) { l.show("farms", "farmId", l.farm.ID()) }},
		"the farm is the only named one": {"farm", Config{Rate: 50, Staleness: 2 * time.Minute, Discovery: 10 * time.Minute, Farms: make([]string, 1)}, func(*lostPart) {}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLostPart(t, c.part, c.config, c.break_)
				time.Sleep(time.Hour)
				l.Cloud().SetSkew(26 * time.Hour) // only the service's clock decides
				before := l.asked()
				time.Sleep(90 * time.Minute)
				l.expect(t, "when a day has passed for the service", "started")
				synctest.Wait()
				if len(l.w.records) != 1 {
					t.Errorf("stored: %+v", l.w.records)
				}
				if n := l.asked() - before; !strings.HasPrefix(name, "lookups") && n > 20 {
					t.Errorf("%d requests for the worker in 90 minutes", n) // 45 at the usual pace, or more
				}
			})
		})
	}
}

// show makes every complete list of this kind show one more entry, of which nothing else is found.
func (l *lostPart) show(list, name, id string) {
	l.answerBy(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/"+list) {
			l.world.ServeHTTP(rw, r)
			return
		}
		rec := &recording{header: rw.Header()}
		l.world.ServeHTTP(rec, r)
		var body map[string]any
		if json.Unmarshal(rec.Bytes(), &body) == nil && body[list] != nil {
			body[list] = append(body[list].([]any), map[string]any{name: id, "displayName": "x", "status": "ACTIVE", "createdAt": "2026-01-01T00:00:00Z", "createdBy": "x"})
		}
		text, _ := json.Marshal(body)
		rw.Header().Del("Content-Length")
		rw.WriteHeader(max(rec.status, http.StatusOK))
		_, _ = io.Copy(rw, bytes.NewReader(text))
	}))
}

// recording keeps the body of an answer.
type recording struct {
	bytes.Buffer
	header http.Header
	status int
}

func (r *recording) Header() http.Header    { return r.header }
func (r *recording) WriteHeader(status int) { r.status = status }

// If the operator names the farms, ListFarms is not asked. A farm that ListFleets does not find is gone if another farm
// answers.
func TestNamedFarmIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := slow
		config.Farms = make([]string, 2)
		l := newLostPart(t, "farm", config)
		time.Sleep(time.Hour)
		l.Cloud().SetSkew(21 * time.Hour) // only the service's clock decides
		time.Sleep(time.Hour)
		l.expect(t, "after 23 hours", "started")
		l.Cloud().SetSkew(23 * time.Hour)
		time.Sleep(time.Hour)
		l.expect(t, "after 26 hours", "started vanished")
	})
}

// An answer without a Date does not say when it was given. This host's clock says nothing of the service's time, so what such
// an answer lacks is never forgotten and never vanishes. When the answers have a Date again, the day begins.
func TestAnswersWithoutDate(t *testing.T) {
	for _, part := range []string{"queue", "fleet"} {
		t.Run(part, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLostPart(t, part, slow, func(l *lostPart) {
					l.answerBy(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
						rec := &recording{header: rw.Header()}
						l.world.ServeHTTP(rec, r)
						rw.Header().Set("Date", "none")
						rw.WriteHeader(max(rec.status, http.StatusOK))
						_, _ = rw.Write(rec.Bytes())
					}))
				})
				begin := len(l.w.all())
				time.Sleep(30 * time.Hour)
				l.expect(t, "after 30 hours without a Date", "started")
				for _, o := range l.w.all()[begin:] {
					if !o.Date.IsZero() || len(o.NotFound) > 0 {
						t.Fatalf("without a Date: %+v", o)
					}
				}
				l.answerBy(l.world)
				time.Sleep(23 * time.Hour)
				l.expect(t, "after 23 hours with a Date", "started")
				time.Sleep(4 * time.Hour)
				l.expect(t, "after 27 hours with a Date", "started vanished")
			})
		})
	}
}
