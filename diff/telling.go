package diff

import "time"

// telling makes the events of one session from one observation. It keeps the state and the sequence as the events
// move them.
type telling struct {
	out      *Changes
	state    *Session // nil: not known yet
	sequence uint64
	bounds   Bounds
	seen     time.Time
}

// tell adds one event, after which the session is in the given state.
func (t *telling) tell(kind Kind, state Session) *Change {
	t.sequence++
	c := Change{Kind: kind, Sequence: t.sequence, Session: state, Observed: t.bounds, Seen: t.seen}
	if t.state != nil {
		previous := *t.state // the state may be the snapshot's own
		c.Previous = &previous
	}
	t.out.Events = append(t.out.Events, c)
	t.state = &state
	return &t.out.Events[len(t.out.Events)-1]
}

// first tells of a session that is seen for the first time. There is no state afterwards if the watch passes it over.
func (t *telling) first(seen Session, w Watch) {
	begin := seen
	begin.LifecycleStatus, begin.TargetLifecycleStatus, begin.EndedAt = StatusStarted, "", time.Time{}
	history := endedBefore(&seen, w.Since)
	switch {
	case history && w.Initial != InitialAll:
		return
	case !history && !seen.StartedAt.Before(w.Since):
		started := t.tell(Started, begin)
		started.Inferred = !same(begin, seen)
		started.Observed.Exact = !seen.StartedAt.IsZero()
		t.next(seen)
	case w.Initial == InitialNone && seen.HasEnded():
		t.ended(seen)
	case w.Initial == InitialNone:
		t.out.Remembered = append(t.out.Remembered, Record{Session: seen, Seen: t.seen})
		t.state = &seen
	case seen.HasEnded():
		discovered := t.tell(Discovered, begin)
		discovered.Inferred, discovered.Snapshot = true, true
		t.ended(seen).Snapshot = history
	default:
		t.tell(Discovered, seen).Snapshot = true
	}
}

// next tells what changed between the state that is known and the next.
func (t *telling) next(to Session) {
	from := *t.state
	switch {
	case same(from, to):
		return
	case to.HasEnded():
		t.ended(to)
		return
	}
	ending := to.TargetLifecycleStatus == StatusEnded && from.TargetLifecycleStatus != StatusEnded
	status := to
	if ending {
		status.TargetLifecycleStatus = from.TargetLifecycleStatus
	}
	if !same(from, status) {
		t.tell(statusKind(from, status), status)
	}
	if ending {
		t.tell(Ending, to)
	}
}

// ended tells the end of a session. It is exact if the service says when.
func (t *telling) ended(to Session) *Change {
	c := t.tell(Ended, to)
	c.Observed.Exact = !to.EndedAt.IsZero()
	return c
}

// statusKind is what a new status is called; without a new status it is the target that changed.
func statusKind(from, to Session) Kind {
	if from.LifecycleStatus != to.LifecycleStatus {
		switch to.LifecycleStatus {
		case StatusUpdateInProgress:
			return Updating
		case StatusUpdateSucceeded:
			return Updated
		case StatusUpdateFailed:
			return UpdateFailed
		}
	}
	return Changed
}

// endedBefore reports whether the session is known to have ended before that time.
func endedBefore(s *Session, since time.Time) bool {
	return !s.EndedAt.IsZero() && s.EndedAt.Before(since)
}

// bounds are the times of a change that was not there when the request of after was answered, and was when the
// answer of before had arrived. They are whole milliseconds in UTC.
func bounds(after, before time.Time) Bounds {
	b := Bounds{Before: before.UTC().Truncate(time.Millisecond)}
	if b.Before.Before(before) {
		b.Before = b.Before.Add(time.Millisecond)
	}
	b.After = after.UTC().Truncate(time.Millisecond) // none stays none
	if b.After.After(b.Before) {
		b.After = b.Before
	}
	return b
}
