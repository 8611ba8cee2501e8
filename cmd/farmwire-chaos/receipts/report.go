package receipts

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

// Kind is a way in which a trigger can be wrong.
type Kind string

// The kinds.
const (
	Lost        Kind = "lost"                  // neither delivered nor in the dead-letter topic
	Invented    Kind = "invented"              // delivered or given up, but never written
	Uncommitted Kind = "uncommitted"           // delivered or given up, but its transaction was aborted
	Changed     Kind = "changed"               // the attributes or the body are not those that were written
	BadRequest  Kind = "bad request"           // such as a wrong signature
	OutOfOrder  Kind = "out of order"          // tried before the event that precedes it in its session was done
	NoLetter    Kind = "dead letter missing"   // of an event that was always refused
	WrongLetter Kind = "dead letter too early" // of an event that was not always refused, or not often enough
	BadLetter   Kind = "wrong dead letter"     // its reason, its attempts or its content
	Skipped     Kind = "skipped"               // the group has committed an offset behind an event that was not done
)

// Anomaly is one thing that is wrong.
type Anomaly struct {
	Kind Kind
	ID   string // of the event
	Text string
}

// String says all of it.
func (a Anomaly) String() string { return fmt.Sprintf("%s: %s: %s", a.Kind, a.ID, a.Text) }

// Counts are the figures of a group.
type Counts struct {
	Events    int // committed and to be delivered
	Aborted   int // events of transactions that were aborted
	Requests  int
	Answers   map[Answer]int
	Delivered int // events that were answered with yes
	Repeats   int // requests for an event after the first yes to it
	Letters   int // events in the dead-letter topic
	Copies    int // records of the dead-letter topic beyond the first of an event
	Senders   int // processes that sent anything
	Moves     int // how often a partition's requests came from another process than those before
	Followers int // events that had to wait for another one of their session
	Looks     int // at committed offsets
}

// Report is the result of a check.
type Report struct {
	Counts    Counts
	Anomalies []Anomaly
}

// Print prints the counts, and so many anomalies of each kind.
func (r *Report) Print(out io.Writer, name string, each int) {
	c := r.Counts
	fmt.Fprintf(out, "%s: %d events (and %d of aborted transactions), %d of them behind another of their session\n",
		name, c.Events, c.Aborted, c.Followers)
	fmt.Fprintf(out, "%s: %d requests of %d processes, %d of them repeats after a yes; a partition moved to another process %d times; "+
		"%d looks at committed offsets\n", name, c.Requests, c.Senders, c.Repeats, c.Moves, c.Looks)
	fmt.Fprintf(out, "%s: answers:", name)
	for _, a := range []Answer{Yes, No, Taken, Away} {
		fmt.Fprintf(out, " %s %d", a, c.Answers[a])
	}
	fmt.Fprintf(out, "; delivered %d, dead letters %d (and %d copies of them); anomalies %d\n",
		c.Delivered, c.Letters, c.Copies, len(r.Anomalies))
	kinds := map[Kind][]Anomaly{}
	for _, a := range r.Anomalies {
		kinds[a.Kind] = append(kinds[a.Kind], a)
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(out, "  %s: %d\n", kind, len(kinds[kind]))
		for _, a := range kinds[kind][:min(each, len(kinds[kind]))] {
			fmt.Fprintln(out, "    ", a)
		}
	}
}
