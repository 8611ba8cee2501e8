package diff

import "time"

// Kind is what happened to a session. Its text is the <change> of the event's type.
type Kind string

// The kinds of changes, in the order in which one observation may bring them for one session.
const (
	Discovered   Kind = "discovered"   // first seen, and older than the watch
	Started      Kind = "started"      // first seen, and news
	Updating     Kind = "updating"     // the status became UPDATE_IN_PROGRESS
	Updated      Kind = "updated"      // the status became UPDATE_SUCCEEDED
	UpdateFailed Kind = "updatefailed" // the status became UPDATE_FAILED
	Changed      Kind = "changed"      // any other new status, or a new target that is not ENDED
	Ending       Kind = "ending"       // the target became ENDED
	Ended        Kind = "ended"        // the session ended
	Vanished     Kind = "vanished"     // the service stopped knowing the session without showing its end
)

// Bounds are the times between which the service began to show a change. They are whole milliseconds in
// UTC, by this host's clock.
type Bounds struct {
	After  time.Time // rounded down, never later than Before; zero if no answer showed the state before
	Before time.Time // rounded up
	Exact  bool      // the change's own time is in the session
}

// Change is one lifecycle transition of one session. It becomes one event.
type Change struct {
	Kind     Kind
	Sequence uint64   // counts the changes of a session from 1, without holes
	Inferred bool     // the state was never seen and is known from a later one
	Snapshot bool     // published because of Initial, not because it changed
	Session  Session  // the state after this change
	Previous *Session // the state before it; nil at first sight
	Observed Bounds
	Seen     time.Time // when the request was sent that showed this state, by this host's clock
}

// Record is what is stored of one session: its last state and the number of the event that published it.
type Record struct {
	Session  Session
	Sequence uint64 // 0 if the session is only remembered and was never published
	Seen     time.Time
	Vanished bool
}

// Changes is all that one observation teaches about one worker. The exported fields are for the log and
// the metrics; Apply updates the snapshot by all of it.
type Changes struct {
	Worker     WorkerKey
	Status     *WorkerStatus
	Events     []Change // to publish, in the order of session ids; the changes of one session are adjacent
	Remembered []Record // to store without an event
	Forgotten  []string // session ids whose records are to be tombstoned
	Stale      []string // ended sessions that an answer showed as open
	Reappeared []string // vanished sessions that an answer showed again, each reported once in a process

	notes   []note   // by session id
	absent  []string // remembered sessions that a complete listing lacked for the first time
	present []string // remembered sessions that had been absent and were seen
	listing completeListing
}

// note is what was learned of an open session besides its state.
type note struct {
	sessionID     string
	disappearance disappearance
}

// completeListing is the listing that Changes come from, or an answer that the worker does not exist.
type completeListing struct {
	exists bool // false if the changes come from lookups
	sent   time.Time
	pages  int
}

// Records returns what is to be stored because of the changes: the last state of every session that
// changed, and the sessions that are only remembered. The sessions that are Forgotten are not among them.
func (c Changes) Records() []Record {
	records := make([]Record, 0, len(c.Events)+len(c.Remembered))
	for i, e := range c.Events {
		if i+1 < len(c.Events) && c.Events[i+1].Session.SessionID == e.Session.SessionID {
			continue
		}
		records = append(records, Record{
			Session: e.Session, Sequence: e.Sequence, Seen: e.Seen, Vanished: e.Kind == Vanished,
		})
	}
	return append(records, c.Remembered...)
}
