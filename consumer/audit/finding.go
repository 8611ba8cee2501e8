package audit

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
)

// Kind is what is wrong.
type Kind string

// The kinds of findings, the gravest first. Their order is that in which a report names them.
const (
	Recreated        Kind = "topic recreated"           // a topic has fewer records than Farmwire has written
	AnchorDiffers    Kind = "anchor differs"            // a checkpoint that was kept elsewhere is not of this log
	SignatureInvalid Kind = "signature invalid"         // a checkpoint has no valid signature of a known key
	CheckpointWrong  Kind = "checkpoint wrong"          // a checkpoint says something else than its heartbeat
	ChainDiffers     Kind = "chain differs"             // events were changed, or a heartbeat was
	EventMissing     Kind = "event missing"             // the log has no event with an index
	IndexTwice       Kind = "index used twice"          // two events have one index
	EventBeyond      Kind = "event beyond the log"      // the shard never wrote an event with the index
	EventUnlogged    Kind = "event without index"       // although the partition has events with an index before it
	CoverageDiffers  Kind = "coverage chain differs"    // coverage records were changed
	CoverageMissing  Kind = "coverage record missing"   // a number is left out
	CoverageTwice    Kind = "coverage record twice"     // a number is used twice
	LogStateWrong    Kind = "stored log wrong"          // the state topic has no chain of a log, or not that of the events
	SequenceMissing  Kind = "sequence missing"          // the events of a session leave a number out
	SequenceTwice    Kind = "sequence twice"            // an event of a session has a number that is used up
	AfterEnd         Kind = "event after the end"       // a session has an event after ended or vanished
	PreviousDiffers  Kind = "previous differs"          // from the session of the event before
	OrderWrong       Kind = "order wrong"               // events of a shard are not in the order of their indexes
	WrongPartition   Kind = "wrong partition"           // a record is not in the partition of its key, or of its shard
	Malformed        Kind = "malformed record"          // a record breaks the wire form
	Unknown          Kind = "unknown record"            // a newer version of Farmwire wrote it
	CopyMissing      Kind = "copy missing"              // an ended event has no copy in the ended topic
	CopyWrong        Kind = "copy wrong"                // the ended topic has a record that is no copy, or not in the order of its shard
	StateMissing     Kind = "state of session missing"  // a session is open by its events, and not by the state topic
	StateWrong       Kind = "state of session differs"  // the state topic does not say of an open session what its newest event says
	StateInvented    Kind = "state of session invented" // a session is open by the state topic, and not by its events
)

var kinds = []Kind{Recreated, AnchorDiffers, SignatureInvalid, CheckpointWrong, ChainDiffers, EventMissing, IndexTwice, EventBeyond,
	EventUnlogged, CoverageDiffers, CoverageMissing, CoverageTwice, LogStateWrong, SequenceMissing, SequenceTwice, AfterEnd,
	PreviousDiffers, OrderWrong, WrongPartition, Malformed, Unknown, CopyMissing, CopyWrong, StateMissing, StateWrong, StateInvented}

// none stands for a shard, an index, a partition or an offset that a finding does not have.
const none = -1

// Finding is something that is wrong with the topics.
type Finding struct {
	Kind      Kind
	Shard     int    // -1 if it concerns no shard
	Index     int64  // in the log of the shard, or the number of a coverage record; -1 if it concerns none
	Topic     string // "" if it concerns no single record, as the next two
	Partition int32
	Offset    int64
	Session   string // the id; "" if it concerns no session
	Text      string // a sentence that says what is wrong
}

// place returns a finding about a record.
func place(kind Kind, at where, format string, args ...any) Finding {
	return Finding{Kind: kind, Shard: none, Index: none, Topic: at.topic, Partition: at.partition, Offset: at.offset, Text: fmt.Sprintf(format, args...)}
}

// about returns a finding about a shard. The index may be none.
func about(kind Kind, shard int, index int64, format string, args ...any) Finding {
	return Finding{Kind: kind, Shard: shard, Index: index, Partition: none, Offset: none, Text: fmt.Sprintf(format, args...)}
}

// where is the place of a record.
type where struct {
	topic     string
	partition int32
	offset    int64
}

// mostKept is how many findings of a kind a report holds. The others are counted.
const mostKept = 100

// findings collects what was found. Its methods may be called by several goroutines.
type findings struct {
	mu     sync.Mutex
	counts map[Kind]uint64
	kept   map[Kind][]Finding
}

func newFindings() *findings {
	return &findings{counts: make(map[Kind]uint64), kept: make(map[Kind][]Finding)}
}

func (f *findings) add(found Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[found.Kind]++
	if len(f.kept[found.Kind]) < mostKept {
		f.kept[found.Kind] = append(f.kept[found.Kind], found)
	}
}

// sorted returns the findings that are kept, the gravest kinds first.
func (f *findings) sorted() (all []Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, kind := range kinds {
		of := f.kept[kind]
		slices.SortStableFunc(of, func(a, b Finding) int {
			return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Index, b.Index), cmp.Compare(a.Topic, b.Topic),
				cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
		})
		all = append(all, of...)
	}
	return all
}
