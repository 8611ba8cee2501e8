package poller

import (
	"time"

	"farmwire/diff"
)

// kind is what a call asks for.
type kind int

const (
	nothing kind = iota
	listFarms
	listFleets
	listWorkers
	listSessions
	lookUp       // BatchGetSession
	lookUpSingly // GetSession
	kinds
)

// operation is the API's name for a kind.
func (k kind) operation() string {
	return [...]string{"", opListFarms, opListFleets, opListWorkers, opListSessions, opBatchGet, opGet}[k]
}

// gates say from when on a call of each kind may begin: the budget's part in the decision.
type gates [kinds]time.Time

// call is one thing to ask.
type call struct {
	kind     kind
	target   target         // discovery: of what
	entries  []*entry       // listSessions: the worker; lookups: the sessions' workers
	pages    int            // listSessions: as many at most
	sessions []diff.Session // lookups
	probe    bool           // discovery: the first request only, to hear whether the service answers
}

// outcome is how a call went, as far as the schedule is concerned.
type outcome struct {
	err      error
	gone     bool                    // listSessions: the service says that there is no such worker
	pages    int                     // listSessions: of the complete listing
	observed map[diff.WorkerKey]bool // lookups: the workers that something was learned of
}
