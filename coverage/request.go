package coverage

import (
	"time"

	"farmwire/diff"
)

// Operation is what a request asks for.
type Operation int

// The operations.
const (
	ListFarms Operation = iota
	ListFleets
	ListWorkers
	BatchGetWorker
	ListSessionsForWorker
	Lookup       // BatchGetSession or GetSession
	ListSessions // of a job
)

// isDiscovery reports whether the operation finds farms, fleets or workers.
func (o Operation) isDiscovery() bool { return o <= ListWorkers }

// showsSessions reports whether an answer shows sessions.
func (o Operation) showsSessions() bool { return o >= ListSessionsForWorker }

// Request is a request that is sent to Deadline Cloud.
type Request struct {
	Number      uint64 // counts the requests of a process, in the order in which they are sent
	List        uint64 // of all pages of one list: the Number of its first page; 0 if the request is of no list
	Operation   Operation
	Farm, Fleet string           // of ListFleets and ListWorkers; the farm of ListSessions
	Workers     []diff.WorkerKey // that it asks about, of any shard
	Sessions    []diff.Session   // of a Lookup
	At          time.Time        // when it was sent, by the service's clock: in Sent an estimate, in an Answer exact
}

// Answer is what became of a request.
type Answer struct {
	Request
	Reason        Reason           // why the answer is not usable; empty if it is; Cancelled if the poller gave the request up
	UnderWay      bool             // another request follows for the same list, so what was read is kept
	Complete      bool             // the list is complete with this answer
	Farms, Fleets []string         // on this page
	Shown         []diff.WorkerKey // of ListWorkers and BatchGetWorker: whose status it shows
	Awaiting      []diff.WorkerKey // those of Shown whose status asked for a listing that is not committed yet
	Found         []string         // of a Lookup: the ids of the sessions that it shows
	Observed      []diff.WorkerKey // the workers of which it gave an observation, which is not committed yet, in order, of any shard
}

// Cancelled is the reason of an answer that the poller itself did not wait for. It says nothing, and is no reason of a gap.
const Cancelled Reason = "cancelled"
