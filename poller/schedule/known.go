package schedule

import (
	"time"

	"farmwire/diff"
)

// Known is what the committed snapshot of a worker says.
type Known struct {
	Worker     diff.WorkerKey
	Open       []diff.Session // in the order of their ids
	Unresolved []diff.Session // those of the open sessions that must be looked up, because a listing lacked them
	Missed     []string       // the ids of those of the open sessions whose queue, fleet or farm is stored as missing
	Empty      bool           // the snapshot has no session, open or remembered
	ForgetDue  time.Time      // when a listing may let sessions be forgotten, by the service's clock; zero if none is absent
	OldestLook time.Time      // see diff.Snapshot.OldestLook
}

// KnownOf returns what a snapshot says.
func KnownOf(s diff.Snapshot) Known {
	return Known{
		Worker: s.Worker(), Open: s.Open(), Unresolved: s.Unresolved(), Missed: s.Missing(), Empty: s.Empty(),
		ForgetDue: s.ForgetDue(), OldestLook: s.OldestLook(),
	}
}
