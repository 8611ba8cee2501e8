package poller

import (
	"slices"
	"time"

	"farmwire/diff"
)

// committedSessions is what the committed snapshot of a worker says about whom to ask.
type committedSessions struct {
	open       []diff.Session
	unresolved []diff.Session // open sessions that must be looked up
	empty      bool           // the snapshot knows no session
}

func committedSessionsOf(s diff.Snapshot) committedSessions {
	return committedSessions{open: s.Open(), unresolved: s.Unresolved(), empty: s.Empty()}
}

// presence says whether discovery shows a worker.
type presence int

const (
	presenceUnknown presence = iota // no ListWorkers of its fleet was complete yet
	presenceShown
	presenceMissing // from the last complete ListWorkers
)

// activity is what is being done about a worker.
type activity int

const (
	resting            activity = iota // it may be asked about
	inCall                             // it is being asked about
	uncommittedListing                 // it was listed, and the observation is not committed yet
	uncommittedLookup                  // its sessions were looked up, and the observation is not committed yet
	dropped                            // it has left the schedule, and answers about it are ignored
)

// listingAnswer is how the service last answered the listing of a worker.
type listingAnswer int

const (
	notListed listingAnswer = iota
	listed
	noSuchWorker
)

// urgency says how soon a worker is to be listed.
type urgency int

const (
	routine urgency = iota
	urgent          // something has changed since the last listing began
)

// scheduledWorker is one worker of the schedule.
type scheduledWorker struct {
	key   diff.WorkerKey
	shard int
	committedSessions

	status    *diff.WorkerStatus // as ListWorkers last showed it; nil if it never did
	presence  presence
	activity  activity
	urgency   urgency
	answer    listingAnswer
	staggered bool // its listings have drifted apart from those of workers that were first listed with it

	listingBegun    time.Time // the last listing
	listedAt        time.Time // when the last complete listing began
	listingDue      time.Time // the next listing, unless urgent
	listingFailures int       // in a row
	failureReason   Reason    // of the last one of them
	lastPages       int       // of the last complete listing; 0 if there was none
	endlessListings int       // listings since then that had too many pages

	lookedUpAt     map[string]time.Time // when a session was last looked up, by session id
	lookupFailures int                  // lookups in a row that failed as a whole
	nextLookup     time.Time            // no lookup begins before

	listingPlace place
	lookupPlace  place
}

func newScheduledWorker(w diff.WorkerKey, shard int, now time.Time) *scheduledWorker {
	e := &scheduledWorker{key: w, shard: shard, listingDue: now, lookedUpAt: make(map[string]time.Time)}
	e.listingPlace.worker, e.lookupPlace.worker = e, e
	return e
}

// isBusy reports whether the worker is being asked about, or has an observation that is not committed.
func (e *scheduledWorker) isBusy() bool {
	return e.activity != resting && e.activity != dropped
}

// isUncommitted reports whether the worker has an observation that is not committed.
func (e *scheduledWorker) isUncommitted() bool {
	return e.activity == uncommittedListing || e.activity == uncommittedLookup
}

// isDueAtOnce reports whether the worker is to be listed before those whose time has come.
func (e *scheduledWorker) isDueAtOnce() bool {
	return e.urgency == urgent && e.listingFailures == 0
}

// isActive reports whether the worker goes before idle ones.
func (e *scheduledWorker) isActive() bool {
	return len(e.open) > 0 && e.answer != noSuchWorker && e.listingFailures < failingAfter
}

// isRetired reports whether a listing of the worker can only show that its sessions may be forgotten:
// discovery does not show it, and either the service says that it does not exist or none of its sessions
// is open.
func (e *scheduledWorker) isRetired() bool {
	return e.presence != presenceShown && (e.answer == noSuchWorker || e.presence == presenceMissing && len(e.open) == 0)
}

// isDisposable reports whether nothing is lost if the worker is dropped.
func (e *scheduledWorker) isDisposable() bool {
	return e.empty && e.presence == presenceMissing && (e.urgency != urgent || e.listingFailures >= failingAfter)
}

// pageLimit returns how many pages the next listing may have. After an endless listing the limit is small,
// because endless ones use up the budget for nothing. But the worker may really have grown, so the full
// limit is tried again, more and more rarely.
func (e *scheduledWorker) pageLimit() int {
	switch {
	case e.endlessListings == 0, e.endlessListings >= 8 && e.endlessListings&(e.endlessListings-1) == 0:
		return maxPages
	case e.lastPages == 0:
		return unknownPages
	}
	return min(maxPages, 2*e.lastPages+10)
}

// sessionsToLookUp returns the unresolved sessions or, if no listing will show them, all open ones.
func (e *scheduledWorker) sessionsToLookUp() []diff.Session {
	if e.answer == noSuchWorker || e.listingFailures >= failingAfter {
		return e.open
	}
	return e.unresolved
}

// takeDueSessions appends the sessions whose lookup is due, up to the limit, and notes that they are looked
// up now. Those that have waited longest come first. Sessions that are due a little later are included.
func (e *scheduledWorker) takeDueSessions(to []diff.Session, limit int, now time.Time, interval time.Duration) []diff.Session {
	for _, session := range e.byLastLookup(limit - len(to)) {
		if len(to) >= limit {
			break
		}
		if last, ok := e.lookedUpAt[session.SessionID]; !ok || now.Sub(last) >= interval*7/10 {
			to = append(to, session)
			e.lookedUpAt[session.SessionID] = now
		}
	}
	return to
}

// byLastLookup returns the sessions to look up. If there are more than the limit, those that were looked up
// longest ago come first.
func (e *scheduledWorker) byLastLookup(limit int) []diff.Session {
	sessions := e.sessionsToLookUp()
	if len(sessions) <= limit {
		return sessions
	}
	sessions = slices.Clone(sessions)
	slices.SortStableFunc(sessions, func(a, b diff.Session) int {
		return e.lookedUpAt[a.SessionID].Compare(e.lookedUpAt[b.SessionID])
	})
	return sessions
}

// lookupDue returns when the first of the sessions is to be looked up. It reports false if there is none.
func (e *scheduledWorker) lookupDue(now time.Time, interval time.Duration) (time.Time, bool) {
	var first time.Time
	for _, session := range e.sessionsToLookUp() {
		due := now
		if last, ok := e.lookedUpAt[session.SessionID]; ok {
			due = last.Add(interval * 9 / 10)
		}
		first = soonest(first, due)
	}
	return latest(first, e.nextLookup), !first.IsZero()
}

// forgetLookups makes the sessions due again. It ignores sessions of other workers.
func (e *scheduledWorker) forgetLookups(sessions []diff.Session) {
	for _, session := range sessions {
		delete(e.lookedUpAt, session.SessionID)
	}
}

// pruneLookups removes what was noted of sessions that are no longer open.
func (e *scheduledWorker) pruneLookups() {
	if len(e.lookedUpAt) == 0 {
		return
	}
	open := make(map[string]bool, len(e.open))
	for _, session := range e.open {
		open[session.SessionID] = true
	}
	for id := range e.lookedUpAt {
		if !open[id] {
			delete(e.lookedUpAt, id)
		}
	}
}
