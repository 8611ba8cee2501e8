package diff

import (
	"slices"
	"sort"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// model is a second implementation of the laws, which is simple and slow. It has all sessions that are not forgotten.
type model struct {
	watch    Watch
	sessions map[string]*modelSession
	listed   []time.Time // when the first request of each complete listing of this process was sent
	marked   time.Time   // the Date of the last listing that began an absence
	absentAt time.Time   // Snapshot.absentAt
}

type modelSession struct {
	state    Session
	sequence uint64
	closed   bool // ended or vanished
	vanished bool
	arrived  uint64
	seen     time.Time
	recorded time.Time // seen at the last change
	absences int

	noSuchWorker bool
	notFound     []Exchange
	missing      []time.Time // answers since it was seen that its queue, fleet or farm does not exist; the first one stays after a restart
	since        time.Time   // the Date of the listing that began its absence, if it is closed
	reappeared   bool        // this was reported
}

func newModel(w Watch) *model {
	return &model{watch: w, sessions: map[string]*modelSession{}}
}

func (m *model) restart() {
	m.listed, m.absentAt, m.marked = nil, time.Time{}, time.Time{}
	for _, k := range m.sessions {
		k.seen = k.recorded
		k.arrived, k.absences, k.noSuchWorker, k.notFound, k.reappeared = 0, 0, false, nil, false
		if k.since.After(m.marked) {
			m.marked = k.since
		}
		k.missing = k.missing[:min(len(k.missing), 1)]
	}
}

// mergedAll returns the merge of states in their order. It is implemented in another way than merged.
func mergedAll(states []Session) Session {
	m := states[len(states)-1]
	for _, s := range states {
		if s.HasEnded() {
			m = s
		}
	}
	m.TargetLifecycleStatus = ""
	for _, s := range states {
		if s.LifecycleStatus == StatusEnded {
			m.LifecycleStatus = StatusEnded
		}
		if !s.EndedAt.IsZero() {
			m.EndedAt = s.EndedAt
		}
		if s.TargetLifecycleStatus != "" && m.TargetLifecycleStatus != StatusEnded {
			m.TargetLifecycleStatus = s.TargetLifecycleStatus
		}
	}
	return m
}

// observe checks the changes of an observation and applies the observation to the model.
func (m *model) observe(t *rapid.T, o Observation, c Changes) {
	t.Helper()
	check(t, "events are in order of session id", true, slices.IsSortedFunc(c.Events, func(a, b Change) int {
		return strings.Compare(a.Session.SessionID, b.Session.SessionID)
	}))
	events := map[string][]Change{}
	for _, e := range c.Events {
		events[e.Session.SessionID] = append(events[e.Session.SessionID], e)
	}
	seen := map[string][]Sighting{}
	for _, s := range o.Sightings {
		seen[s.Session.SessionID] = append(seen[s.Session.SessionID], s)
	}
	ids := map[string]bool{}
	for id := range m.sessions {
		ids[id] = true
	}
	for id := range seen {
		ids[id] = true
		sort.SliceStable(seen[id], func(i, j int) bool { return seen[id][i].SentTick < seen[id][j].SentTick })
	}
	mark := m.marks(o)
	for id := range ids {
		k := m.sessions[id]
		switch {
		case k == nil:
			m.first(t, id, o, seen[id], events[id], c)
		case k.closed:
			check(t, "events after the end of "+id, 0, len(events[id]))
			m.closed(t, id, o, seen[id], c, mark)
		default:
			m.known(t, id, o, seen[id], events[id])
		}
		delete(events, id)
	}
	check(t, "events of sessions that were not seen", 0, len(events))
	for _, k := range m.sessions {
		if k.closed && mark && k.since.Equal(o.Date) {
			m.marked = o.Date
		}
	}
	if o.Source == CompleteListing {
		m.absentAt = time.Time{}
		if n := len(m.listed); n > 0 {
			m.absentAt = m.listed[n-1]
		}
		if o.Pages == 1 {
			m.absentAt = o.FirstRequest.Sent
		}
		m.listed = append(m.listed, o.FirstRequest.Sent)
	}
}

func (m *model) first(t *rapid.T, id string, o Observation, seen []Sighting, events []Change, c Changes) {
	var states []Session
	for _, s := range seen {
		states = append(states, s.Session)
	}
	to := mergedAll(states)
	history := !to.EndedAt.IsZero() && to.EndedAt.Before(m.watch.Since)
	old := history || to.StartedAt.Before(m.watch.Since)
	plain := to.LifecycleStatus == StatusStarted && to.TargetLifecycleStatus == "" && to.EndedAt.IsZero()
	remembered := slices.ContainsFunc(c.Remembered, func(r Record) bool { return r.Session.SessionID == id && r.Sequence == 0 })
	check(t, "remembered "+id, old && m.watch.Initial == InitialNone && !to.HasEnded(), remembered)
	last := seen[len(seen)-1]
	k := &modelSession{state: to, arrived: last.ArrivedTick, seen: last.Sent, recorded: last.Sent}
	switch {
	case history && m.watch.Initial != InitialAll:
		check(t, "events of history", 0, len(events))
		return
	case remembered:
		check(t, "events of remembered", 0, len(events))
	default:
		want := Started
		if old {
			want = Discovered
		}
		if old && m.watch.Initial == InitialNone {
			want = Ended
		}
		e := events[0]
		check(t, "first kind of "+id, want, e.Kind)
		check(t, "first sequence", uint64(1), e.Sequence)
		check(t, "first previous", (*Session)(nil), e.Previous)
		check(t, "snapshot", want == Discovered, e.Snapshot)
		check(t, "inferred", want != Ended && !plain && (want == Started || to.HasEnded()), e.Inferred)
		check(t, "exact", want == Started || want == Ended && !to.EndedAt.IsZero(), e.Observed.Exact)
		if want == Discovered && !to.HasEnded() {
			check(t, "events of discovered", 1, len(events))
		}
		if want == Discovered && to.HasEnded() {
			check(t, "ended beside discovered is a snapshot", history, events[1].Snapshot)
		}
		m.chain(t, &Session{}, 0, to, events)
		check(t, "after at first sight", true, m.absentAt.Truncate(time.Millisecond).Equal(e.Observed.After) || e.Observed.After.Equal(e.Observed.Before))
		k.sequence = uint64(len(events))
	}
	m.sessions[id] = k
	k.closed = to.HasEnded()
	m.notFound(t, id, o, nil)
}

// chain checks the events of a session from one observation: sequences, previous, order, bounds and the last state.
func (m *model) chain(t *rapid.T, from *Session, sequence uint64, to Session, events []Change) {
	t.Helper()
	rank := map[Kind]int{Discovered: 1, Started: 1, Updating: 2, Updated: 2, UpdateFailed: 2, Changed: 2, Ending: 3, Ended: 4, Vanished: 5}
	last := 0
	for i, e := range events {
		check(t, "sequence", sequence+uint64(i)+1, e.Sequence)
		if i > 0 {
			check(t, "previous", from, e.Previous)
			check(t, "snapshot after the first is an end", true, !e.Snapshot || e.Kind == Ended)
			check(t, "inferred after the first", false, e.Inferred)
		}
		if rank[e.Kind] <= last {
			t.Fatalf("%s after rank %d", e.Kind, last)
		}
		last = rank[e.Kind]
		if e.Session.HasEnded() != (e.Kind == Ended) {
			t.Fatalf("%s with %v", e.Kind, e.Session)
		}
		if e.Observed.After.After(e.Observed.Before) {
			t.Fatalf("after %v is later than before %v", e.Observed.After, e.Observed.Before)
		}
		check(t, "bounds of one observation", events[0].Observed.After, e.Observed.After)
		from = &events[i].Session
	}
	check(t, "the last state", to, *from)
}

func (m *model) known(t *rapid.T, id string, o Observation, seen []Sighting, events []Change) {
	k := m.sessions[id]
	states := []Session{k.state}
	var last Sighting
	var earliest, latest time.Time
	for _, s := range seen {
		if k.arrived == 0 || s.SentTick > k.arrived {
			states = append(states, s.Session)
			last = s
			if earliest.IsZero() || s.Arrived.Before(earliest) {
				earliest = s.Arrived
			}
			if s.Arrived.After(latest) {
				latest = s.Arrived
			}
		}
	}
	if len(states) == 1 {
		if len(seen) == 0 && (o.Source == CompleteListing || o.Source == NoSuchWorker) && (k.arrived == 0 || o.FirstRequest.SentTick > k.arrived) {
			k.absences++
			k.noSuchWorker = k.noSuchWorker || o.Source == NoSuchWorker
		}
		m.notFound(t, id, o, events)
		return
	}
	to := mergedAll(states)
	if same(k.state, to) {
		check(t, "events without a difference", 0, len(events))
	} else {
		if len(events) == 0 {
			t.Fatalf("no event for %v -> %v", k.state, to)
		}
		check(t, "previous of the first", &k.state, events[0].Previous)
		after := k.seen.Truncate(time.Millisecond)
		if !events[0].Observed.After.Equal(after) && !events[0].Observed.After.Equal(events[0].Observed.Before) {
			t.Fatalf("after is %v, want %v", events[0].Observed.After, after)
		}
		if b := events[0].Observed.Before; b.Before(earliest) || !b.Before(latest.Add(time.Millisecond)) {
			t.Fatalf("before is %v, want %v to %v", b, earliest, latest)
		}
		want := to
		m.chain(t, &k.state, k.sequence, want, events)
		k.state = to
		k.sequence += uint64(len(events))
		k.recorded = last.Sent
	}
	k.seen, k.arrived, k.absences, k.noSuchWorker, k.notFound = last.Sent, last.ArrivedTick, 0, false, nil
	if len(k.missing) > 0 {
		k.recorded = last.Sent // it is stored that the session is not missing any more
	}
	k.missing = nil
	k.closed = to.HasEnded()
	m.notFound(t, id, o, nil)
}

// notFound adds the answers that did not find an open session and checks whether it vanished.
func (m *model) notFound(t *rapid.T, id string, o Observation, events []Change) {
	t.Helper()
	k := m.sessions[id]
	if k.closed {
		return
	}
	answers := slices.Clone(o.NotFound)
	sort.SliceStable(answers, func(i, j int) bool { return answers[i].SentTick < answers[j].SentTick })
	for _, n := range answers {
		switch {
		case n.SessionID != id || k.arrived != 0 && n.SentTick <= k.arrived:
		case !n.MissingAt.IsZero() && n.MissingAt.Before(m.watch.Since):
		case n.MissingAt.IsZero():
			k.notFound = append(k.notFound, n.Exchange)
		default:
			if k.missing = append(k.missing, n.MissingAt); len(k.missing) == 1 {
				k.recorded = k.seen // the first is stored
			}
		}
	}
	far := false
	for _, x := range k.notFound {
		far = far || x.Sent.Sub(k.notFound[0].Sent) >= 120*time.Second
	}
	for _, at := range k.missing {
		far = far || at.Sub(k.missing[0]) > 24*time.Hour
	}
	if !far || k.absences < 2 && !k.noSuchWorker {
		check(t, "vanished without a reason", 0, len(events))
		return
	}
	check(t, "number of events of a vanished session", 1, len(events))
	e := events[0]
	check(t, "kind of a vanished session", Vanished, e.Kind)
	check(t, "state of a vanished session", k.state, e.Session)
	check(t, "previous of a vanished session", &k.state, e.Previous)
	check(t, "sequence of a vanished session", k.sequence+1, e.Sequence)
	check(t, "exact", false, e.Observed.Exact)
	check(t, "seen", k.seen, e.Seen)
	k.sequence++
	k.closed, k.vanished = true, true
}

// closed checks what an observation says of an ended or vanished session.
func (m *model) closed(t *rapid.T, id string, o Observation, seen []Sighting, c Changes, mark bool) {
	k := m.sessions[id]
	open := len(seen) > 0
	for _, s := range seen {
		open = open && !s.Session.HasEnded()
	}
	check(t, "stale "+id, open && !k.vanished, slices.Contains(c.Stale, id))
	check(t, "reappeared "+id, len(seen) > 0 && k.vanished && !k.reappeared, slices.Contains(c.Reappeared, id))
	k.reappeared = k.reappeared || len(seen) > 0 && k.vanished
	forget := false
	switch {
	case len(seen) > 0:
		k.since = time.Time{}
	case o.Source == Answers || o.Date.Before(m.watch.Since):
	case !k.since.IsZero():
		forget = o.Date.Sub(k.since) >= 24*time.Hour
	case mark:
		k.since = o.Date
	}
	check(t, "forgotten "+id, forget, slices.Contains(c.Forgotten, id))
	if forget {
		delete(m.sessions, id)
	}
}

// marks reports whether absences may begin with an observation: the last ones did so six hours ago, and the worker exists or
// has no open session.
func (m *model) marks(o Observation) bool {
	for _, k := range m.sessions {
		if !k.closed && o.Source == NoSuchWorker {
			return false
		}
	}
	return o.Source != Answers && !o.Date.Before(m.watch.Since) && (m.marked.IsZero() || o.Date.Sub(m.marked) >= 6*time.Hour)
}

// due returns when the next listing may forget something.
func (m *model) due() (due time.Time) {
	for _, k := range m.sessions {
		if at := k.since.Add(24 * time.Hour); k.closed && !k.since.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	return due
}

// compare compares a snapshot with the model: no session is lost, and the state of each is that of its last event.
func (m *model) compare(t *rapid.T, s Snapshot) {
	t.Helper()
	var open, unresolved []Session
	closed := 0
	for id, k := range m.sessions {
		place, ok := s.memory.find(id)
		check(t, "remembered "+id, k.closed, ok)
		if k.closed {
			closed++
			check(t, "vanished "+id, k.vanished, s.memory.mark(place).vanished())
			check(t, "absent since "+id, k.since, absentSince(s, place))
			continue
		}
		open = append(open, k.state)
		if k.absences > 0 {
			unresolved = append(unresolved, k.state)
		}
		check(t, "missing "+id, len(k.missing) > 0, slices.Contains(s.Missing(), id))
	}
	byID := func(a, b Session) int { return strings.Compare(a.SessionID, b.SessionID) }
	slices.SortFunc(open, byID)
	slices.SortFunc(unresolved, byID)
	check(t, "open", len(open), len(s.Open()))
	for i, o := range s.Open() {
		check(t, "open state of "+o.SessionID, true, same(open[i], o) && open[i].SessionID == o.SessionID)
	}
	check(t, "unresolved", unresolved, s.Unresolved())
	check(t, "counts", []int{len(open), len(unresolved), closed}, []int{s.OpenCount(), s.UnresolvedCount(), s.Remembered()})
	check(t, "empty", len(m.sessions) == 0, s.Empty())
	check(t, "due", m.due(), s.ForgetDue())
}
