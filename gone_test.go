package farmwire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"farmwire/coverage"
	"farmwire/diff"
	"farmwire/event"
	"farmwire/poller"
	"farmwire/poller/farmtest"
	"farmwire/publisher"
)

var begin = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// A farm or a fleet is gone since a complete list lacks it, and not while no list could show it.
func TestGone(t *testing.T) {
	watch := event.WatchRecord{
		Farms:  map[string]event.FarmWatch{"a": {Listed: begin}, "b": {Listed: begin}},
		Fleets: map[string]event.FleetWatch{"a1": {Since: begin, Farm: "a"}, "b1": {Since: begin, Farm: "b"}, "old": {Since: begin}},
	}
	at := begin.Add(10 * time.Second) // the watch is not old enough to be stored for another reason
	shown := poller.Found{
		FarmsListed: at,
		Farms:       map[string]poller.FoundFarm{"a": {Listed: at}, "b": {Listed: at}},
		Fleets:      map[string]poller.FoundFleet{"a1": {FarmID: "a"}, "b1": {FarmID: "b"}},
	}
	change := func(f func(*poller.Found)) poller.Found {
		found := shown
		found.Farms, found.Fleets = maps.Clone(shown.Farms), maps.Clone(shown.Fleets)
		f(&found)
		return found
	}
	for name, c := range map[string]struct {
		found poller.Found
		farms []string // those that are gone
		want  []string // the fleets that are gone
	}{
		"everything is listed":           {shown, nil, nil},
		"a fleet is not listed":          {change(func(f *poller.Found) { delete(f.Fleets, "a1") }), nil, []string{"a1"}},
		"a fleet is not listed any more": {change(func(f *poller.Found) { f.Fleets["a1"] = poller.FoundFleet{FarmID: "a", Gone: true} }), nil, []string{"a1"}},
		"the fleets were not listed yet": {change(func(f *poller.Found) { f.Farms["a"] = poller.FoundFarm{}; delete(f.Fleets, "a1") }), nil, nil},
		"the fleet is listed, but not ours": {change(func(f *poller.Found) {
			f.Farms["a"] = poller.FoundFarm{Listed: at, Unselected: map[string]bool{"a1": true}}
			delete(f.Fleets, "a1")
		}), nil, nil},
		"a farm is not listed": {change(func(f *poller.Found) {
			delete(f.Farms, "b")
			f.Fleets["b1"] = poller.FoundFleet{FarmID: "b", Gone: true}
		}), []string{"b"}, []string{"b1"}},
		"the farms were not listed yet": {change(func(f *poller.Found) { f.FarmsListed = time.Time{}; delete(f.Farms, "b"); delete(f.Fleets, "b1") }), nil, nil},
		"nothing was listed yet":        {poller.Found{}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			next, changed := renewed(watch, c.found, newSnapshots(nil))
			var farms, fleets []string
			for id, farm := range next.Farms {
				if !farm.Gone.IsZero() {
					farms = append(farms, id)
				}
			}
			for id, fleet := range next.Fleets {
				if !fleet.Gone.IsZero() {
					if fleets = append(fleets, id); !fleet.Gone.Equal(at) {
						t.Errorf("%s is gone since %v", id, fleet.Gone)
					}
				}
			}
			if !slices.Equal(farms, c.farms) || !slices.Equal(fleets, c.want) {
				t.Errorf("gone are the farms %v and the fleets %v, want %v and %v", farms, fleets, c.farms, c.want)
			}
			if changed != (len(c.farms)+len(c.want) > 0) {
				t.Errorf("to be stored: %v", changed)
			}
			if again, changed := renewed(next, c.found, newSnapshots(nil)); changed {
				t.Errorf("to be stored again: %+v", again)
			}
			back, _ := renewed(next, shown, newSnapshots(nil))
			if d := cmp.Diff(watch, back, cmpopts.IgnoreFields(event.FarmWatch{}, "Listed")); d != "" {
				t.Errorf("when everything is listed again: %s", d)
			}
		})
	}
}

// Studios may make and delete fleets and farms every day. The watch forgets them after thirty days, unless it has
// sessions of them, and if a fleet comes back its watch begins anew.
func TestWatchIsBounded(t *testing.T) {
	r := diff.NewRestorer()
	r.Put(diff.Record{Session: diff.Session{WorkerKey: diff.WorkerKey{FarmID: "stays", FleetID: "0-0", WorkerID: "w"}, SessionID: "s", EndedAt: begin}})
	snapshots := newSnapshots(r.Snapshots(func(string) diff.Watch { return diff.Watch{} }))
	snapshots.put(diff.NewSnapshot(diff.WorkerKey{FarmID: "stays", FleetID: "0-1", WorkerID: "idle"}, diff.Watch{}))
	var watch event.WatchRecord
	most := 0
	for n := range 200 {
		at := begin.Add(time.Duration(n) * day)
		found := poller.Found{FarmsListed: at, Farms: map[string]poller.FoundFarm{"stays": {Listed: at}, fmt.Sprint("farm-", n): {Listed: at}}, Fleets: map[string]poller.FoundFleet{}}
		for i := range 100 {
			found.Fleets[fmt.Sprint(n, "-", i)] = poller.FoundFleet{FarmID: "stays", CreatedAt: at, FirstLook: at}
		}
		found.Fleets[fmt.Sprint("of-farm-", n)] = poller.FoundFleet{FarmID: fmt.Sprint("farm-", n), CreatedAt: at, FirstLook: at}
		watch, _ = renewed(watch, found, snapshots)
		most = max(most, len(watch.Fleets))
	}
	if most > 101*32 || len(watch.Farms) > 34 {
		t.Errorf("the watch had up to %d fleets, and has %d farms", most, len(watch.Farms))
	}
	if size := len(event.AppendWatch(nil, watch)); size > 400<<10 {
		t.Errorf("the record has %d bytes", size)
	}
	if _, kept := watch.Fleets["0-0"]; !kept {
		t.Error("a fleet with sessions was forgotten")
	}
	if _, kept := watch.Fleets["0-1"]; kept {
		t.Error("a fleet without sessions was kept for 199 days")
	}
	if len(snapshots.byWorker) != 1 {
		t.Errorf("the snapshots are %v", snapshots.byWorker)
	}
	at := begin.Add(200 * day)
	watch, _ = renewed(watch, poller.Found{FarmsListed: at, Farms: map[string]poller.FoundFarm{"stays": {Listed: at}},
		Fleets: map[string]poller.FoundFleet{"0-1": {FarmID: "stays", CreatedAt: begin, FirstLook: at}}}, snapshots)
	if got := watch.Fleets["0-1"]; !got.Since.Equal(at) {
		t.Errorf("the watch on a fleet that came back begins at %v", got.Since)
	}
}

// follower is a shard that follows simulated accounts. Its time is that of a synctest bubble.
type follower struct {
	loop     *loop
	logged   *observer.ObservedLogs
	mu       sync.Mutex
	account  http.Handler
	watch    event.WatchRecord
	changes  []diff.Changes
	coverage []coverage.Record
	delay    atomic.Int64 // how long a transaction takes, in nanoseconds
}

// client returns a client of Deadline Cloud whose requests the account answers.
func (f *follower) client() *deadline.Client {
	return deadline.New(deadline.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String("http://deadline.test"), HTTPClient: f,
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
	}, func(o *deadline.Options) { poller.ClientOptions(o); o.HTTPClient = f })
}

func (f *follower) Do(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	account := f.account
	f.mu.Unlock()
	time.Sleep(time.Millisecond)
	if account == nil {
		return nil, errors.New("no connection")
	}
	w := httptest.NewRecorder()
	account.ServeHTTP(w, r)
	return w.Result(), r.Context().Err()
}

func (f *follower) use(account http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.account = account
}

func (f *follower) WithoutLeader(context.Context, []diff.Changes) ([]string, error) { return nil, nil }

func (f *follower) CoverageWithoutLeader(context.Context) (string, error) { return "", nil }

func (f *follower) PublishCoverage(_ context.Context, c publisher.Coverage) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.Watch != nil {
		f.watch = c.Watch.Clone()
	}
	f.coverage = append(f.coverage, c.Records...)
	return nil
}

func (f *follower) Publish(_ context.Context, changes []diff.Changes) error {
	time.Sleep(time.Duration(f.delay.Load()))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = append(f.changes, changes...)
	return nil
}

// stored returns the watch and the changes so far.
func (f *follower) stored() (event.WatchRecord, []diff.Changes) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.watch, slices.Clone(f.changes)
}

// kinds returns the kinds of all events by session.
func (f *follower) kinds() map[string][]diff.Kind {
	f.mu.Lock()
	defer f.mu.Unlock()
	kinds := map[string][]diff.Kind{}
	for _, c := range f.changes {
		for _, e := range c.Events {
			kinds[e.Session.SessionID] = append(kinds[e.Session.SessionID], e.Kind)
		}
	}
	return kinds
}

// follow follows the account until the test ends. It begins with the watch and no sessions.
func follow(t *testing.T, account http.Handler, watch event.WatchRecord) *follower {
	t.Helper()
	f := &follower{account: account}
	core, logged := observer.New(zapcore.InfoLevel)
	log := zap.New(core)
	metrics, err := newMetrics(prometheus.NewRegistry(), "test")
	if err != nil {
		t.Fatal(err)
	}
	f.logged = logged
	covers := new(coverages)
	f.loop = &loop{
		// The whole rate is always used, and these tests take days.
		poller:  poller.New(f.client(), poller.Config{Rate: .1, Staleness: 2 * time.Minute, Discovery: 10 * time.Minute, Watcher: covers}, log, nil),
		initial: "open", quiet: true, log: log, metrics: metrics,
		shardOf: func(string) int { return 0 }, coverages: covers, covers: coverage.Config{GapAfter: time.Minute},
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	running.Go(func() { _ = f.loop.poller.Run(ctx) })
	running.Go(func() {
		_ = f.loop.follow(ctx, 0, restored{watch: watch, snapshots: map[diff.WorkerKey]diff.Snapshot{}}, f)
	})
	return f
}

// While none of the watched farms is listed, the account is another one. Nothing of it is published or watched, no session
// vanishes, and the instance knows it. When the account is right again, everything goes on.
func TestOtherAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		right, wrong := farmtest.New(farmtest.Config{Seed: 1}), farmtest.New(farmtest.Config{Seed: 2})
		worker := right.Cloud().AddFarm("studio").AddFleet("render").AddWorker()
		gone := worker.Fleet().AddWorker()
		stays, lost := worker.StartSession(nil), gone.StartSession(nil)
		foreign := wrong.Cloud().AddFarm("other studio").AddFleet("other").AddWorker().StartSession(nil)
		f := follow(t, right, event.WatchRecord{Initial: "open"})
		time.Sleep(15 * time.Minute)
		gone.Lose()
		f.use(wrong)
		time.Sleep(30 * time.Hour)
		synctest.Wait()
		if !f.loop.accounts.any() {
			t.Error("the other account was not noticed")
		}
		watch, _ := f.stored()
		if n := len(f.kinds()[foreign.ID()]); n != 0 || len(watch.Fleets) != 1 {
			t.Errorf("%d events of the other account; the watch is %+v", n, watch)
		}
		for _, s := range []*farmtest.Session{stays, lost} {
			if got := f.kinds()[s.ID()]; len(got) != 1 {
				t.Errorf("the events are %v", got)
			}
		}
		stays.End()
		f.use(right)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if f.loop.accounts.any() {
			t.Error("the right account was not noticed")
		}
		if got := f.kinds()[stays.ID()]; len(got) != 2 || got[1] != diff.Ended {
			t.Errorf("the events are %v", got)
		}
		if n := f.logged.FilterMessageSnippet("those of another account").Len(); n != 1 {
			t.Errorf("the other account was logged %d times", n)
		}
		_, changes := f.stored()
		for _, c := range changes {
			for _, r := range c.Records() {
				if !r.Missing.IsZero() {
					t.Errorf("stored as missing: %+v", r)
				}
			}
		}
	})
}

// While credentials of two accounts alternate, nothing of the other account is published or watched, and of the right one no
// session is marked as absent or missing, however long a transaction takes.
func TestAccountsAlternate(t *testing.T) {
	for _, transaction := range []time.Duration{0, 3 * time.Minute} {
		t.Run(transaction.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				right, wrong := farmtest.New(farmtest.Config{Seed: 1}), farmtest.New(farmtest.Config{Seed: 2})
				fleet := right.Cloud().AddFarm("studio").AddFleet("render")
				busy, idle := fleet.AddWorker(), fleet.AddWorker()
				stays, ended, last := busy.StartSession(nil), busy.StartSession(nil), idle.StartSession(nil)
				wrong.Cloud().AddFarm("other studio").AddFleet("other").AddWorker().StartSession(nil)
				f := follow(t, right, event.WatchRecord{Initial: "open"})
				time.Sleep(5 * time.Minute)
				ended.End()
				last.End()
				time.Sleep(15 * time.Minute)
				f.delay.Store(int64(transaction))
				for range 2 {
					f.use(wrong)
					time.Sleep(13 * time.Hour)
					f.use(right)
					time.Sleep(13 * time.Hour)
				}
				synctest.Wait()
				kinds := f.kinds()
				if len(kinds) != 3 || len(kinds[stays.ID()]) != 1 || len(kinds[ended.ID()]) != 2 || len(kinds[last.ID()]) != 2 {
					t.Errorf("the events are %v", kinds)
				}
				watch, changes := f.stored()
				if len(watch.Farms) != 1 || len(watch.Fleets) != 1 {
					t.Errorf("the watch is %+v", watch)
				}
				for _, c := range changes {
					if len(c.Remembered) > 0 || len(c.Forgotten) > 0 || c.Absences != nil {
						t.Errorf("stored: %+v", c)
					}
				}
			})
		})
	}
}

// All shards notice that a fleet has disappeared. It is logged once, and again if it comes back and disappears once more.
func TestGoneIsLoggedOnceForAllShards(t *testing.T) {
	core, logged := observer.New(zap.InfoLevel)
	l := &loop{log: zap.New(core)}
	watch := func(gone time.Time) event.WatchRecord {
		return event.WatchRecord{Fleets: map[string]event.FleetWatch{"fleet": {Gone: gone}}}
	}
	listed, lacking := watch(time.Time{}), watch(begin)
	for round := 1; round <= 2; round++ {
		for range 3 {
			l.logGone(listed, lacking)
		}
		if logged.Len() != round {
			t.Fatalf("%d lines after it has disappeared %d times: %v", logged.Len(), round, logged.All())
		}
		for range 3 {
			l.logGone(lacking, listed)
		}
	}
}

// Farms and fleets that appear and disappear are logged once, also those that have disappeared while nobody looked.
func TestFarmsAndFleetsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := farmtest.New(farmtest.Config{})
		farm, other := account.Cloud().AddFarm("studio"), account.Cloud().AddFarm("other")
		fleet := farm.AddFleet("render")
		before := event.WatchRecord{
			Initial: "open",
			Farms:   map[string]event.FarmWatch{farm.ID(): {Listed: time.Now()}},
			Fleets:  map[string]event.FleetWatch{"fleet-old": {Since: time.Now(), Farm: farm.ID()}},
		}
		f := follow(t, account, before)
		time.Sleep(time.Hour)
		late := farm.AddFleet("late")
		time.Sleep(time.Hour)
		account.Cloud().Delete(fleet.ID())
		account.Cloud().Delete(other.ID())
		time.Sleep(3 * time.Hour)
		for message, want := range map[string]zap.Field{
			"farms are listed":     zap.Int("count", 2),
			"fleets have appeared": zap.Strings("fleets", []string{late.ID()}),
			"farms have disappeared: they are not listed any more": zap.Strings("farms", []string{other.ID()}),
		} {
			logs := f.logged.FilterMessage(message)
			if logs.Len() != 1 || logs.FilterField(want).Len() != 1 {
				t.Errorf("%s: %v", message, logs.All())
			}
		}
		gone := f.logged.FilterMessage("fleets have disappeared: they are not listed any more")
		if gone.Len() != 2 || gone.FilterField(zap.Strings("fleets", []string{"fleet-old"})).Len() != 1 || gone.FilterField(zap.Strings("fleets", []string{fleet.ID()})).Len() != 1 {
			t.Errorf("the fleets: %v", gone.All())
		}
	})
}
