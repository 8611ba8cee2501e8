package poller

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"farmwire/diff"
)

// Phase is where a Poller is in its life.
type Phase int

// The phases, in their order.
const (
	NotStarted Phase = iota // Run was not called yet
	Polling
	Ended // Run has returned
)

// State is what a Poller knows of its own work. It never changes: a later call of Poller.State returns
// a newer one. While no shard is owned, the Poller asks for nothing once Deadline Cloud has answered,
// and everything from Discovery to OldestListing is empty.
type State struct {
	Phase    Phase
	Answered bool   // Deadline Cloud has answered usably at least once
	Refusal  Reason // why the last call failed; empty if Answered, or if none has failed yet
	Shards   int    // how many are owned

	Discovery          []DiscoveryFailure // what discovery last failed to list, by farm and fleet
	Searches           int                // how many lists discovery asks for: of farms, of fleets and of workers
	Unsearched         int                // how many of them were never listed completely
	MissingFleets      []string           // fleets of the Config that are in none of the farms; known once Unsearched is 0
	CredentialsRefused bool               // within the last seconds; all requests pause for some seconds after that
	Unlisted           []UnlistedWorker   // at most 10, by worker id
	UnlistedCount      int                // how many there are
	LookupsFailing     int                // workers whose sessions could not be looked up three times in a row
	OldestListing      time.Duration      // the age of the oldest last complete listing among the workers that ListWorkers shows

	Farms, Fleets int // known to discovery
	Workers       int // of the owned shards
	OpenSessions  int // of those workers, as committed

	Operations map[string]Operation // by the name of the API operation; those that were never tried are left out
}

// DiscoveryFailure is a list of farms, fleets or workers that could not be read.
type DiscoveryFailure struct {
	FarmID    string // empty for ListFarms
	FleetID   string // empty for ListFarms and ListFleets
	Operation string // ListFarms, ListFleets or ListWorkers
	Failures  int    // in a row
	Reason    Reason // of the last one
}

// UnlistedWorker is a worker whose last three listings or more were discarded. Its open sessions are
// looked up one by one.
type UnlistedWorker struct {
	diff.WorkerKey
	Failures int    // in a row
	Reason   Reason // of the last one
}

// Operation counts the attempts of one API operation. Attempts that were cancelled are not counted. A
// refusal is not always a lack of permission: ReasonNotFound is also how the service says that a worker or a
// session does not exist any more.
type Operation struct {
	Answered uint64
	Failed   map[Reason]uint64 // by the reason
}

// maxUnlisted is how many workers State.Unlisted names.
const maxUnlisted = 10

// publishState publishes the State of now.
func (l *loop) publishState(now time.Time) {
	s := State{Phase: Polling, Shards: len(l.shards)}
	if s.Shards > 0 {
		l.addProblems(&s, now)
	}
	l.publishCounts(s)
}

// addProblems adds what cannot be observed, and the age of the listings.
func (l *loop) addProblems(s *State, now time.Time) {
	s.Discovery = l.schedule.discovery.failures()
	s.Searches, s.Unsearched = len(l.schedule.discovery.targets), l.schedule.discovery.unsearched()
	if s.Unsearched == 0 {
		s.MissingFleets = l.missingFleets()
	}
	s.CredentialsRefused = l.service.budget.isPaused(now)
	s.Unlisted, s.UnlistedCount = l.unlistedWorkers(), len(l.schedule.unlisted)
	s.LookupsFailing = len(l.schedule.lookupsFailing)
	s.OldestListing = l.oldest
}

// publishCounts publishes a State with the counts of now. They cost little, so that they can be published after every
// result.
func (l *loop) publishCounts(s State) {
	s.Answered, s.Refusal = l.service.hasAnswered(), l.refusal
	if s.Answered {
		s.Refusal = ""
	}
	s.Farms, s.Fleets = l.schedule.discovery.farms(), len(l.directory.fleets)
	s.Workers, s.OpenSessions = len(l.schedule.workers), l.schedule.openCount
	l.poller.state.Store(&s)
}

// failures returns the targets whose last call failed.
func (d *discoverySchedule) failures() []DiscoveryFailure {
	var failures []DiscoveryFailure
	for t, s := range d.targets {
		if s.failures > 0 {
			failures = append(failures, DiscoveryFailure{FarmID: t.farm, FleetID: t.fleet, Operation: t.kind().operation(), Failures: s.failures, Reason: s.reason})
		}
	}
	slices.SortFunc(failures, func(a, b DiscoveryFailure) int {
		return cmp.Or(strings.Compare(a.FarmID, b.FarmID), strings.Compare(a.FleetID, b.FleetID))
	})
	return failures
}

// farms returns how many farms are known.
func (d *discoverySchedule) farms() int {
	farms := make(map[string]bool)
	for t := range d.targets {
		if t.farm != "" {
			farms[t.farm] = true
		}
	}
	return len(farms)
}

// missingFleets returns the fleets of the configuration that discovery has not found.
func (l *loop) missingFleets() []string {
	var fleets []string
	for _, fleet := range l.poller.config.Fleets {
		if l.directory.fleets[fleet] == nil {
			fleets = append(fleets, fleet)
		}
	}
	return fleets
}

// unlistedWorkers returns the workers that State names.
func (l *loop) unlistedWorkers() []UnlistedWorker {
	all := slices.SortedFunc(maps.Keys(l.schedule.unlisted), func(a, b *scheduledWorker) int {
		return strings.Compare(a.key.WorkerID, b.key.WorkerID)
	})
	var named []UnlistedWorker
	for _, e := range all[:min(len(all), maxUnlisted)] {
		named = append(named, UnlistedWorker{WorkerKey: e.key, Failures: e.listingFailures, Reason: e.failureReason})
	}
	return named
}
