package diff

import (
	"slices"
	"strings"
	"time"
)

// Snapshot is what is known of the sessions of one worker: the state of each open one and the ids of those that
// ended or vanished. It is a value; nothing that is reachable from it ever changes.
type Snapshot struct {
	worker  WorkerKey
	watch   Watch
	open    []openSession // by session id
	memory  memory
	listed  time.Time // first request of the last complete listing; zero: none in this process
	without time.Time // first request of the last complete listing that proves absence of what is not known
}

// openSession is a session that has neither ended nor vanished.
type openSession struct {
	session  Session
	sequence uint64
	evidence evidence
}

// NewSnapshot is the snapshot of a worker of which nothing is known.
func NewSnapshot(w WorkerKey, watch Watch) Snapshot {
	return Snapshot{worker: w, watch: watch}
}

// Worker is whose sessions these are.
func (s Snapshot) Worker() WorkerKey { return s.worker }

// Open is the sessions that have neither ended nor vanished, by session id. The slice is the caller's.
func (s Snapshot) Open() []Session {
	open := make([]Session, len(s.open))
	for i := range s.open {
		open[i] = s.open[i].session
	}
	return open
}

// OpenCount is the length of Open.
func (s Snapshot) OpenCount() int { return len(s.open) }

// Unresolved is the open sessions that must be asked for one by one: the last complete listing lacked them, or
// the worker is gone, and no answer has shown them since. By session id; the slice is the caller's.
func (s Snapshot) Unresolved() []Session {
	var unresolved []Session
	for i := range s.open {
		if s.open[i].evidence.unresolved {
			unresolved = append(unresolved, s.open[i].session)
		}
	}
	return unresolved
}

// UnresolvedCount is the length of Unresolved.
func (s Snapshot) UnresolvedCount() int {
	n := 0
	for i := range s.open {
		if s.open[i].evidence.unresolved {
			n++
		}
	}
	return n
}

// Remembered is how many ended and vanished sessions are remembered.
func (s Snapshot) Remembered() int { return s.memory.len() }

// Empty reports whether no session is known. A new snapshot does as well then, except that the first session to
// come has no Bounds.After.
func (s Snapshot) Empty() bool { return len(s.open) == 0 && s.memory.len() == 0 }

// Apply is the snapshot after the changes, which must come from Between on this snapshot.
func Apply(s Snapshot, c Changes) Snapshot {
	s.open = withChanges(s.open, &c)
	s.memory = s.memory.with(&c)
	if c.listing.complete {
		s.without = s.listed
		if c.listing.pages <= 1 {
			s.without = c.listing.sent
		}
		s.listed = c.listing.sent
	}
	return s
}

// withChanges is the open sessions after the changes; the given slice stays as it is.
func withChanges(open []openSession, c *Changes) []openSession {
	if len(c.Events)+len(c.Remembered)+len(c.notes) == 0 {
		return open
	}
	open = slices.Clone(open)
	for i := range c.Events {
		e := &c.Events[i]
		place, ok := findOpen(open, e.Session.SessionID)
		next := openSession{session: e.Session, sequence: e.Sequence, evidence: evidence{seen: e.Seen}}
		switch closed := e.Kind == Vanished || e.Session.HasEnded(); {
		case closed && ok:
			open = slices.Delete(open, place, place+1)
		case closed:
		case ok:
			open[place] = next
		default:
			open = slices.Insert(open, place, next)
		}
	}
	for _, r := range c.Remembered {
		if place, ok := findOpen(open, r.Session.SessionID); !ok {
			next := openSession{session: r.Session, sequence: r.Sequence, evidence: evidence{seen: r.Seen}}
			open = slices.Insert(open, place, next)
		}
	}
	for i := range c.notes {
		if place, ok := findOpen(open, c.notes[i].sessionID); ok {
			open[place].evidence = c.notes[i].evidence
		}
	}
	return open
}

func findOpen(open []openSession, sessionID string) (int, bool) {
	return slices.BinarySearchFunc(open, sessionID, func(o openSession, id string) int {
		return strings.Compare(o.session.SessionID, id)
	})
}

// knows reports whether the session is open.
func (s *Snapshot) knows(sessionID string) bool {
	if len(s.open) == 0 {
		return false
	}
	_, ok := findOpen(s.open, sessionID)
	return ok
}

// passesOver reports whether a session that is not known stays so, because it ended before the watch began.
func (s *Snapshot) passesOver(seen *Session) bool {
	return s.watch.Initial != InitialAll && endedBefore(seen, s.watch.Since)
}
