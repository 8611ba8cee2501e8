package diff

import "time"

// Kind is what happened to a session. Its text is part of the event's type: farmwire.session.<kind>.v1.
type Kind string

// The kinds of changes. If one observation causes several changes of a session, they are in this order.
const (
	Discovered   Kind = "discovered"   // first seen; it started before the watch began
	Started      Kind = "started"      // first seen; it did not start before the watch began
	Updating     Kind = "updating"     // the status became UPDATE_IN_PROGRESS
	Updated      Kind = "updated"      // the status became UPDATE_SUCCEEDED
	UpdateFailed Kind = "updatefailed" // the status became UPDATE_FAILED
	Changed      Kind = "changed"      // any other new status, or a new target that is not ENDED
	Ending       Kind = "ending"       // the target became ENDED
	Ended        Kind = "ended"        // the session ended
	Vanished     Kind = "vanished"     // the service stopped knowing the session without showing its end
)

// Bounds are the times between which the service began to show a change. They are whole milliseconds in UTC, by
// this host's clock.
type Bounds struct {
	After  time.Time // the change was not shown yet; rounded down, not later than Before; zero if no answer says so
	Before time.Time // the change was shown; rounded up
	Exact  bool      // the session has the time of the change itself: StartedAt of a start, EndedAt of an end
}

// Change is one lifecycle transition of one session. It becomes one event.
type Change struct {
	Kind     Kind
	Sequence uint64   // counts the changes of a session from 1, without holes
	Inferred bool     // the state was never seen; it follows from a later one
	Snapshot bool     // published because of Watch.Initial, not because the session has changed
	Session  Session  // the state after this change
	Previous *Session // the state before it; nil at first sight
	Observed Bounds
	Seen     time.Time // when the request was sent that showed this state, by this host's clock
}

// Record is what is stored of one session: its last state and the number of the event that published it.
type Record struct {
	Session  Session
	Sequence uint64    // of the last change; 0 if nothing of the session was published
	Seen     time.Time // when the request was sent that showed this state, by this host's clock
	Vanished bool
	Missing  time.Time // when the service first said that the queue, fleet or farm of the open session does not exist, by its own clock; zero if it did not
}

// Changes is everything that one observation of a worker changes.
type Changes struct {
	Worker     WorkerKey
	Status     *WorkerStatus // Observation.Status
	Events     []Change      // to publish, in the order of session ids; the changes of one session are adjacent
	Remembered []Record      // open sessions to store without an event, because they are remembered or their Record.Missing has changed
	Forgotten  []string      // ids of sessions whose records are to be deleted by tombstones
	Stale      []string      // ids of ended sessions that an answer showed as open
	Reappeared []string      // ids of vanished sessions that an answer showed again, each once in a process
	Absences   *Absences     // to store in place of the last; nil if they are as before

	notes   []note   // by session id
	memory  *memory  // what is remembered now; nil if it is as before
	absent  []string // ids of remembered sessions that are marked as absent
	present []string // ids of remembered sessions that had been absent and were seen
	listing completeListing
}

// note is what was learned of an open session besides its state.
type note struct {
	sessionID     string
	disappearance disappearance
}

// completeListing is the complete listing from which Changes come.
type completeListing struct {
	exists bool // false if the changes come from other answers
	sent   time.Time
	pages  int
}

// Records returns the records to store: the last state of every session that changed, and the sessions that are
// stored without an event. If a session is both, the later record counts. The tombstones of Forgotten sessions are not among them.
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
