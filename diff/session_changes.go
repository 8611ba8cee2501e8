package diff

import "time"

// sessionChanges adds the changes of one session from one observation to Changes.
type sessionChanges struct {
	out      *Changes
	state    *Session  // after the last change; nil if the session is not known yet
	sequence uint64    // of the last change
	bounds   Bounds    // of all changes
	seen     time.Time // Change.Seen of all changes
}

// add adds a change. State is the session after it.
func (c *sessionChanges) add(kind Kind, state Session) *Change {
	c.sequence++
	change := Change{Kind: kind, Sequence: c.sequence, Session: state, Observed: c.bounds, Seen: c.seen}
	if c.state != nil {
		previous := *c.state // a copy, because the state may be part of the snapshot
		change.Previous = &previous
	}
	c.out.Events = append(c.out.Events, change)
	c.state = &state
	return &c.out.Events[len(c.out.Events)-1]
}

// firstSight adds the changes of a session that was not known. The state stays nil if the watch ignores
// the session.
func (c *sessionChanges) firstSight(seen Session, w Watch) {
	begin := seen
	begin.LifecycleStatus, begin.TargetLifecycleStatus, begin.EndedAt = StatusStarted, "", time.Time{}
	history := endedBefore(&seen, w.Since)
	switch {
	case history && w.Initial != InitialAll:
		return
	case !history && !seen.StartedAt.Before(w.Since):
		started := c.add(Started, begin)
		started.Inferred = !same(begin, seen)
		started.Observed.Exact = !seen.StartedAt.IsZero()
		c.moveTo(seen)
	case w.Initial == InitialNone && seen.HasEnded():
		c.end(seen)
	case w.Initial == InitialNone:
		c.out.Remembered = append(c.out.Remembered, Record{Session: seen, Seen: c.seen})
		c.state = &seen
	case seen.HasEnded():
		discovered := c.add(Discovered, begin)
		discovered.Inferred, discovered.Snapshot = true, true
		c.end(seen).Snapshot = history
	default:
		c.add(Discovered, seen).Snapshot = true
	}
}

// moveTo adds the changes from the current state to the next one.
func (c *sessionChanges) moveTo(next Session) {
	from := *c.state
	switch {
	case same(from, next):
		return
	case next.HasEnded():
		c.end(next)
		return
	}
	ending := next.TargetLifecycleStatus == StatusEnded && from.TargetLifecycleStatus != StatusEnded
	status := next
	if ending {
		status.TargetLifecycleStatus = from.TargetLifecycleStatus
	}
	if !same(from, status) {
		c.add(statusKind(from, status), status)
	}
	if ending {
		c.add(Ending, next)
	}
}

// end adds the end of a session. It is exact if the service says when the session ended.
func (c *sessionChanges) end(state Session) *Change {
	change := c.add(Ended, state)
	change.Observed.Exact = !state.EndedAt.IsZero()
	return change
}

// statusKind returns the kind of a change of the status or, if the status is the same, of the target.
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

// endedBefore reports whether the session ended before that time, by its end time.
func endedBefore(s *Session, since time.Time) bool {
	return !s.EndedAt.IsZero() && s.EndedAt.Before(since)
}

// bounds returns the Bounds of a change that one answer did not show and a later answer did. After is when the
// request of the first was sent, and before is when the second arrived.
func bounds(after, before time.Time) Bounds {
	b := Bounds{Before: roundUp(before, time.Millisecond)}
	b.After = after.UTC().Truncate(time.Millisecond) // zero stays zero
	if b.After.After(b.Before) {
		b.After = b.Before
	}
	return b
}

// roundUp returns the time in UTC, rounded up to a multiple of the unit.
func roundUp(t time.Time, unit time.Duration) time.Time {
	down := t.UTC().Truncate(unit)
	if down.Before(t) {
		return down.Add(unit)
	}
	return down
}
