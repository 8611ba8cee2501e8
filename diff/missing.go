package diff

import "time"

// MissingAfter is how much time must lie between two answers that a session's queue, fleet or farm does not exist, for
// them to count like two answers that the session does not exist. It is longer than VanishAfter, because a mistake about
// a queue, a fleet or a farm concerns all their sessions.
const MissingAfter = 24 * time.Hour

// containerMissing returns the disappearance after an answer that the session's queue, fleet or farm does not exist.
// The service's times are whole seconds, so more than MissingAfter must lie between them.
func (d disappearance) containerMissing(x *NotFound) disappearance {
	switch {
	case d.missing.IsZero():
		d.missing = x.MissingAt.UTC().Truncate(time.Millisecond)
	case d.confirmed.IsZero() && x.MissingAt.Sub(d.missing) > MissingAfter:
		d.confirmed = x.Arrived
	}
	return d
}

// storeMissing adds a record without an event if Record.Missing of an open session has changed. The record of an event
// of the same observation has no Record.Missing, so it clears it, and it comes before the records without events.
func (c *comparison) storeMissing(changes sessionChanges, old, d disappearance) {
	id := changes.state.SessionID
	if n := len(c.out.Events); n > 0 && c.out.Events[n-1].Session.SessionID == id {
		old.missing = time.Time{}
	}
	if d.missing.Equal(old.missing) {
		return
	}
	if n := len(c.out.Remembered); n > 0 && c.out.Remembered[n-1].Session.SessionID == id {
		c.out.Remembered[n-1].Missing = d.missing // of a new session
		return
	}
	c.out.Remembered = append(c.out.Remembered, Record{Session: *changes.state, Sequence: changes.sequence, Seen: d.seen, Missing: d.missing})
}

// Missing returns the ids of the open sessions whose queue, fleet or farm does not exist according to the service, in
// their order. The caller owns the slice.
func (s Snapshot) Missing() []string {
	var ids []string
	for i := range s.open {
		if !s.open[i].disappearance.missing.IsZero() {
			ids = append(ids, s.open[i].session.SessionID)
		}
	}
	return ids
}
