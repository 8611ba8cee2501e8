package diff

import "time"

// Kind is what happened to a session; its text is the <change> of the event's type.
type Kind string

const (
	Discovered   Kind = "discovered"
	Started      Kind = "started"
	Updating     Kind = "updating"
	Updated      Kind = "updated"
	UpdateFailed Kind = "updatefailed"
	Ending       Kind = "ending"
	Ended        Kind = "ended"
	Vanished     Kind = "vanished"
	Changed      Kind = "changed"
)

// Bounds says between which two answers the service began to show a change.
type Bounds struct {
	After  time.Time // zero: there was none. Milliseconds, rounded down, never later than Before
	Before time.Time // milliseconds, rounded up
	Exact  bool      // the change's own time is in the session
}

// Change is one lifecycle transition of one session; it becomes one event.
type Change struct {
	Kind     Kind
	Sequence uint64   // from 1 without holes per session
	Inferred bool     // the state was never seen and is known from a later one
	Snapshot bool     // published because of Initial, not because it changed
	Session  Session  // the state after this change
	Previous *Session // the state before; nil at first sight
	Observed Bounds
	Seen     time.Time // when the request was sent that showed this state, our clock
}

// Record is what is stored of one session: its last state and the number of the event that told it.
type Record struct {
	Session  Session
	Sequence uint64 // 0: only remembered, never published
	Seen     time.Time
	Vanished bool
}

// Changes is all that one observation teaches about one worker. The exported fields are for
// the log and the metrics; Apply moves the snapshot by all of it.
type Changes struct {
	Worker     WorkerKey
	Status     *WorkerStatus
	Events     []Change // to publish, in order; the changes of one session stand together
	Remembered []Record // to store without an event
	Forgotten  []string // session ids whose records are to be tombstoned
	Stale      []string // ended sessions that an answer showed as open
	Reappeared []string // vanished sessions that an answer showed again

	// unexported: what moves the snapshot and is no event (sightings, absences, ...)
}
