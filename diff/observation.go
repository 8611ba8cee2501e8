package diff

import "time"

// Exchange is one request to the service and its answer. Times are by this host's clock.
//
// Ticks are the values of one counter of the process, which counts every request that is sent and every
// answer that arrives. They order exchanges even where clocks are set back.
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

// Source is where an Observation comes from. It decides what the absence of a session from it means.
type Source int

// The values of Source.
const (
	Lookups         Source = iota // answers about single sessions; they say nothing of other sessions
	CompleteListing               // all pages of a listing; a session that is not in it is absent
	NoSuchWorker                  // an answer that the worker does not exist; all its sessions are absent
)

// WorkerStatus is a worker as ListWorkers last showed it.
type WorkerStatus struct {
	Status, HostName string
}

// Observation is what was learned about the sessions of one worker by a listing or by lookups.
type Observation struct {
	Worker       WorkerKey
	Status       *WorkerStatus // nil if ListWorkers never showed the worker
	Source       Source
	FirstRequest Exchange // of a CompleteListing or NoSuchWorker
	Pages        int      // of a CompleteListing
	Sightings    []Sighting
	NotFound     []NotFound
}
