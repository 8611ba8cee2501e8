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

// State is what a Poller knows of its own work. It never changes: a later call of Poller.State returns a
// newer one.
//
// While no shard is owned, everything from Discovery to OldestListing is empty, because the Poller sends no
// requests then, except those until Deadline Cloud has shown a farm.
type State struct {
	Phase       Phase
	Answered    bool   // Deadline Cloud has answered usably at least once
	FarmShown   bool   // such an answer has shown a farm, or was about one of the Config
	LastFailure Reason // why the last failed call failed; empty if Answered, or if no call has failed yet
	Shards      int    // how many are owned

	Discovery              []DiscoveryFailure // lists that could not be read the last time, by farm and fleet
	Targets                int                // how many lists discovery reads again and again: of farms, of fleets and of workers
	PendingTargets         int                // how many of them were never read completely
	Searched               bool               // there was a time at which PendingTargets was 0; what is pending now was found later
	MissingFarms           []string           // farms of the Config that the service does not find
	MissingFleets          []string           // fleets of the Config that are in none of the farms; known once PendingTargets is 0
	EmptyFarms             []string           // farms without a fleet to poll; known once PendingTargets is 0
	CredentialsRefused     bool               // by the service, or they have expired; none were accepted since
	CredentialsUnavailable bool               // they cannot be fetched now, but may be later; none were accepted since
	Failing                []Outage           // operations in use that give no usable answer, by their names
	Unlisted               []UnlistedWorker   // at most 10 of them, by worker id
	UnlistedCount          int                // all of them
	LookupsFailing         int                // workers whose sessions could not be looked up three times in a row or more
	Missing                int                // open sessions of which the service says that their queue, fleet or farm does not exist; they are looked up less and less often
	OldestListing          time.Duration      // how long ago the last complete listing of a worker began, or how long it has waited for its first; the longest of all workers that ListWorkers shows

	Watched           int           // workers that are due to be listed once in every staleness
	NeverListed       int           // of these, the ones that ListWorkers shows and that were never listed completely
	OldestNeverListed time.Duration // how long the longest of them has waited, since it was first shown
	OldestLook        time.Duration // how long ago the request was sent that last showed an open session, as committed; the longest of all
	Unasked           map[int]int   // by shard: open sessions of the snapshots of Own for which the service was not asked yet
	ListingPages      int           // pages that a listing of each watched worker takes, together
	Share             float64       // requests a second that this Poller may send
	Staleness         time.Duration // of the Config
	DiscoveryRate     float64       // requests a second that discovery takes
	ThrottledRatio    float64       // the part of the attempts in the last five minutes that was throttled

	Farms, Fleets int  // known to discovery; without those of which the service says that they do not exist
	Workers       int  // of the owned shards
	OpenSessions  int  // of those workers, as committed
	SessionSeen   bool // a listing has shown a session

	Operations map[string]Operation // by the name of the API operation; those that were never tried are left out
}

// DiscoveryFailure is a list of farms, fleets or workers that discovery could not read.
type DiscoveryFailure struct {
	FarmID    string // empty for ListFarms
	FleetID   string // empty for ListFarms and ListFleets
	Operation string // ListFarms, ListFleets or ListWorkers
	Failures  int    // in a row
	Reason    Reason // of the last one
	Pending   bool   // it was never read completely
}

// Outage is an API operation that gives no usable answer.
type Outage struct {
	Operation string
	For       time.Duration // since the first failure after its last usable answer
	Reason    Reason        // of the last failure
}

// UnlistedWorker is a worker whose last three listings or more were discarded. Its open sessions are looked
// up by BatchGetSession or GetSession.
type UnlistedWorker struct {
	diff.WorkerKey
	Failures int    // in a row
	Reason   Reason // of the last one
}

// Operation counts the attempts of one API operation since the Poller was made. Attempts that were cancelled
// are not counted. Not every failure is a fault: ReasonNotFound is also how the service says that a worker or
// a session does not exist any more.
type Operation struct {
	Answered uint64            // with status 200, and the SDK could read the answer
	Failed   map[Reason]uint64 // by the reason
}

// maxUnlisted is how many workers State.Unlisted names.
const maxUnlisted = 10

// publish sets the gauges and publishes the State. Counting the workers takes some time for large farms, so
// it is done less often.
func (l *loop) publish(now time.Time) {
	s, m := l.schedule, l.service.metrics
	m.unlisted.Set(float64(len(s.unlisted)))
	m.missing.Set(float64(s.missingSessions()))
	if l.published%countEvery == 0 {
		l.survey = s.survey(now)
		m.oldestListing.Set(l.survey.oldestListing.Seconds())
		m.workers.set(s.countWorkers())
		m.openSessions.set(s.countOpenSessions())
	}
	l.published++
	l.publishState(now)
}

// publishState publishes the State of now, except for what the survey has counted.
func (l *loop) publishState(now time.Time) {
	s := State{Phase: Polling, Shards: len(l.shards)}
	if s.Shards > 0 {
		l.addProblems(&s, now)
	}
	l.publishCounts(s)
}

// addProblems adds what cannot be observed now, and what is late.
func (l *loop) addProblems(s *State, now time.Time) {
	s.Discovery = l.schedule.discovery.failures()
	s.Targets, s.PendingTargets = len(l.schedule.discovery.targets), l.schedule.discovery.pending()
	if s.PendingTargets == 0 {
		l.searched = true
		s.MissingFleets, s.EmptyFarms = l.missingFleets(), l.emptyFarms()
	}
	s.Searched = l.searched
	s.MissingFarms = l.missingFarms()
	s.Failing = l.failing(now)
	switch l.service.budget.credentialsFailure() {
	case ReasonCredentials:
		s.CredentialsRefused = true
	case ReasonUnfetched:
		s.CredentialsUnavailable = true
	}
	s.Unlisted, s.UnlistedCount = l.unlistedWorkers(), len(l.schedule.unlisted)
	s.LookupsFailing = len(l.schedule.lookupsFailing)
	s.Missing = l.schedule.missingSessions()
	l.addLateness(s, now)
}

// publishCounts publishes a State with the counts of now. That costs little, so it is done after every
// result and command.
func (l *loop) publishCounts(s State) {
	s.Answered, s.FarmShown, s.LastFailure = l.service.answered.Load(), l.service.hasShownFarm(), l.lastFailure
	if s.Answered {
		s.LastFailure = ""
	}
	s.Farms, s.Fleets = l.schedule.discovery.farms(), l.fleetCount()
	s.SessionSeen = l.trial.sample.SessionID != ""
	s.Workers, s.OpenSessions = len(l.schedule.workers), l.schedule.openCount
	l.poller.state.Store(&s)
}

// failures returns the targets whose last call failed.
func (d *discoverySchedule) failures() []DiscoveryFailure {
	var failures []DiscoveryFailure
	for t, s := range d.targets {
		if s.failures > 0 {
			failures = append(failures, DiscoveryFailure{FarmID: t.farm, FleetID: t.fleet, Operation: t.kind().operation(), Failures: s.failures, Reason: s.reason, Pending: s.completed.IsZero()})
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
	for t, s := range d.targets {
		if t.farm != "" && s.notFound != "farm" {
			farms[t.farm] = true
		}
	}
	return len(farms)
}

// unlistedWorkers returns the workers that State names.
func (l *loop) unlistedWorkers() []UnlistedWorker {
	all := slices.SortedFunc(maps.Keys(l.schedule.unlisted), func(a, b *scheduledWorker) int {
		return strings.Compare(a.key.WorkerID, b.key.WorkerID)
	})
	var named []UnlistedWorker
	for _, w := range all[:min(len(all), maxUnlisted)] {
		named = append(named, UnlistedWorker{WorkerKey: w.key, Failures: w.listingFailures, Reason: w.failureReason})
	}
	return named
}
