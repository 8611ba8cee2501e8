package poller

import (
	"time"

	"farmwire/diff"
)

// callKind is what a call asks Deadline Cloud for.
type callKind int

const (
	noCall callKind = iota
	listFarms
	listFleets
	listWorkers
	listSessions
	lookUpBatch  // by BatchGetSession
	lookUpSingle // by GetSession
	callKinds
)

// operation returns the API's name for the kind.
func (k callKind) operation() string {
	return [...]string{"", opListFarms, opListFleets, opListWorkers, opListSessions, opBatchGet, opGet}[k]
}

// startTimes are the times from which calls of each kind may begin, as far as the budget decides.
type startTimes [callKinds]time.Time

// call asks for one thing. It may take several requests.
type call struct {
	kind       callKind
	target     discoveryTarget    // of a discovery call
	workers    []*scheduledWorker // the one to list, or those whose sessions are looked up
	maxPages   int                // of a listing
	sessions   []diff.Session     // to look up
	oneRequest bool               // only the first request is sent, to find out whether the service answers
}

// callOutcome is what the schedule is told of a call that has ended.
type callOutcome struct {
	err      error
	gone     bool                    // the service says that there is no such worker
	pages    int                     // of a complete listing
	observed map[diff.WorkerKey]bool // by a lookup: the workers of which something was learned
}
