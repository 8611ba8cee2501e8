package diff

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// truth is the true history of one session: its states, and when the service began to show each.
type truth struct {
	states []Session
	shown  []time.Time
}

// at returns the state that the service shows at a time; ok is false before the session began.
func (h truth) at(now time.Time) (s Session, ok bool) {
	for i, shown := range h.shown {
		if !shown.After(now) {
			s, ok = h.states[i], true
		}
	}
	return s, ok
}

func (h truth) end() Session { return h.states[len(h.states)-1] }

// drawTruth draws the history of a session: statuses in any order, perhaps the target ENDED, perhaps an end.
func drawTruth(t *rapid.T, n int) truth {
	now := epoch.Add(time.Duration(rapid.IntRange(-300, 900).Draw(t, "start")) * time.Millisecond)
	s := Session{WorkerKey: testWorker, SessionID: testID(n), LifecycleStatus: StatusStarted, StartedAt: now}
	h := truth{states: []Session{s}, shown: []time.Time{now}}
	for range rapid.IntRange(0, 6).Draw(t, "states") {
		now = now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "lasts")) * time.Millisecond)
		switch what := rapid.IntRange(0, 6).Draw(t, "what"); {
		case what < 4:
			s.LifecycleStatus = []string{StatusUpdateInProgress, StatusUpdateSucceeded, StatusUpdateFailed, "PAUSED"}[what]
		case what < 6:
			s.TargetLifecycleStatus = StatusEnded
		default:
			s.LifecycleStatus, s.EndedAt = StatusEnded, now
		}
		h.states, h.shown = append(h.states, s), append(h.shown, now)
		if s.HasEnded() {
			break
		}
	}
	return h
}

// sample observes the worker by a listing or by answers about single sessions. A listing may have several pages, between
// which sessions move.
func sample(t *rapid.T, farm []truth, now time.Time, tick *uint64, missed map[int]bool, last bool) Observation {
	ask := func() Exchange {
		x := Exchange{Sent: now, SentTick: *tick + 1, ArrivedTick: *tick + 2}
		x.Arrived = now.Add(2 * time.Millisecond)
		now = now.Add(3 * time.Millisecond)
		*tick += 2
		return x
	}
	o := Observation{Worker: testWorker, Source: CompleteListing, Pages: rapid.IntRange(1, 3).Draw(t, "pages")}
	if !last && rapid.IntRange(0, 3).Draw(t, "answers") == 0 {
		o.Source = Answers
	}
	pages := make([]Exchange, o.Pages)
	for i := range pages {
		pages[i] = ask()
	}
	o.FirstRequest = pages[0]
	for n, h := range farm {
		_, listed := h.at(o.FirstRequest.Sent.Add(time.Millisecond))
		// A session may be on no page, but not in two listings in a row.
		if o.Source == Answers || !last && o.Pages > 1 && !missed[n] && rapid.IntRange(0, 4).Draw(t, "misses") == 0 {
			listed = false
		}
		if o.Source == CompleteListing {
			missed[n] = !listed
		}
		must := rapid.IntRange(0, o.Pages-1).Draw(t, "page")
		for i, x := range pages {
			s, ok := h.at(x.Sent.Add(time.Millisecond))
			if ok && (listed && i == must || rapid.IntRange(0, 3).Draw(t, "also") == 0) {
				o.Sightings = append(o.Sightings, Sighting{s, x})
				missed[n] = false
			}
		}
	}
	return o
}

// TestHistory: whatever happens to sessions, and whenever they are observed, with restarts between observations, the
// events of a session are an ordered part of its history with its start and its end, and the bounds are true.
func TestHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var farm []truth
		for n := range rapid.IntRange(1, 4).Draw(t, "sessions") {
			farm = append(farm, drawTruth(t, n))
		}
		w := Watch{Since: epoch, Initial: rapid.SampledFrom([]Initial{InitialOpen, InitialAll, InitialNone}).Draw(t, "initial")}
		s := NewSnapshot(testWorker, w)
		now, tick, missed := epoch, uint64(0), map[int]bool{}
		var events []Change
		var log stateLog
		steps := rapid.IntRange(0, 8).Draw(t, "samples")
		for i := range steps + 1 {
			if rapid.IntRange(0, 5).Draw(t, "restart") == 0 {
				s, tick = restoreSame(t, s, log), 0
			}
			now = now.Add(time.Duration(rapid.IntRange(20, 500).Draw(t, "pause")) * time.Millisecond)
			if i == steps {
				now = now.Add(time.Hour)
			}
			c := Between(s, sample(t, farm, now, &tick, missed, i == steps))
			s = Apply(s, c)
			log.put(c)
			events = append(events, c.Events...)
		}
		fold := map[string]Session{}
		for n, h := range farm {
			mine := slices.DeleteFunc(slices.Clone(events), func(e Change) bool { return e.Session.SessionID != testID(n) })
			if err := h.explains(mine, w); err != nil {
				t.Fatalf("session %d, %v: %v\n%s", n, h, err, list(mine))
			}
			if len(mine) > 0 {
				fold[h.states[0].SessionID] = mine[len(mine)-1].Session
			}
		}
		for _, open := range s.Open() {
			if last, ok := fold[open.SessionID]; ok && last != open {
				t.Fatalf("state %v is not that of the last event %v", open, last)
			}
		}
	})
}

// explains returns an error if the events of the session do not agree with its history.
func (h truth) explains(events []Change, w Watch) error {
	first, end := h.states[0], h.end()
	history := end.HasEnded() && end.EndedAt.Before(w.Since)
	old := first.StartedAt.Before(w.Since)
	switch {
	case history && w.Initial != InitialAll:
		if len(events) > 0 {
			return fmt.Errorf("a session that ended before the watch has events")
		}
		return nil
	case len(events) == 0:
		if old && w.Initial == InitialNone && !end.HasEnded() {
			return nil
		}
		return fmt.Errorf("it has no events")
	case !old && events[0].Kind != Started, old && w.Initial != InitialNone && events[0].Kind != Discovered:
		return fmt.Errorf("its first event is %s", events[0].Kind)
	case end.HasEnded() && events[len(events)-1].Kind != Ended:
		return fmt.Errorf("its end is not published")
	case !same(end, events[len(events)-1].Session):
		return fmt.Errorf("the state of its last event is not its last state")
	}
	at := 0
	for i, e := range events {
		if e.Sequence != uint64(i)+1 {
			return fmt.Errorf("event %d has sequence %d", i+1, e.Sequence)
		}
		if i > 0 && (e.Previous == nil || *e.Previous != events[i-1].Session) {
			return fmt.Errorf("event %d: previous is not the state before", i+1)
		}
		if e.Snapshot != (e.Kind == Discovered || e.Kind == Ended && history) {
			return fmt.Errorf("event %d: snapshot %v", i+1, e.Snapshot)
		}
		from := at
		if e.Kind == Ending || e.Kind == Ended { // it may have happened before a status that was observed together with it
			from = 0
		}
		found, ok := h.find(e, from)
		if !ok {
			return fmt.Errorf("event %d is not in the history, or not within its bounds", i+1)
		}
		at = max(at, found)
	}
	return nil
}

// find returns the index of the first state, from the given index on, that the event can be about and that was first
// shown within the event's bounds.
func (h truth) find(e Change, from int) (int, bool) {
	for i := from; i < len(h.states); i++ {
		s, before := h.states[i], Session{}
		if i > 0 {
			before = h.states[i-1]
		}
		is := false
		switch e.Kind {
		case Started:
			is = i == 0
		case Discovered: // the state may have been there long before the watch began
			if same(s, e.Session) || e.Inferred {
				return i, true
			}
		case Ended:
			is = s.HasEnded() && same(s, e.Session)
		case Ending:
			is = s.TargetLifecycleStatus == StatusEnded && before.TargetLifecycleStatus == ""
		default:
			is = s.LifecycleStatus == e.Session.LifecycleStatus && s.LifecycleStatus != before.LifecycleStatus
		}
		if b := e.Observed; is && !h.shown[i].After(b.Before) && (b.After.IsZero() || !h.shown[i].Before(b.After)) {
			return i, true
		}
	}
	return 0, false
}

func list(events []Change) string {
	text := ""
	for _, e := range events {
		text += fmt.Sprintf("%d %s %s between %v and %v\n", e.Sequence, e.Kind, state(e.Session), e.Observed.After, e.Observed.Before)
	}
	return text
}
