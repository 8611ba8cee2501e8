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
	kind     callKind
	target   discoveryTarget    // what a discovery call lists
	workers  []*scheduledWorker // the one to list, or those whose sessions are looked up
	maxPages int                // of a listing; with more it fails
	sessions []diff.Session     // to look up
	trial    bool               // see trial

	untilFarmShown bool // it ends at the first answer that shows a farm and repeats no request, see askUntilFarmShown
}

// callOutcome is how a listing or a lookup ended, for the schedule.
type callOutcome struct {
	err          error
	noSuchWorker bool                    // the answer to a listing
	pages        int                     // of a complete listing
	observed     map[diff.WorkerKey]bool // by a lookup: the workers of which something was observed
	missing      map[string]bool         // by a lookup: for each session of which something was learned, whether it is missing; by session id
}
