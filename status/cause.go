package status

import (
	"cmp"
	"slices"
	"strings"
)

// Severity is what a cause means for the instance.
type Severity int

const (
	Unready Severity = iota // the instance is not ready because of it
	Warning                 // something is late or fails, and the instance is ready all the same
	Note                    // worth knowing; nothing is wrong
)

// Kind is what a cause is about.
type Kind string

// The kinds of causes, in the order in which they are told.
const (
	KindStage           Kind = "stage"
	KindGroup           Kind = "group"
	KindShard           Kind = "shard"
	KindCommit          Kind = "commit"
	KindUnasked         Kind = "unasked sessions"
	KindLeaderless      Kind = "partition without a leader"
	KindPolling         Kind = "polling"
	KindAnswer          Kind = "answer"
	KindCredentials     Kind = "credentials"
	KindOutage          Kind = "outage"
	KindFarms           Kind = "farms"
	KindMissingFarm     Kind = "missing farm"
	KindMissingFleet    Kind = "missing fleet"
	KindEmptyFarm       Kind = "empty farm"
	KindPending         Kind = "pending discovery"
	KindDiscovery       Kind = "discovery"
	KindUnlisted        Kind = "unlisted worker"
	KindLookups         Kind = "lookups"
	KindLookupsDenied   Kind = "denied lookups"
	KindMissingSessions Kind = "missing sessions"
	KindNeverListed     Kind = "never listed"
	KindTooLow          Kind = "rate too low"
	KindThrottled       Kind = "throttled"
	KindWatermarks      Kind = "watermarks"

	// Of a trigger.
	KindTarget     Kind = "target"
	KindFull       Kind = "too many held back"
	KindGivenUp    Kind = "given up in a row"
	KindDeadLetter Kind = "dead-letter topic"
)

// Key identifies a cause for as long as it lasts, while the numbers in its text change.
type Key struct {
	Kind Kind
	Of   string // the shard, partition, farm or fleet, or the operation and why it fails; "" if it is about none
}

// Cause is one thing that an operator should know.
type Cause struct {
	Key
	Severity Severity
	Progress bool // it is part of every start and hand-over, and passes by itself if all goes well
	Unnamed  bool // another cause counts it, because there are many of its kind
	Text     string
}

// Line returns the text as /readyz shows it.
func (c Cause) Line() string {
	switch c.Severity {
	case Warning:
		return "warning: " + c.Text
	case Note:
		return "note: " + c.Text
	}
	return c.Text
}

// maxNamed is how many causes of one kind are named.
const maxNamed = 10

// facts are what an instance reports of itself: a [Report] or a [Trigger].
type facts interface {
	causes() []Cause // all, in the order of their kinds
}

// Causes returns everything that keeps the instance from being ready, and then what is late or fails without doing so. There
// is at most one for each key, and a bounded number of each kind.
func (r Report) Causes() []Cause { return named(r) }

// Ready reports whether none of the causes keeps the instance from being ready.
func (r Report) Ready() bool { return ready(r) }

// Text returns what /readyz answers: "ready" if the instance is, and then a line for each cause.
func (r Report) Text() string { return text(r) }

// named returns the causes by their severity, without those that others count.
func named(f facts) []Cause {
	return slices.DeleteFunc(bySeverity(f), func(c Cause) bool { return c.Unnamed })
}

// bySeverity returns all causes by their severity.
func bySeverity(f facts) []Cause {
	causes := f.causes()
	slices.SortStableFunc(causes, func(a, b Cause) int { return cmp.Compare(a.Severity, b.Severity) })
	return causes
}

func ready(f facts) bool {
	return !slices.ContainsFunc(f.causes(), func(c Cause) bool { return c.Severity == Unready })
}

func text(f facts) string {
	var lines []string
	causes := named(f)
	if len(causes) == 0 || causes[0].Severity != Unready {
		lines = append(lines, "ready")
	}
	for _, c := range causes {
		lines = append(lines, c.Line())
	}
	return strings.Join(lines, "\n") + "\n"
}
