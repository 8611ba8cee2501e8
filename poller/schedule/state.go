package schedule

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"farmwire/diff"
)

// Counts are what a Schedule knows without going through its workers.
type Counts struct {
	Answered     bool   // there was a usable answer
	FarmShown    bool   // such an answer has shown a farm, or was about one of the Config
	LastFailure  Reason // why the last request failed; empty if Answered, or if none has failed yet
	SessionSeen  bool   // a listing has shown a session
	Shards       int    // how many are owned
	Farms        int    // known to discovery; without those of which the service says that they do not exist
	Fleets       int    // likewise
	Workers      int    // of the owned shards
	OpenSessions int    // of those workers, as committed
	InFlight     int    // calls in flight
}

// State is what a Schedule knows of its work. While no shard is owned, everything but the Counts is empty, because nothing is
// sent then, except until Deadline Cloud has shown a farm.
type State struct {
	Counts

	Discovery              []DiscoveryFailure // lists that could not be read the last time, by farm and fleet
	Targets                int                // how many lists discovery reads again and again: of farms, of fleets and of workers
	PendingTargets         int                // how many of them were never read completely
	Searched               bool               // there was a time at which PendingTargets was 0; what is pending now was found later
	MissingFarms           []string           // farms of the Config that the service does not find
	MissingFleets          []string           // fleets of the Config that are in none of the farms; known once PendingTargets is 0
	EmptyFarms             []string           // farms without a fleet to poll; known once PendingTargets is 0
	CredentialsRefused     bool               // by the service, or they have expired; none were accepted since
	CredentialsUnavailable bool               // they cannot be fetched now, but may be later; none were accepted since
	Unlisted               []UnlistedWorker   // at most 10 of them, by worker id
	UnlistedCount          int                // all of them
	LookupsFailing         int                // workers whose sessions could not be looked up three times in a row or more
	Missing                int                // open sessions of which the service says that their queue, fleet or farm does not exist; they are looked up less and less often
	OldestListing          time.Duration      // how long ago the last listing of a worker began that was complete or stopped early, or how long it has waited for its first; the longest of all workers that ListWorkers shows

	Watched           int           // workers that are listed again and again
	NeverListed       int           // of these, the ones that ListWorkers shows and that were never listed
	OldestNeverListed time.Duration // how long the longest of them has waited, since it was first shown
	OldestLook        time.Duration // how long ago the request was sent that last showed an open session, as committed; the longest of all
	Unasked           map[int]int   // by shard: open sessions of the snapshots of Own for which the service was not asked yet
	ListingPages      int           // pages that a listing of each watched worker takes, together
	Share             float64       // requests a second that this Schedule may send
	Staleness         time.Duration // of the Config
	DiscoveryRate     float64       // requests a second that discovery takes
	DiscoveryRound    time.Duration // from one complete list of discovery to its next; the longest of them

	Strategy        Strategy // how it is decided what is asked for next
	Load            float64  // the part of Share that a listing for each start takes, of the starts that only such a listing shows; 1 and more is too much
	Starts          float64  // starts a second that were found lately
	Followed        float64  // the part of them that came within 15 s after the end of another session on the same worker
	Jobs            float64  // how many jobs are active; jobs with few starts count for less than one; 0 if no start was found lately
	Announced       int      // workers that something says have a new session, and that were not listed since
	UnannouncedSeen uint64   // starts that were found although nothing had announced them, since New
	Lost            uint64   // sessions that were announced and whose worker was deleted before it could be listed, since New

	Uses            map[Kind]bool       // the operations in use, apart from lookups
	Paces           map[Kind]float64    // requests a second that each operation may take now
	WorkersByStatus map[FleetStatus]int // the workers, by fleet and by the status that ListWorkers or BatchGetWorker last showed
	OpenByFleet     map[string]int      // the open sessions, by fleet
}

// Strategy is how it is decided what is asked for next.
type Strategy string

// The strategies.
const (
	Sweeping   Strategy = "sweeps"      // open sessions and the statuses of workers are swept, and workers are listed when something announces a new session
	RoundRobin Strategy = "round_robin" // workers are listed in turn, because the budget suffices to list all of them within a heartbeat
)

// FleetStatus is a fleet and a status of workers, which is empty if neither ListWorkers nor BatchGetWorker showed one.
type FleetStatus struct{ FleetID, Status string }

// DiscoveryFailure is a list of farms, fleets or workers that discovery could not read.
type DiscoveryFailure struct {
	FarmID    string // empty for ListFarms
	FleetID   string // empty for ListFarms and ListFleets
	Operation string // ListFarms, ListFleets or ListWorkers
	Failures  int    // in a row
	Reason    Reason // of the last one
	Pending   bool   // it was never read completely
}

// UnlistedWorker is a worker whose last three listings or more were discarded, or whose fleet fails as a whole. Its open
// sessions are looked up by BatchGetSession or GetSession.
type UnlistedWorker struct {
	diff.WorkerKey
	Failures int    // of this worker in a row; may be 0 if its fleet fails as a whole
	Reason   Reason // of the last one, of this worker or of its fleet
}

// maxUnlisted is how many workers State.Unlisted names.
const maxUnlisted = 10

// Status returns what ListWorkers or BatchGetWorker last showed of a worker. It is nil if neither did, or if the worker's shard is not owned.
func (s *Schedule) Status(key diff.WorkerKey) *diff.WorkerStatus {
	if w := s.workers[key]; w != nil {
		return w.status
	}
	return nil
}

// Counts returns what is known without going through the workers.
func (s *Schedule) Counts() Counts {
	c := Counts{
		Answered: s.answered, FarmShown: s.farmShown, LastFailure: s.lastFailure, SessionSeen: s.trial.sample.SessionID != "",
		Shards: len(s.shards), Workers: len(s.workers), OpenSessions: s.openCount, InFlight: len(s.flights),
	}
	if c.Answered {
		c.LastFailure = ""
	}
	farms := make(map[string]struct{})
	for k, t := range s.targets {
		if k.farm != "" && t.notFound != "farm" {
			farms[k.farm] = struct{}{}
		}
		if k.fleet != "" && t.notFound == "" && s.hasFound(t) {
			c.Fleets++
		}
	}
	c.Farms = len(farms)
	return c
}

// hasFound reports whether the service has shown the fleet of a target. One that the Config names may not exist.
func (s *Schedule) hasFound(t *target) bool {
	f := s.fleets[fleetKey(t.targetKey)]
	return !t.completed.IsZero() || f != nil && len(f.shown) > 0 || s.targets[targetKey{farm: t.farm}] != nil
}

// State returns what the schedule knows of its work. It takes one pass over all workers, so it is too slow to be called for each request.
func (s *Schedule) State(now time.Time) State {
	v := State{Counts: s.Counts()}
	if v.Shards == 0 {
		return v
	}
	s.addDiscovery(&v)
	s.addProblems(&v)
	s.addSurvey(&v, now)
	v.Share, v.Staleness = s.budget.share(), s.config.Staleness
	v.DiscoveryRate = min(s.discoveryRate(), v.Share/discoveryShare)
	v.Strategy, v.Load = s.strategy, s.load(now)
	v.Starts, v.Followed, v.Announced = s.starts.perSecond(now), s.followed(), s.queued[urgent]
	v.Jobs = s.jobs.active()
	v.UnannouncedSeen, v.Lost = s.unannounced, s.lost
	v.Paces = make(map[Kind]float64)
	for k := ListFarms; k < kinds; k++ {
		v.Paces[k] = s.budget.pace(k)
	}
	return v
}

// addDiscovery adds what discovery knows of itself.
func (s *Schedule) addDiscovery(v *State) {
	v.Targets, v.PendingTargets, v.Searched = len(s.targets), s.pendingTargets(), s.searched
	v.Uses = make(map[Kind]bool)
	for k, t := range s.targets {
		v.Uses[t.kind()] = true
		v.DiscoveryRound = max(v.DiscoveryRound, t.interval)
		if t.failures > 0 {
			v.Discovery = append(v.Discovery, DiscoveryFailure{FarmID: k.farm, FleetID: k.fleet, Operation: t.kind().Operation(), Failures: t.failures, Reason: t.reason, Pending: t.completed.IsZero()})
		}
	}
	slices.SortFunc(v.Discovery, func(a, b DiscoveryFailure) int {
		return cmp.Or(strings.Compare(a.FarmID, b.FarmID), strings.Compare(a.FleetID, b.FleetID))
	})
	for _, farm := range s.config.Farms {
		if s.isNotFound(targetKey{farm: farm}) {
			v.MissingFarms = append(v.MissingFarms, farm)
		}
	}
	if v.PendingTargets == 0 {
		v.MissingFleets, v.EmptyFarms = s.missingFleets(), s.emptyFarms()
	}
}

// addProblems adds what cannot be observed now.
func (s *Schedule) addProblems(v *State) {
	v.CredentialsRefused, v.CredentialsUnavailable = s.credentials == Credentials, s.credentials == Unfetched
	v.LookupsFailing = len(s.lookupsFailing)
	v.Unasked = make(map[int]int)
	for w := range s.unasked {
		v.Unasked[w.shard.number] += max(1, w.unasked())
	}
	for w := range s.missing {
		v.Missing += w.missing()
	}
}

// addSurvey adds what takes a pass over the workers.
func (s *Schedule) addSurvey(v *State, now time.Time) {
	v.WorkersByStatus, v.OpenByFleet = make(map[FleetStatus]int), make(map[string]int)
	for _, f := range s.order {
		s.addFleet(v, f, now)
	}
	v.Uses[ListSessionsForWorker] = v.Watched > 0
}

// addFleet adds the workers of a fleet.
func (s *Schedule) addFleet(v *State, f *fleet, now time.Time) {
	open, isFailing := 0, f.isFailing()
	for _, w := range f.workers {
		open += len(w.Open)
		s.addWorkerTo(v, w, isFailing, now)
	}
	for status, n := range f.byStatus {
		v.WorkersByStatus[FleetStatus{f.fleetKey.fleet, status}] += n
	}
	if len(f.workers) > 0 {
		v.OpenByFleet[f.fleetKey.fleet] += open
	}
}

// addUnlisted adds a worker that is unlisted.
func (v *State) addUnlisted(w *worker) {
	v.UnlistedCount++
	i, _ := slices.BinarySearchFunc(v.Unlisted, w, func(u UnlistedWorker, w *worker) int { return strings.Compare(u.WorkerID, w.Worker.WorkerID) })
	if i < maxUnlisted {
		u := UnlistedWorker{WorkerKey: w.Worker, Failures: int(w.listingFailures), Reason: w.reason()}
		v.Unlisted = slices.Insert(v.Unlisted[:min(len(v.Unlisted), maxUnlisted-1)], i, u)
	}
}

func (s *Schedule) addWorkerTo(v *State, w *worker, isFleetFailing bool, now time.Time) {
	if !w.OldestLook.IsZero() {
		v.OldestLook = max(v.OldestLook, now.Sub(latest(w.OldestLook, w.since)))
	}
	exists := w.presence == presenceShown && w.answer != noSuchWorker
	if exists && isFleetFailing || len(s.unlisted) > 0 && isIn(s.unlisted, w) {
		v.addUnlisted(w)
	}
	if exists || w.isActive() {
		v.Watched++
		v.ListingPages += max(1, int(w.lastPages))
	}
	switch {
	case !exists:
	case w.listedAt.IsZero():
		waited := now.Sub(w.since)
		v.NeverListed++
		v.OldestNeverListed = max(v.OldestNeverListed, waited)
		v.OldestListing = max(v.OldestListing, waited)
	default:
		v.OldestListing = max(v.OldestListing, now.Sub(w.listedAt))
	}
}

// reason returns why a worker is unlisted.
func (w *worker) reason() Reason {
	if sc := w.fleet.first((*scope).isOpen); sc != nil && w.failureReason == "" {
		return sc.reason
	}
	return w.failureReason
}

// pendingTargets counts the targets that were never listed completely.
func (s *Schedule) pendingTargets() int {
	n := 0
	for _, t := range s.targets {
		if t.completed.IsZero() {
			n++
		}
	}
	return n
}

// isNotFound reports whether the last lists of a target were answered with "not found".
func (s *Schedule) isNotFound(k targetKey) bool {
	t := s.targets[k]
	return t != nil && t.failures >= failingAfter && t.reason == ResourceNotFound
}

// missingFleets returns the fleets of the Config that discovery has not found, or not any more.
func (s *Schedule) missingFleets() []string {
	var missing []string
	for _, id := range s.config.Fleets {
		found := false
		for k := range s.targets {
			found = found || k.fleet == id && !s.isNotFound(k) && s.fleets[fleetKey(k)] != nil
		}
		if !found {
			missing = append(missing, id)
		}
	}
	return missing
}

// emptyFarms returns the farms in which there is no fleet. If the Config names fleets, it is none.
func (s *Schedule) emptyFarms() []string {
	if len(s.config.Fleets) > 0 {
		return nil
	}
	fleets := make(map[string]int)
	for k := range s.targets {
		if k.farm != "" {
			fleets[k.farm] += 0
		}
		if k.fleet != "" {
			fleets[k.farm]++
		}
	}
	var empty []string
	for farm, n := range fleets {
		if n == 0 {
			empty = append(empty, farm)
		}
	}
	slices.Sort(empty)
	return empty
}

// discoveryRate returns the requests a second that discovery takes if every list is read once in its pause.
func (s *Schedule) discoveryRate() (rate float64) {
	for _, g := range s.targets {
		rate += float64(max(1, g.pages)) / s.discoveryPause(g).Seconds()
	}
	return rate
}
