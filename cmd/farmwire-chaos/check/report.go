package check

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// keptAnomalies limits how many anomalies of each kind are kept. All are counted.
const keptAnomalies = 1000

// Report is what a check found.
type Report struct {
	Counts    Counts
	Anomalies []Anomaly    // at most 1000 of each kind
	Found     map[Kind]int // how many there are of each kind
}

// Counts says what was checked, to tell a clean outcome from an empty input.
type Counts struct {
	Sessions, EndedBeforeWatch  int // true sessions, and those of them that ended before the watch began
	StartsDue, StartsFound      int
	EndsDue, EndsFound          int
	Unseen                      int // sessions and ends that could not be known
	HardlyShown                 int // sessions that could be seen for long enough, but were in no complete listing or barely in one
	Events, Ended, StateRecords int // records read
	Snapshots, Inferred         int
	Vanished, Tombstones        int
	States, Bounds, Previous    int // compared
	Envelopes, Partitions       int
	Folds, StatesOfEvents       int // last state records that equal last events; state records compared with their events
	EndedCopies, Watches        int
	StaleReads                  bool

	Logged, Heads                      int            // events in the logs of the shards; heads that records name
	Coverage, Heartbeats, WatchRecords int            // records of .coverage
	Gaps                               map[string]int // by reason
	Looks, Claims, Fresh               int            // requests that watermarks demand; sessions that watermarks speak of; heartbeats while nothing fails
	Outages, Absences, DeletedWorkers  int            // what gaps are demanded for
}

func (c *Counts) addGap(reason string) {
	if c.Gaps == nil {
		c.Gaps = map[string]int{}
	}
	c.Gaps[reason]++
}

func (r *Report) add(a Anomaly) {
	if r.Found == nil {
		r.Found = map[Kind]int{}
	}
	r.Found[a.Kind]++
	if r.Found[a.Kind] <= keptAnomalies {
		r.Anomalies = append(r.Anomalies, a)
	}
}

// Total is the number of anomalies.
func (r *Report) Total() int {
	n := 0
	for k := range maps.Values(r.Found) {
		n += k
	}
	return n
}

// Print writes the counts, then the anomalies, at most the given number of each kind.
func (r *Report) Print(w io.Writer, each int) error {
	c := r.Counts
	stale := ""
	if c.StaleReads {
		stale = " (stale reads: only starts, ends and targets are compared with the truth)"
	}
	_, err := fmt.Fprintf(w, `checked%s
  true sessions %d, ended before the watch %d; could not be known %d
  starts %d of %d due, ends %d of %d due, vanished %d
  events %d (snapshot %d, inferred %d), .ended %d, .state %d (tombstones %d, watch %d)
  states %d, bounds %d, previous %d, envelopes %d, partitions %d
  state = event %d, last state = last event %d, .ended copies %d
`, stale, c.Sessions, c.EndedBeforeWatch, c.Unseen,
		c.StartsFound, c.StartsDue, c.EndsFound, c.EndsDue, c.Vanished,
		c.Events, c.Snapshots, c.Inferred, c.Ended, c.StateRecords, c.Tombstones, c.Watches,
		c.States, c.Bounds, c.Previous, c.Envelopes, c.Partitions,
		c.StatesOfEvents, c.Folds, c.EndedCopies)
	if err == nil && c.HardlyShown > 0 {
		_, err = fmt.Fprintf(w, "  never or only just shown, and not published: %d\n", c.HardlyShown)
	}
	if err == nil && c.Coverage > 0 {
		err = r.printCoverage(w)
	}
	if err != nil {
		return err
	}
	return r.printAnomalies(w, each)
}

func (r *Report) printCoverage(w io.Writer) error {
	c := r.Counts
	gaps := 0
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(c.Gaps)) {
		gaps += c.Gaps[reason]
		reasons = append(reasons, fmt.Sprintf("%s %d", reason, c.Gaps[reason]))
	}
	_, err := fmt.Fprintf(w, `  .coverage %d: heartbeats %d, watches %d, gaps %d (%s)
  events in logs %d, heads %d; requests at watermarks %d, sessions at watermarks %d, heartbeats while nothing failed %d
  gaps due: outages %d, absences %d, deleted workers %d
`, c.Coverage, c.Heartbeats, c.WatchRecords, gaps, strings.Join(reasons, ", "),
		c.Logged, c.Heads, c.Looks, c.Claims, c.Fresh, c.Outages, c.Absences, c.DeletedWorkers)
	return err
}

func (r *Report) printAnomalies(w io.Writer, each int) error {
	if r.Total() == 0 {
		_, err := fmt.Fprintln(w, "anomalies 0")
		return err
	}
	if _, err := fmt.Fprintf(w, "anomalies %d\n", r.Total()); err != nil {
		return err
	}
	for _, k := range Kinds() {
		if r.Found[k] == 0 {
			continue
		}
		if _, err := fmt.Fprintf(w, "  %s: %d\n", k, r.Found[k]); err != nil {
			return err
		}
		shown := 0
		for _, a := range r.Anomalies {
			if a.Kind != k || shown == each {
				continue
			}
			shown++
			if _, err := fmt.Fprintf(w, "    %s: %s\n      true: %s\n", a.Session, a.Seen, a.True); err != nil {
				return err
			}
		}
	}
	return nil
}

// Has reports whether there is an anomaly of one of the kinds.
func (r *Report) Has(kinds ...Kind) bool {
	return slices.ContainsFunc(kinds, func(k Kind) bool { return r.Found[k] > 0 })
}
