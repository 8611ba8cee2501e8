package diff

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSettled: an answer that shows a session which has settled changes nothing, and one that shows another session as ended
// changes something.
func TestSettled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		s := NewSnapshot(testWorker, drawWatch(t))
		var log stateLog
		for range rapid.IntRange(0, 6).Draw(t, "observations") {
			c := Between(s, w.observe(t))
			log.put(c)
			s = Apply(s, c)
		}
		if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
			s = restoreSame(t, s, log)
		}
		for _, id := range w.ids {
			w.now, w.tick = w.now.Add(time.Second), w.tick+2
			x := Exchange{Sent: w.now, Arrived: w.now, SentTick: w.tick - 1, ArrivedTick: w.tick}
			seen := drawSession(t, id)
			c := Between(s, Observation{Worker: testWorker, Sightings: []Sighting{{seen, x}}})
			changes := len(c.Events)+len(c.Remembered)+len(c.Forgotten)+len(c.Stale)+len(c.Reappeared)+len(c.notes) > 0 || c.memory != nil || c.Absences != nil
			switch settled := s.HasSettled(seen); {
			case settled && changes:
				t.Fatalf("%+v has settled, and the answer changes %+v", seen, c)
			case !settled && !changes && seen.HasEnded():
				t.Fatalf("%+v has not settled, and the answer changes nothing", seen)
			}
		}
	})
}

// TestHasSettled: which sessions have settled.
func TestHasSettled(t *testing.T) {
	s, open, ended, other, vanished := knownWorker()
	s.watch.Since = epoch
	session := func(number int, hasEnded bool) Session {
		seen := Session{WorkerKey: testWorker, SessionID: testID(number), LifecycleStatus: StatusStarted, StartedAt: epoch}
		if hasEnded {
			seen.LifecycleStatus, seen.EndedAt = StatusEnded, epoch.Add(time.Second)
		}
		return seen
	}
	history := session(9, true)
	history.EndedAt = epoch.Add(-time.Second)
	at := epoch.Add(10 * time.Hour)
	x := Exchange{Sent: at, Arrived: at, SentTick: 100, ArrivedTick: 101}
	absent := Apply(s, Between(s, Observation{Worker: testWorker, Source: CompleteListing, FirstRequest: x, Date: at, Pages: 1}))
	show := func(s Snapshot, number int) Snapshot {
		return Apply(s, Between(s, Observation{Worker: testWorker, Sightings: []Sighting{{session(number, true), x}}}))
	}
	for name, c := range map[string]struct {
		snapshot Snapshot
		seen     Session
		want     bool
	}{
		"a new one":                          {s, session(9, true), false},
		"an open one":                        {s, session(open, false), false},
		"an end that is news":                {s, session(open, true), false},
		"an ended one":                       {s, session(ended, true), true},
		"another ended one":                  {s, session(other, true), true},
		"an ended one shown as open":         {s, session(ended, false), false},
		"one that a listing lacked":          {absent, session(ended, true), false},
		"one that was seen again":            {show(absent, ended), session(ended, true), true},
		"a vanished one":                     {s, session(vanished, true), false},
		"one that reappeared":                {show(s, vanished), session(vanished, true), true},
		"history":                            {s, history, true},
		"history that is published":          {NewSnapshot(testWorker, Watch{Since: epoch, Initial: InitialAll}), history, false},
		"history of which nothing is stored": {NewSnapshot(testWorker, Watch{Since: epoch, Initial: InitialNone}), history, true},
		"the zero snapshot":                  {Snapshot{}, history, false},
	} {
		if got := c.snapshot.HasSettled(c.seen); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
