package diff

import "time"

// The lifecycle statuses that Farmwire knows. Any other status is kept as the service sent it.
const (
	StatusStarted          = "STARTED"
	StatusUpdateInProgress = "UPDATE_IN_PROGRESS"
	StatusUpdateSucceeded  = "UPDATE_SUCCEEDED"
	StatusUpdateFailed     = "UPDATE_FAILED"
	StatusEnded            = "ENDED"
)

// WorkerKey identifies a worker. Its parts are opaque identifiers of the service.
type WorkerKey struct {
	FarmID, FleetID, WorkerID string
}

// Session is a worker session as the service showed it, or as the last change left it.
type Session struct {
	WorkerKey
	QueueID, JobID, SessionID string
	LifecycleStatus           string
	TargetLifecycleStatus     string    // empty if there is none
	StartedAt                 time.Time // UTC, by the service's clock
	EndedAt                   time.Time // UTC, by the service's clock; zero if there is none
}

// HasEnded reports whether the service showed the end of the session, by its status or by its end time.
func (s Session) HasEnded() bool {
	return s.LifecycleStatus == StatusEnded || !s.EndedAt.IsZero()
}

// Initial is what is published of sessions that started before the watch began.
type Initial int

// The values of Initial.
const (
	InitialOpen Initial = iota // Discovered for open sessions; those that ended before the watch are ignored
	InitialAll                 // as InitialOpen, and Discovered and Ended for those that ended before the watch
	InitialNone                // open sessions are remembered without an event
)

// Watch says from when on the sessions of a fleet are watched, and so which of them are news when they are first
// seen.
type Watch struct {
	Since   time.Time // when the watch began, by the service's clock
	Initial Initial
}
