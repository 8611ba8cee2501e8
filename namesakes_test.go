package farmwire

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"farmwire/diff"
	"farmwire/event"
	"farmwire/poller"
	"farmwire/publisher"
)

// published is a shardWriter that keeps what it is given.
type published struct {
	changes []diff.Changes
	offline string // the session whose partition has no leader
}

func (p *published) WithoutLeader(_ context.Context, changes []diff.Changes) ([]string, error) {
	missing := make([]string, len(changes))
	for n, c := range changes {
		if slices.ContainsFunc(c.Events, func(e diff.Change) bool { return e.Session.SessionID == p.offline }) {
			missing[n] = "farm.events-1"
		}
	}
	return missing, nil
}

func (p *published) CoverageWithoutLeader(context.Context) (string, error) { return "", nil }

func (p *published) PublishCoverage(context.Context, publisher.Coverage) error { return nil }

func (p *published) Publish(_ context.Context, changes []diff.Changes) error {
	p.changes = append(p.changes, changes...)
	return nil
}

// ids returns the ids of the events since the last call, with their kinds and the fleets under which they were published.
func (p *published) ids() []string {
	var ids []string
	for _, c := range p.changes {
		for _, e := range c.Events {
			ids = append(ids, e.Session.SessionID+"."+string('0'+rune(e.Sequence))+" "+string(e.Kind)+" "+e.Session.FleetID)
		}
	}
	p.changes = nil
	return ids
}

// The same worker id under another fleet is another worker, with sessions of its own. But a session that the service shows
// under both has one owner, whose events have one sequence. It is the same if observations are condensed.
func TestNamesakes(t *testing.T) {
	t.Run("all sightings", func(t *testing.T) { testNamesakes(t, func(*diff.Observation, diff.Snapshot) {}) })
	t.Run("condensed", func(t *testing.T) {
		testNamesakes(t, func(o *diff.Observation, s diff.Snapshot) {
			all := o.Sightings
			o.Sightings = nil
			o.Add(s, all)
		})
	})
}

func testNamesakes(t *testing.T, condense func(*diff.Observation, diff.Snapshot)) {
	started := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	tick := uint64(0)
	listing := func(fleet string, sessions ...diff.Session) diff.Observation {
		tick += 2
		x := diff.Exchange{Sent: started.Add(time.Duration(tick) * time.Second), SentTick: tick - 1, ArrivedTick: tick}
		x.Arrived = x.Sent
		worker := diff.WorkerKey{FarmID: "farm", FleetID: fleet, WorkerID: "worker"}
		o := diff.Observation{Worker: worker, Source: diff.CompleteListing, FirstRequest: x, Pages: 1}
		for _, s := range sessions {
			s.WorkerKey = worker
			o.Sightings = append(o.Sightings, diff.Sighting{Session: s, Exchange: x})
		}
		return o
	}
	// The page of a job shows one session. It may have been asked for before the answer before.
	jobPage := func(fleet string, late bool, s diff.Session) diff.Observation {
		o := listing(fleet, s)
		if late {
			o.Sightings[0].SentTick -= 2
		}
		return diff.Observation{Worker: o.Worker, Sightings: o.Sightings}
	}
	updating := func(s diff.Session) diff.Session {
		s.LifecycleStatus = diff.StatusUpdateInProgress
		return s
	}
	open := func(id string) diff.Session {
		return diff.Session{SessionID: id, LifecycleStatus: diff.StatusStarted, StartedAt: started}
	}
	ended := func(id string) diff.Session {
		s := open(id)
		s.LifecycleStatus, s.EndedAt = diff.StatusEnded, started.Add(time.Second)
		return s
	}
	m, err := newMetrics(prometheus.NewRegistry(), "1")
	if err != nil {
		t.Fatal(err)
	}
	l := &loop{poller: poller.New(nil, poller.Config{}, zap.NewNop(), nil), log: zap.NewNop(), metrics: m}
	to := new(published)
	known := newSnapshots(map[diff.WorkerKey]diff.Snapshot{})
	covered := uncovered(l)
	var held heldBack
	for _, step := range []struct {
		what    string
		offline string // the session whose partition has no leader
		batch   []diff.Observation
		want    []string
	}{
		{"both are in one batch", "", []diff.Observation{listing("b", open("moved"), open("of b")), listing("a", open("moved"), open("of a"))},
			[]string{"moved.1 started b", "of b.1 started b", "of a.1 started a"}},
		{"the owner does not list it", "", []diff.Observation{listing("b", open("of b"))}, nil},
		{"only the namesake lists its end", "", []diff.Observation{listing("a", ended("moved"), open("of a"))}, []string{"moved.2 ended b"}},
		{"an ended session is remembered", "", []diff.Observation{listing("a", ended("moved"), open("of a"))}, nil},
		{"a namesake ends its own", "", []diff.Observation{listing("a", ended("of a")), listing("b", open("of b"))}, []string{"of a.2 ended a"}},
		{"what has no leader waits, and its namesake with it", "late", []diff.Observation{listing("a", open("of a"), open("late")), listing("b", open("of b"), open("new of b"))}, nil},
		{"they wait one after the other", "late", []diff.Observation{listing("b", open("of b"), ended("new of b"))}, nil},
		{"all is published in order", "", nil, []string{"late.1 started a", "new of b.1 started b", "new of b.2 ended b"}},
		{"the end of the owner's session waits, and the listing with it", "of b", []diff.Observation{listing("a", open("of a"), ended("late"), ended("of b"))}, nil},
		{"all of it is published", "", nil, []string{"of b.2 ended b", "late.2 ended a"}},
		{"the owner lists another", "", []diff.Observation{listing("b", open("third"))}, []string{"third.1 started b"}},
		{"an older page of its job shows it under the namesake", "", []diff.Observation{jobPage("a", true, updating(open("third")))}, nil},
		{"a newer page does", "", []diff.Observation{jobPage("a", false, updating(open("third")))}, []string{"third.2 updating b"}},
		{"a page shows its end", "", []diff.Observation{jobPage("a", false, ended("third"))}, []string{"third.3 ended b"}},
		{"a stale page shows it open", "", []diff.Observation{jobPage("b", false, open("third")), jobPage("a", false, open("third"))}, nil},
	} {
		if to.offline = step.offline; step.batch == nil {
			step.batch = held.release()
		}
		for i := range step.batch {
			condense(&step.batch[i], known.of(step.batch[i].Worker, event.WatchRecord{}))
		}
		if err := l.publish(t.Context(), to, event.WatchRecord{}, known, covered, &held, step.batch); err != nil {
			t.Fatal(err)
		}
		if got := to.ids(); !slices.Equal(got, step.want) {
			t.Errorf("%s: published %q, want %q", step.what, got, step.want)
		}
	}
	for _, fleet := range []string{"a", "b"} {
		gone := listing(fleet)
		known.drop(gone.Worker)
	}
	if len(known.byWorker)+len(known.namesakes) != 0 {
		t.Errorf("left after all workers were dropped: %v", known)
	}
}

// A worker without sessions that is not listed for a day is forgotten, also if the service never says that it does not exist.
func TestIdleWorkersAreForgotten(t *testing.T) {
	now := time.Now()
	known := newSnapshots(map[diff.WorkerKey]diff.Snapshot{})
	list := func(id string, at time.Time, sessions ...diff.Sighting) {
		worker := diff.WorkerKey{WorkerID: id}
		o := diff.Observation{Worker: worker, Source: diff.CompleteListing, FirstRequest: diff.Exchange{Sent: at}, Pages: 1, Sightings: sessions}
		snapshot := known.of(worker, event.WatchRecord{})
		known.put(diff.Apply(snapshot, diff.Between(snapshot, o)))
	}
	list("dead", now)
	list("idle", now)
	list("busy", now, diff.Sighting{Session: diff.Session{SessionID: "session", LifecycleStatus: diff.StatusStarted}})
	for range 25 {
		now = now.Add(time.Hour)
		list("idle", now)
		known.forgetIdle(now)
	}
	if len(known.byWorker) != 2 || len(known.namesakes) != 2 || len(known.namesakes["dead"]) != 0 {
		t.Errorf("left are %v", known.namesakes)
	}
}
