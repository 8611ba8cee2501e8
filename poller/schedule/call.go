package schedule

import (
	"time"

	"farmwire/diff"
)

// Kind is the API operation of a call.
type Kind int

// The kinds of calls.
const (
	ListFarms Kind = 1 + iota
	ListFleets
	ListWorkers
	BatchGetWorker // of at most 100 workers of one farm
	ListSessionsForWorker
	ListSessions    // of a job
	BatchGetSession // of at most 100 sessions of one farm
	GetSession
	kinds
)

// Operation returns the API's name for the kind.
func (k Kind) Operation() string {
	return [...]string{
		"", "ListFarms", "ListFleets", "ListWorkers", "BatchGetWorker", "ListSessionsForWorker", "ListSessions", "BatchGetSession", "GetSession",
	}[k]
}

// IsDiscovery reports whether calls of the kind find farms, fleets and workers.
func (k Kind) IsDiscovery() bool { return k == ListFarms || k == ListFleets || k == ListWorkers }

// Call is one request that is to be sent now. Of a list it is one page.
type Call struct {
	Number   uint64           // counts the calls from 1
	List     uint64           // of a list: the Number of the first call for it; the calls for its other pages have the same
	Kind     Kind             // what to ask for
	Farm     string           // of ListFleets and ListWorkers
	Fleet    string           // of ListWorkers
	Worker   diff.WorkerKey   // of ListSessionsForWorker
	Workers  []diff.WorkerKey // of BatchGetWorker
	Job      Job              // of ListSessions
	Page     int              // of a list, from 1
	Token    string           // of a list: the page token that came with the page before; empty for the first page
	Sessions []diff.Session   // of BatchGetSession and GetSession, which has one
	Shards   []int            // those of the workers that it asks about; none for discovery and for the list of a job
	Again    bool             // the last request for the same list, worker or session failed
}

// Job identifies a job.
type Job struct{ FarmID, QueueID, JobID string }

// Answer is what came of a Call.
type Answer struct {
	Reason     Reason                               // why there is no usable answer; empty if there is one
	RetryAfter time.Duration                        // how long the service wants to be left alone; 0 if it does not say
	Sent       time.Time                            // when the request was sent
	NotFound   string                               // the kind of the resource that the service says does not exist, such as "worker"; empty if it does not say
	Next       string                               // of a list: the token of the next page; empty if this was the last
	Farms      []string                             // of ListFarms: the farms on this page
	Fleets     []string                             // of ListFleets: the fleets on this page that are to be polled
	Workers    []Worker                             // of ListWorkers: the workers on this page
	Statuses   map[diff.WorkerKey]diff.WorkerStatus // of BatchGetWorker: the workers that it shows
	Gone       []diff.WorkerKey                     // of BatchGetWorker: the workers that it says do not exist
	HasDate    bool                                 // the answer has a Date header, so that what it names as not found may count
	Sample     diff.Session                         // of ListSessionsForWorker: one of the page's sessions, an open one if there is one; without an id if there is none

	// Sessions are what the answer shows of sessions that are open or are not known to have ended. Of ListSessions they are
	// only those of workers of the owned shards, in fleets that are found.
	Sessions []diff.Session
	// Settled says that every session in the second half of the page, whosever it is, is known to have ended. It is of
	// ListSessionsForWorker and ListSessions.
	Settled bool
	// NewestFirst says that of the sessions on this page and on the pages before each started no later than the one before
	// it, and that there are two at least that did not start together. It is of ListSessionsForWorker and ListSessions.
	NewestFirst bool
	// Unordered says that one of them started later than one before it.
	Unordered bool

	// Findings are what BatchGetSession or GetSession say of each session, by its id. Those of which the answer says nothing
	// usable are left out.
	Findings map[string]Finding
}

// Worker is a worker as ListWorkers showed it.
type Worker struct {
	ID     string
	Status diff.WorkerStatus
}

// Finding is what an answer says of one session.
type Finding int

// The findings.
const (
	Found    Finding = 1 + iota
	NotFound         // the session or its job does not exist
	NoQueue          // its queue does not exist
	NoFleet          // its fleet does not exist
	NoFarm           // its farm does not exist
	Unclear          // something does not exist, and the answer of BatchGetSession does not say what
)

// Outcome is what a Call has come to.
type Outcome struct {
	Stage        Stage
	Reason       Reason           // of what is Discarded
	NoSuchWorker bool             // of a listing that is Complete: the worker does not exist
	Workers      []diff.WorkerKey // of ListSessions: those of which the page is an observation
	Confirmed    []string         // of a lookup: the sessions whose queue, fleet or farm does not exist, and discovery confirms it
	Awaiting     []diff.WorkerKey // of ListWorkers and BatchGetWorker: the workers it shows whose status has asked for a listing that is not committed
	Ignored      bool             // the schedule does not know the worker or the list any more
	Notes        []Note           // what is worth a line in the log
}

// Stage is how far a Call's list or lookup has got.
type Stage int

// The stages.
const (
	UnderWay  Stage = iota // another call follows: for the next page, or for the same page again
	Complete               // all is known that was asked for
	Stopped                // of a list of sessions: it is not read on, what its pages have shown counts, and it proves no absence
	Discarded              // it failed, and nothing of it counts
)

// Note is something that an operator wants to know. Each is given once, when it begins and when it ends.
type Note struct {
	Kind      NoteKind
	Operation Kind
	Worker    diff.WorkerKey // what it is about: a worker; a fleet, if the worker id is empty; a farm, if only that is set
	Reason    Reason         // of the last failure
	Alone     bool           // of WorkerFails and WorkerWorks: no other worker of the fleet fails for the same reason
}

// NoteKind is the kind of a Note.
type NoteKind int

// The kinds of notes.
const (
	ListFails   NoteKind = 1 + iota // a list of discovery failed for the first time since it was complete
	ListWorks                       // it is complete again
	WorkerFails                     // the listings of a worker have failed three times in a row
	WorkerWorks                     // a listing of it is complete again
	ScopeFails                      // no worker of a fleet, or of a farm, can be listed at the moment; a few are tried now and then
	ScopeWorks                      // a listing there is complete again
	BatchFails                      // BatchGetSession does not work in a farm; GetSession is used for some time
	BatchWorks                      // BatchGetSession is used again
)
