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
	ListSessions    // ListSessionsForWorker
	BatchGetSession // of at most 100 sessions of one farm
	GetSession
	kinds
)

// Operation returns the API's name for the kind.
func (k Kind) Operation() string {
	return [...]string{"", "ListFarms", "ListFleets", "ListWorkers", "ListSessionsForWorker", "BatchGetSession", "GetSession"}[k]
}

// IsDiscovery reports whether calls of the kind find farms, fleets and workers.
func (k Kind) IsDiscovery() bool { return k == ListFarms || k == ListFleets || k == ListWorkers }

// Call is one request that is to be sent now. Of a list it is one page.
type Call struct {
	Number   uint64         // counts the calls from 1
	List     uint64         // of a list: the Number of the first call for it; the calls for its other pages have the same
	Kind     Kind           // what to ask for
	Farm     string         // of ListFleets and ListWorkers
	Fleet    string         // of ListWorkers
	Worker   diff.WorkerKey // of ListSessions
	Page     int            // of a list, from 1
	Token    string         // of a list: the page token that came with the page before; empty for the first page
	Sessions []diff.Session // of BatchGetSession and GetSession, which has one
	Shards   []int          // those of the workers that it asks about; none for discovery
	Again    bool           // the last request for the same list, worker or session failed
}

// Answer is what came of a Call.
type Answer struct {
	Reason     Reason        // why there is no usable answer; empty if there is one
	RetryAfter time.Duration // how long the service wants to be left alone; 0 if it does not say
	Sent       time.Time     // when the request was sent
	NotFound   string        // the kind of the resource that the service says does not exist, such as "worker"; empty if it does not say
	Next       string        // of a list: the token of the next page; empty if this was the last
	Farms      []string      // of ListFarms: the farms on this page
	Fleets     []string      // of ListFleets: the fleets on this page that are to be polled
	Workers    []Worker      // of ListWorkers: the workers on this page
	HasDate    bool          // the answer has a Date header, so that what it names as not found may count
	Sample     diff.Session  // of ListSessions: one of the page's sessions, an open one if there is one; without an id if there is none

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
	Reason       Reason   // of what is Discarded
	NoSuchWorker bool     // of a listing that is Complete: the worker does not exist
	Confirmed    []string // of a lookup: the sessions whose queue, fleet or farm does not exist, and discovery confirms it
	Ignored      bool     // the schedule does not know the worker or the list any more
	Notes        []Note   // what is worth a line in the log
}

// Stage is how far a Call's list or lookup has got.
type Stage int

// The stages.
const (
	UnderWay  Stage = iota // another call follows: for the next page, or for the same page again
	Complete               // all is known that was asked for
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
