package diff

import "time"

// Exchange says when a request was sent to the service and when its answer arrived, by this host's clock and in
// ticks.
//
// Ticks are counted from 1: one for every request that is sent and one for every answer that arrives. They order
// exchanges even if the clock is set back. A new process counts anew.
//
// At is for whoever compares the times of requests with the service's. Nothing in this package depends on it.
type Exchange struct {
	Sent, Arrived         time.Time
	SentTick, ArrivedTick uint64
	At                    time.Time // when the request was sent, by the service's clock; see package poller
}

// Sighting is a session as one answer showed it.
type Sighting struct {
	Session Session
	Exchange
}

// NotFound is an answer that the service does not know a session, or does not know its job.
//
// If MissingAt is set, the answer names the session's queue, fleet or farm instead. Whoever makes the observation has
// made sure that such an answer counts: complete listings lack that fleet or farm, or the farm of the queue is listed.
type NotFound struct {
	SessionID string
	Exchange
	MissingAt time.Time // when the service answered, by its own clock; zero if the answer names the session or its job
}

// Source is where an Observation comes from. It decides what the absence of a session from it means.
type Source int

// The values of Source.
const (
	Answers         Source = iota // answers about some sessions; the observation says nothing about any other session
	CompleteListing               // all pages of a listing; a session that is not in it is absent
	NoSuchWorker                  // the answer that the worker does not exist, or its fleet or farm, if complete lists of these lack it too; all its sessions are absent
)

// WorkerStatus is a worker as ListWorkers or BatchGetWorker last showed it.
type WorkerStatus struct {
	Status   string // such as RUNNING; any value of the service passes through
	HostName string // empty if the service shows none
}

// Observation is what was learned about the sessions of one worker by a listing or by answers about single sessions.
type Observation struct {
	Worker       WorkerKey
	Status       *WorkerStatus // nil if neither ListWorkers nor BatchGetWorker ever showed the worker; never changed
	Source       Source
	FirstRequest Exchange   // of a listing; zero for Answers
	Date         time.Time  // of the answer to the first request, by the service's clock; zero for Answers or if not known
	Pages        int        // of a CompleteListing
	Sightings    []Sighting // in any order of pages; a session may be in several; Add appends to it
	NotFound     []NotFound // of Answers

	condensed condensed // what Add has noted instead of keeping sightings
}
