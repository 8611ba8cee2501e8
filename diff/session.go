package diff

import "time"

// The lifecycle statuses that Farmwire gives a meaning to. Any other value passes through as it came.
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
	TargetLifecycleStatus     string    // "": none
	StartedAt                 time.Time // the service's clock
	EndedAt                   time.Time // the service's clock; zero: none
}

// HasEnded reports whether the service showed the end of the session: by its status or by its end time.
func (s Session) HasEnded() bool {
	return s.LifecycleStatus == StatusEnded || !s.EndedAt.IsZero()
}

// Initial says what becomes of the sessions that are older than the watch.
type Initial int

const (
	InitialOpen Initial = iota // open ones are discovered, ended ones are passed over
	InitialAll                 // history is published too, marked as snapshot
	InitialNone                // open ones are only remembered
)

// Watch is what a fleet's sessions are judged by at first sight.
type Watch struct {
	Since   time.Time // the service's clock
	Initial Initial
}

// Exchange is one request to the service and its answer. Ticks are of a counter of the process
// that moves on at every request sent and every answer arrived, so they order exchanges where clocks cannot.
// Times are of our clock.
type Exchange struct {
	Sent, Arrived         time.Time
	SentTick, ArrivedTick uint64
}

// Sighting is a session as one answer showed it.
type Sighting struct {
	Session Session
	Exchange
}

// NotFound is an answer that says that the service does not know a session.
type NotFound struct {
	SessionID string
	Exchange
}

// Evidence says what an observation is evidence of.
type Evidence int

const (
	Answers Evidence = iota // answers about single sessions; says nothing of the others
	Listing                 // a complete listing: what is not in it is absent
	Gone                    // the service says that the worker does not exist
)

// WorkerStatus is a worker as ListWorkers last showed it.
type WorkerStatus struct {
	Status, HostName string
}

// Observation is what was learned about the sessions of one worker by one listing, or by answers about single sessions.
type Observation struct {
	Worker   WorkerKey
	Status   *WorkerStatus // nil: ListWorkers never showed the worker
	Evidence Evidence
	Opening  Exchange // Listing, Gone: the first request
	Pages    int      // Listing: how many pages it had
	Seen     []Sighting
	NotFound []NotFound
}
