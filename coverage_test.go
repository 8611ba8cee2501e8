package farmwire

import (
	"context"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"farmwire/coverage"
	"farmwire/diff"
	"farmwire/event"
	"farmwire/poller"
	"farmwire/poller/farmtest"
	"farmwire/publisher"
)

// coverageWriter notes what is published of the coverage.
type coverageWriter struct {
	memoryWriter
	leaderless string
	published  []publisher.Coverage
}

func (w *coverageWriter) CoverageWithoutLeader(context.Context) (string, error) {
	return w.leaderless, nil
}

func (w *coverageWriter) PublishCoverage(_ context.Context, c publisher.Coverage) error {
	w.published = append(w.published, c)
	return nil
}

// take returns what was published since the last call: the number of transactions, of those with a watch, and of each kind of
// record.
func (w *coverageWriter) take() (n struct{ transactions, watches, heartbeats, gaps, told int }) {
	n.transactions = len(w.published)
	for _, c := range w.published {
		if c.Watch != nil {
			n.watches++
		}
		for _, r := range c.Records {
			switch {
			case r.Heartbeat != nil:
				n.heartbeats++
			case r.Gap != nil:
				n.gaps++
			case r.Watch != nil:
				n.told++
			}
		}
	}
	w.published = nil
	return n
}

// At rest a shard publishes a heartbeat a minute, and stores its coverage every 15 s. As long as the coverage topic has no
// leader, the records wait, and what is stored is renewed all the same.
func TestCoverageAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loop{poller: poller.New(nil, poller.Config{}, zap.NewNop(), nil), log: zap.NewNop()}
		covered := uncovered(l)
		to := new(coverageWriter)
		watch := event.WatchRecord{}
		for _, step := range []struct {
			what         string
			leaderless   string
			minutes      int
			transactions int
			heartbeats   int
		}{
			{"the beginning", "", 0, 1, 1},
			{"ten minutes", "", 10, 40, 10},
			{"no leader", "coverage-0", 10, 40, 0},
			{"a leader again", "", 1, 4, 1},
		} {
			to.leaderless = step.leaderless
			for range max(1, step.minutes*60) {
				var err error
				if watch, err = l.publishCoverage(t.Context(), to, watch, false, covered); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
			if n := to.take(); n.transactions != step.transactions || n.heartbeats != step.heartbeats || n.gaps+n.told+n.watches != 0 {
				t.Errorf("%s: published %+v, want %d transactions with %d heartbeats", step.what, n, step.transactions, step.heartbeats)
			}
		}
	})
}

// The coverage topic is told once when the watch on a fleet begins, when it ends because the fleet is gone or left out, and when
// it begins again.
func TestWatchesAreTold(t *testing.T) {
	l := &loop{poller: poller.New(nil, poller.Config{Fleets: []string{"a", "b"}}, zap.NewNop(), nil), log: zap.NewNop()}
	since := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	watch := event.WatchRecord{Fleets: map[string]event.FleetWatch{}}
	for _, step := range []struct {
		what string
		edit func(fleets map[string]event.FleetWatch)
		want []string
	}{
		{"no fleet", func(map[string]event.FleetWatch) {}, nil},
		{"two fleets, and one that is left out", func(f map[string]event.FleetWatch) {
			for _, id := range []string{"a", "b", "c"} {
				f[id] = event.FleetWatch{Since: since, Farm: "farm"}
			}
		}, []string{"a began", "b began"}},
		{"nothing new", func(map[string]event.FleetWatch) {}, nil},
		{"one is gone", func(f map[string]event.FleetWatch) {
			f["a"] = event.FleetWatch{Since: since, Farm: "farm", Gone: since, Published: f["a"].Published}
		}, []string{"a ended"}},
		{"nothing new again", func(map[string]event.FleetWatch) {}, nil},
		{"it is back", func(f map[string]event.FleetWatch) {
			f["a"] = event.FleetWatch{Since: since, Farm: "farm", Published: f["a"].Published}
		}, []string{"a began"}},
		{"an earlier configuration had another one", func(f map[string]event.FleetWatch) {
			f["d"] = event.FleetWatch{Since: since, Farm: "farm", Published: event.WatchBegan}
		}, []string{"d ended"}},
	} {
		watch = watch.Clone()
		step.edit(watch.Fleets)
		before := maps.Clone(watch.Fleets)
		told, records := l.tellWatches(watch)
		if d := cmp.Diff(before, watch.Fleets); d != "" {
			t.Errorf("%s changes its argument: %s", step.what, d)
		}
		watch = told
		var got []string
		for _, r := range records {
			state := map[bool]string{false: " began", true: " ended"}[r.Watch.Ended]
			got = append(got, r.Watch.FleetID+state)
			if r.Watch.FarmID != "farm" || !r.Watch.Since.Equal(since) || r.Watch.Ended != (r.Watch.Reason != "") {
				t.Errorf("%s: %+v", step.what, r.Watch)
			}
		}
		if d := cmp.Diff(step.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", step.what, d)
		}
	}
}

// The watermarks of a followed farm move on, the log of what was published is in no gap, and an outage is one gap.
func TestCoverageOfAFarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		farm := farmtest.New(farmtest.Config{Seed: 1})
		fleet := farm.Cloud().AddFarm("studio").AddFleet("render")
		for range 10 {
			fleet.AddWorker().StartSession(nil)
		}
		f := follow(t, farm, event.WatchRecord{Initial: "open"})
		time.Sleep(30 * time.Minute)
		before := f.heartbeats()
		if len(before) < 29 || len(before) > 31 {
			t.Errorf("%d heartbeats in 30 minutes", len(before))
		}
		last := before[len(before)-1]
		if last.OpenSessions != 10 || last.Workers != 10 || last.Fleets != 1 || len(last.Behind) != 0 {
			t.Errorf("the heartbeat says %+v", last)
		}
		if last.Watermark.Starts.IsZero() { // It may be old: there is one request in ten seconds.
			t.Error("there is no watermark of starts")
		}
		for what, at := range map[string]time.Time{"changes": last.Watermark.Changes, "announced": last.Watermark.Announced} {
			if age := time.Since(at); age > 13*time.Minute || age < 0 {
				t.Errorf("the watermark of %s is %v old", what, age)
			}
		}
		f.use(nil)
		time.Sleep(20 * time.Minute)
		f.use(farm)
		time.Sleep(60 * time.Minute)
		// With one request in ten seconds the kinds of looks may begin to fail so far apart that there is a gap for each.
		var opened, closed int
		var silent coverage.Affects
		for _, g := range f.gaps() {
			switch {
			case g.Scope != coverage.Scope{}:
			case !g.Closed:
				opened++
			default:
				closed++
				if g.To.Sub(g.From) >= 19*time.Minute {
					silent.Changes, silent.Announced, silent.Starts = silent.Changes || g.Affects.Changes, silent.Announced || g.Affects.Announced, silent.Starts || g.Affects.Starts
				}
			}
		}
		if (silent != coverage.Affects{Changes: true, Announced: true, Starts: true}) || opened != closed || opened > 3 {
			t.Errorf("the outage is in %d gaps, of which %d are closed, and %+v was silent: %+v", opened, closed, silent, f.gaps())
		}
		if h := f.heartbeats(); len(h[len(h)-1].Behind) != 0 {
			t.Errorf("an hour after the outage this is behind: %+v", h[len(h)-1].Behind)
		}
	})
}

func (f *follower) heartbeats() (all []coverage.Heartbeat) {
	for _, r := range f.records() {
		if r.Heartbeat != nil {
			all = append(all, *r.Heartbeat)
		}
	}
	return all
}

func (f *follower) gaps() (all []coverage.Gap) {
	for _, r := range f.records() {
		if r.Gap != nil {
			all = append(all, *r.Gap)
		}
	}
	return all
}

func (f *follower) records() []coverage.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.coverage)
}

// The answer for a namesake counts for the session's owner, whose end is then known to the coverage.
func TestCoverageOfNamesakes(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	worker := func(fleet string) diff.WorkerKey {
		return diff.WorkerKey{FarmID: "farm", FleetID: fleet, WorkerID: "worker"}
	}
	listing := func(fleet string, s diff.Session, n int) diff.Observation {
		s.WorkerKey = worker(fleet)
		x := diff.Exchange{Sent: at.Add(time.Duration(n) * time.Minute), Arrived: at.Add(time.Duration(n) * time.Minute), SentTick: uint64(2 * n), ArrivedTick: uint64(2*n + 1), At: at.Add(time.Duration(n) * time.Minute)}
		return diff.Observation{Worker: s.WorkerKey, Source: diff.CompleteListing, FirstRequest: x, Pages: 1, Sightings: []diff.Sighting{{Session: s, Exchange: x}}}
	}
	open := diff.Session{SessionID: "moved", LifecycleStatus: diff.StatusStarted, StartedAt: at}
	ended := open
	ended.LifecycleStatus, ended.EndedAt = diff.StatusEnded, at.Add(time.Second)
	m, err := newMetrics(prometheus.NewRegistry(), "1")
	if err != nil {
		t.Fatal(err)
	}
	l := &loop{poller: poller.New(nil, poller.Config{}, zap.NewNop(), nil), log: zap.NewNop(), metrics: m}
	covered := uncovered(l)
	known := newSnapshots(map[diff.WorkerKey]diff.Snapshot{})
	var held heldBack
	count := func() int {
		records, _ := l.coverages.trackers[0].Take(at.Add(time.Hour), true)
		return records[len(records)-1].Heartbeat.OpenSessions
	}
	for n, step := range []struct {
		o    diff.Observation
		want int
	}{{listing("b", open, 1), 1}, {listing("a", open, 2), 1}, {listing("a", ended, 3), 0}} {
		if err := l.publish(t.Context(), new(published), event.WatchRecord{}, known, covered, &held, []diff.Observation{step.o}); err != nil {
			t.Fatal(err)
		}
		if got := count(); got != step.want {
			t.Errorf("after listing %d there are %d open sessions, want %d", n, got, step.want)
		}
	}
}
