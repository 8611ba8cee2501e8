package check

import "fmt"

// Kind names a way in which what was published is wrong.
type Kind string

const (
	LostStart       Kind = "lost start"
	LostEnd         Kind = "lost end"
	DuplicateID     Kind = "duplicate id"
	Hole            Kind = "hole"
	WrongOrder      Kind = "wrong order"
	InventedState   Kind = "invented state"
	FalseBound      Kind = "false bound"
	TornTransaction Kind = "torn transaction" // an event without its state, or the reverse
	AbortedRead     Kind = "aborted read"     // two events with one id and different contents, one of which should have been aborted
	FalseVanished   Kind = "false vanished"
	Resurrection    Kind = "resurrection" // something follows ended, vanished or a tombstone
	WrongPartition  Kind = "wrong partition"
	EndedDiffers    Kind = ".ended differs"
	BadEnvelope     Kind = "bad envelope"
	WrongPrevious   Kind = "wrong previous"
	FoldMismatch    Kind = "fold mismatch" // the state topic differs from the fold of the events
	BadFlag         Kind = "bad flag"      // inferred or snapshot is wrong
	WrongChange     Kind = "wrong change"  // the change has a wrong name, or an old session is called new
	FalseTombstone  Kind = "false tombstone"
	BadWatch        Kind = "bad watch"
)

// Kinds returns all kinds, in the order of a report.
func Kinds() []Kind {
	return []Kind{LostStart, LostEnd, DuplicateID, Hole, WrongOrder, InventedState, FalseBound, TornTransaction,
		AbortedRead, FalseVanished, Resurrection, WrongPartition, EndedDiffers, BadEnvelope, WrongPrevious,
		FoldMismatch, BadFlag, WrongChange, FalseTombstone, BadWatch}
}

// Anomaly is one thing that is wrong.
type Anomaly struct {
	Kind    Kind
	Session string // or the key of a record without a session
	Seen    string // what was published
	True    string // what is true
}

func (a Anomaly) String() string {
	return fmt.Sprintf("%s: %s: %s; true: %s", a.Kind, a.Session, a.Seen, a.True)
}
