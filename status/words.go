package status

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Unready returns what keeps the instance from being ready, in one line for each cause. It returns nothing if the instance
// is ready.
func (r Report) Unready() []string {
	switch r.Stage {
	case OpeningTopics:
		return []string{"the topics are being opened"}
	case Initializing:
		return append([]string{"the state topic is initialized as soon as Deadline Cloud has answered"}, r.Polling.unready()...)
	}
	return append(r.unreadyShards(), r.Polling.unready()...)
}

func (r Report) unreadyShards() []string {
	if len(r.Shards) == 0 {
		return []string{"the consumer group has assigned no shard to this instance"}
	}
	var lines []string
	for _, s := range slices.SortedFunc(slices.Values(r.Shards), func(a, b Shard) int { return cmp.Compare(a.Number, b.Number) }) {
		switch s.State {
		case Acquiring:
			lines = append(lines, fmt.Sprintf("shard %d is being acquired", s.Number))
		case Waiting:
			lines = append(lines, fmt.Sprintf("shard %d waits to be acquired again: %v", s.Number, s.Err))
		}
	}
	return lines
}

func (p Polling) unready() []string {
	switch {
	case p.Phase == NotStarted:
		return []string{"polling has not started"}
	case p.Phase == Ended:
		return []string{"polling has ended"}
	case !p.Answered && p.Targets == 0 && p.LastFailure != "":
		return []string{"Deadline Cloud has not answered yet: " + words(p.LastFailure)}
	case !p.Answered && p.Targets == 0:
		return []string{"Deadline Cloud has not answered yet"}
	}
	lines := failures(p.Discovery)
	switch {
	case p.PendingTargets > 0:
		lines = append(lines, fmt.Sprintf("%d of %d lists of farms, fleets and workers have not been read yet", p.PendingTargets, p.Targets))
	default:
		for _, fleet := range p.MissingFleets {
			lines = append(lines, fmt.Sprintf("fleet %s is in none of the farms", fleet))
		}
	}
	if p.CredentialsRefused {
		lines = append(lines, "the credentials are refused")
	}
	lines = append(lines, failures(p.Unlisted)...)
	if more := p.UnlistedCount - len(p.Unlisted); more > 0 {
		lines = append(lines, fmt.Sprintf("%d more workers cannot be listed", more))
	}
	if p.LookupsFailing > 0 {
		lines = append(lines, fmt.Sprintf("the sessions of %d workers cannot be looked up", p.LookupsFailing))
	}
	return lines
}

// failures returns a line for each failure, sorted.
func failures(all []Failure) []string {
	lines := make([]string, len(all))
	for i, f := range all {
		lines[i] = fmt.Sprintf("%s failed %s in a row: %s", f.subject(), times(f.Failures), words(f.Reason))
	}
	slices.Sort(lines)
	return lines
}

// subject names the request that failed.
func (f Failure) subject() string {
	var of []string
	for _, part := range []struct{ name, id string }{{"farm", f.FarmID}, {"fleet", f.FleetID}, {"worker", f.WorkerID}} {
		if part.id != "" {
			of = append(of, part.name+" "+part.id)
		}
	}
	if len(of) == 0 {
		return f.Operation
	}
	return f.Operation + " of " + strings.Join(of, ", ")
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// words makes a reason readable. Reasons are values of labels too, and so have no blanks.
func words(reason string) string { return strings.ReplaceAll(reason, "_", " ") }

// WriteSummary writes what was seen and how the requests went, for the end of a dry run.
func (p Polling) WriteSummary(w io.Writer) error {
	_, err := fmt.Fprintf(w, "Seen: %s, %s, %s, %s.\n", number(p.Farms, "farm"), number(p.Fleets, "fleet"), number(p.Workers, "worker"), number(p.OpenSessions, "open session"))
	for _, name := range slices.Sorted(maps.Keys(p.Operations)) {
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "  %-22s %s\n", name, p.Operations[name])
	}
	return err
}

func number(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// String says how often the operation was answered, and how often it failed for each reason.
func (o Operation) String() string {
	if o.Answered == 0 && len(o.Failed) == 0 {
		return "not tried"
	}
	text := fmt.Sprintf("answered %d", o.Answered)
	for _, reason := range slices.Sorted(maps.Keys(o.Failed)) {
		text += fmt.Sprintf(", %s %d", words(reason), o.Failed[reason])
	}
	return text
}
