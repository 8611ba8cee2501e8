package check

import "fmt"

// Kind names a way in which what was published is wrong.
type Kind string

// The kinds of anomalies.
const (
	LostStart       Kind = "lost start"       // no event has the start of a session
	LostEnd         Kind = "lost end"         // no event has the end of a session
	DuplicateID     Kind = "duplicate id"     // two events have the same ce_id
	Hole            Kind = "hole"             // the sequence of a session lacks a number
	WrongOrder      Kind = "wrong order"      // the states of a session are not in the order in which they were shown
	InventedState   Kind = "invented state"   // the session never had the state
	FalseBound      Kind = "false bound"      // the service did not begin to show the change within the bounds
	TornTransaction Kind = "torn transaction" // an event without its state, or the reverse
	AbortedRead     Kind = "aborted read"     // two events with one id and different contents, one of which should have been aborted
	FalseVanished   Kind = "false vanished"   // the service still knew the session
	Resurrection    Kind = "resurrection"     // something follows ended, vanished or a tombstone
	WrongPartition  Kind = "wrong partition"  // the partition is not that of the key or, in the state topic, of the worker
	EndedDiffers    Kind = ".ended differs"   // the ended topic is not a copy of the ended events
	BadEnvelope     Kind = "bad envelope"     // the key, a header or the form of the value is wrong
	WrongPrevious   Kind = "wrong previous"   // previous is not the session of the event before
	FoldMismatch    Kind = "fold mismatch"    // the state topic differs from the fold of the events
	BadFlag         Kind = "bad flag"         // inferred or snapshot is wrong
	WrongChange     Kind = "wrong change"     // the change has a wrong name, or an old session is called new
	FalseTombstone  Kind = "false tombstone"  // a session was forgotten too early
	BadWatch        Kind = "bad watch"        // a watch record lacks a fleet, or its time is wrong

	LogIndex       Kind = "log index"       // an index of a shard's log is missing, comes twice, or is in another shard's log
	LogHead        Kind = "log head"        // a heartbeat or a state record says something else of a log than its records
	CoverageNumber Kind = "coverage number" // a number of a shard's coverage records is missing or comes twice
	BadCoverage    Kind = "bad coverage"    // the key, a header or the form of a coverage record is wrong
	FalseWatermark Kind = "false watermark" // no request at the watermark or later was answered about something that it claims
	Unpublished    Kind = "unpublished"     // the service showed a change at the watermark that is not in the log below log.size
	OldWatermark   Kind = "old watermark"   // nothing fails, and the watermark is old all the same
	WatermarkBack  Kind = "watermark back"  // a watermark is older than in the heartbeat before
	MissingGap     Kind = "missing gap"     // something could not be looked at, and no gap says so
	FalseGap       Kind = "false gap"       // a gap covers an answer
	BadGap         Kind = "bad gap"         // a gap is opened or closed twice, or never, or its number is wrong
)

// Kinds returns all kinds, in the order of a report.
func Kinds() []Kind {
	return []Kind{LostStart, LostEnd, DuplicateID, Hole, WrongOrder, InventedState, FalseBound, TornTransaction,
		AbortedRead, FalseVanished, Resurrection, WrongPartition, EndedDiffers, BadEnvelope, WrongPrevious,
		FoldMismatch, BadFlag, WrongChange, FalseTombstone, BadWatch,
		LogIndex, LogHead, CoverageNumber, BadCoverage, FalseWatermark, Unpublished, OldWatermark, WatermarkBack,
		MissingGap, FalseGap, BadGap}
}

// Anomaly is one thing that is wrong.
type Anomaly struct {
	Kind    Kind
	Session string // or the key of a record without a session
	Seen    string // what was published
	True    string // what is true
}

// String is a line of the report.
func (a Anomaly) String() string {
	return fmt.Sprintf("%s: %s: %s; true: %s", a.Kind, a.Session, a.Seen, a.True)
}
