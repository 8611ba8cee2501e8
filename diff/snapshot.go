package diff

import (
	"slices"
	"strings"
	"time"
)

// Snapshot is what is known of the sessions of one worker: the state of each open session, and the ids of those
// that ended or vanished. It is a value, and copies share what they have in common: nothing that is reachable
// from a Snapshot ever changes.
type Snapshot struct {
	worker   WorkerKey
	watch    Watch
	open     []openSession // by session id
	memory   memory
	listed   time.Time // when the first request of the last complete listing was sent; zero if there was none in this process
	absentAt time.Time // sessions that are not known did not exist when this request was sent, see Bounds in the package comment; zero if not proved
}

// openSession is a session that has neither ended nor vanished.
type openSession struct {
	session       Session
	sequence      uint64
	disappearance disappearance
}

// NewSnapshot returns the snapshot of a worker of which nothing is known.
func NewSnapshot(w WorkerKey, watch Watch) Snapshot {
	return Snapshot{worker: w, watch: watch}
}

// Worker returns the worker whose sessions these are.
func (s Snapshot) Worker() WorkerKey { return s.worker }

// Listed returns when the first request of the worker's last complete listing was sent, by this host's clock. It is zero if
// there was none in this process.
func (s Snapshot) Listed() time.Time { return s.listed }

// Open returns the sessions that have neither ended nor vanished, in the order of their ids. The caller
// owns the slice.
func (s Snapshot) Open() []Session {
	open := make([]Session, len(s.open))
	for i := range s.open {
		open[i] = s.open[i].session
	}
	return open
}

// OpenCount returns the number of open sessions.
func (s Snapshot) OpenCount() int { return len(s.open) }

// Unresolved returns the open sessions that must be looked up one by one, in the order of their ids: a
// complete listing lacked them, or the worker did not exist, and no answer has shown them since. The caller
// owns the slice.
func (s Snapshot) Unresolved() []Session {
	var unresolved []Session
	for i := range s.open {
		if s.open[i].disappearance.unresolved {
			unresolved = append(unresolved, s.open[i].session)
		}
	}
	return unresolved
}

// UnresolvedCount returns the number of unresolved sessions.
func (s Snapshot) UnresolvedCount() int {
	n := 0
	for i := range s.open {
		if s.open[i].disappearance.unresolved {
			n++
		}
	}
	return n
}

// OldestLook returns when the request was sent that last showed an open session: the earliest of all open sessions, by this
// host's clock. Sessions that the service did not find since then are left out. It is zero if no session is left.
func (s Snapshot) OldestLook() time.Time {
	var oldest time.Time
	for i := range s.open {
		d := &s.open[i].disappearance
		if d.notFoundAt.IsZero() && (oldest.IsZero() || d.seen.Before(oldest)) {
			oldest = d.seen
		}
	}
	return oldest
}

// Remembered returns the number of ended and vanished sessions that are remembered.
func (s Snapshot) Remembered() int { return s.memory.len() }

// Knows reports whether the session is open in the snapshot or remembered.
func (s Snapshot) Knows(sessionID string) bool {
	_, remembered := s.memory.find(sessionID)
	return remembered || s.isOpen(sessionID)
}

// HasSettled reports whether a session that an answer shows as ended is known to have ended, so that the answer changes
// nothing: the session is remembered and no listing has lacked it since it was seen, or it ended before the watch began and
// is ignored. A session that had vanished has settled when Changes.Reappeared has named it. The zero Snapshot knows nothing.
func (s Snapshot) HasSettled(seen Session) bool {
	place, remembered := s.memory.find(seen.SessionID)
	switch {
	case !seen.HasEnded():
		return false
	case remembered:
		m := s.memory.mark(place)
		return !m.absent() && (!m.vanished() || m.reappeared())
	}
	return !s.isOpen(seen.SessionID) && s.ignores(&seen)
}

// Empty reports whether no session is known. Such a snapshot can be replaced by a new one. The next session that
// is first seen then has no Bounds.After.
func (s Snapshot) Empty() bool { return len(s.open) == 0 && s.memory.len() == 0 }

// Apply returns the snapshot after the changes, which must come from Between with this snapshot.
func Apply(s Snapshot, c Changes) Snapshot {
	s.open = withChanges(s.open, &c)
	if c.memory != nil {
		s.memory = *c.memory
	}
	if c.listing.exists {
		s.absentAt = s.listed
		if c.listing.pages <= 1 {
			s.absentAt = c.listing.sent
		}
		s.listed = c.listing.sent
	}
	return s
}

// withChanges returns the open sessions after the changes. The given slice is not changed.
func withChanges(open []openSession, c *Changes) []openSession {
	if len(c.Events)+len(c.Remembered)+len(c.notes) == 0 {
		return open
	}
	open = slices.Clone(open)
	for i := range c.Events {
		e := &c.Events[i]
		at, ok := findOpen(open, e.Session.SessionID)
		next := openSession{session: e.Session, sequence: e.Sequence, disappearance: disappearance{seen: e.Seen}}
		switch closed := e.Kind == Vanished || e.Session.HasEnded(); {
		case closed && ok:
			open = slices.Delete(open, at, at+1)
		case closed:
		case ok:
			open[at] = next
		default:
			open = slices.Insert(open, at, next)
		}
	}
	for _, r := range c.Remembered {
		if at, ok := findOpen(open, r.Session.SessionID); !ok {
			next := openSession{session: r.Session, sequence: r.Sequence, disappearance: disappearance{seen: r.Seen, missing: r.Missing}}
			open = slices.Insert(open, at, next)
		}
	}
	for i := range c.notes {
		if at, ok := findOpen(open, c.notes[i].sessionID); ok {
			open[at].disappearance = c.notes[i].disappearance
		}
	}
	return open
}

// findOpen returns the index of a session or, if it is not there, the index at which to insert it.
func findOpen(open []openSession, sessionID string) (int, bool) {
	return slices.BinarySearchFunc(open, sessionID, func(o openSession, id string) int {
		return strings.Compare(o.session.SessionID, id)
	})
}

// isOpen reports whether the session is one of the open ones.
func (s *Snapshot) isOpen(sessionID string) bool {
	if len(s.open) == 0 {
		return false
	}
	_, ok := findOpen(s.open, sessionID)
	return ok
}

// ignores reports whether a session that is not known is to stay unknown, because it ended before the watch
// began.
func (s *Snapshot) ignores(seen *Session) bool {
	return s.watch.Initial != InitialAll && endedBefore(seen, s.watch.Since)
}
