package diff

import "time"

// The lifecycle statuses that Farmwire knows. Any other value passes through as it came.
const (
	StatusStarted          = "STARTED"
	StatusUpdateInProgress = "UPDATE_IN_PROGRESS"
	StatusUpdateSucceeded  = "UPDATE_SUCCEEDED"
	StatusUpdateFailed     = "UPDATE_FAILED"
	StatusEnded            = "ENDED"
)

// WorkerKey names one worker. The identifiers are opaque.
type WorkerKey struct {
	FarmID, FleetID, WorkerID string
}

// Session is a worker session as the service showed it, or as the last change left it.
type Session struct {
	WorkerKey
	QueueID, JobID, SessionID string
	LifecycleStatus           string
	TargetLifecycleStatus     string    // empty if there is none
	StartedAt                 time.Time // by the service's clock
	EndedAt                   time.Time // by the service's clock; zero if there is none
}

// HasEnded reports whether the service showed the end of the session, by its status or by its end time.
func (s Session) HasEnded() bool {
	return s.LifecycleStatus == StatusEnded || !s.EndedAt.IsZero()
}

// Initial says what is done with the sessions that are older than the watch.
type Initial int

// The values of Initial.
const (
	InitialOpen Initial = iota // open sessions are discovered, ended ones are ignored
	InitialAll                 // history is published too, marked as snapshot
	InitialNone                // open sessions are only remembered
)

// Watch decides which sessions of a fleet are news when they are first seen.
type Watch struct {
	Since   time.Time // by the service's clock
	Initial Initial
}
