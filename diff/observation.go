package diff

import "time"

// Exchange says when a request was sent to the service and when its answer arrived, by this host's clock and in
// ticks.
//
// Ticks are counted from 1: one for every request that is sent and one for every answer that arrives. They order
// exchanges even if the clock is set back. A new process counts anew.
type Exchange struct {
	Sent, Arrived         time.Time
	SentTick, ArrivedTick uint64
}

// Sighting is a session as one answer showed it.
type Sighting struct {
	Session Session
	Exchange
}

// NotFound is an answer that the service does not know a session, or does not know its job.
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
	NoSuchWorker                  // the answer that the worker does not exist; all its sessions are absent
	NoSuchFleet                   // the answer that its fleet or farm does not exist, while discovery lacks that; its ended sessions are absent
)

// WorkerStatus is a worker as ListWorkers last showed it.
type WorkerStatus struct {
	Status   string // such as RUNNING; any value of the service passes through
	HostName string // empty if the service shows none
}

// Observation is what was learned about the sessions of one worker by a listing or by lookups.
type Observation struct {
	Worker       WorkerKey
	Status       *WorkerStatus // nil if ListWorkers never showed the worker; never changed
	Source       Source
	FirstRequest Exchange   // of a listing; zero for Lookups
	Date         time.Time  // of the answer to the first request, by the service's clock; zero for Lookups or if not known
	Pages        int        // of a CompleteListing
	Sightings    []Sighting // in any order of pages; a session may be in several
	NotFound     []NotFound // of Lookups
}
