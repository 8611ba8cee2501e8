package poller

import (
	"math/rand/v2"
	"slices"
	"time"

	"farmwire/diff"
)

// committedSessions is what the schedule needs of the committed snapshot of a worker.
type committedSessions struct {
	open       []diff.Session
	unresolved []diff.Session // those of the open sessions that must be looked up
	missed     []string       // the ids of those of the open sessions whose queue, fleet or farm is stored as missing
	empty      bool           // the snapshot has no session, open or remembered
	forgetDue  time.Time      // when a listing may let sessions be forgotten, by the service's clock; zero if none is absent
	oldestLook time.Time      // see diff.Snapshot.OldestLook
}

func committedSessionsOf(s diff.Snapshot) committedSessions {
	return committedSessions{open: s.Open(), unresolved: s.Unresolved(), missed: s.Missing(), empty: s.Empty(), forgetDue: s.ForgetDue(), oldestLook: s.OldestLook()}
}

// presence is whether discovery shows a worker.
type presence int

const (
	presenceUnknown presence = iota // the worker is known from a snapshot; no ListWorkers of its fleet was complete yet
	presenceShown
	presenceMissing // the last complete ListWorkers lacked the worker, or its fleet does not exist any more
)

// activity is what is being done about a worker.
type activity int

const (
	resting            activity = iota // it waits in the queues
	inCall                             // it is being listed, or its sessions are being looked up
	uncommittedListing                 // it was listed, and the observation is not committed yet
	uncommittedLookup                  // its sessions were looked up, and the observation is not committed yet
	dropped                            // it has left the schedule, which ignores the result of its call
)

// listingAnswer is the result of the last listing of a worker that was not discarded.
type listingAnswer int

const (
	notListed listingAnswer = iota // there was none
	listed
	noSuchWorker
)

// urgency is how soon a worker is to be listed.
type urgency int

const (
	routine urgency = iota // at listingDue
	urgent                 // at once, because what discovery shows of it has changed since the last listing began
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
	staggered bool // its first interval was shortened at random, see nextDue

	since           time.Time // when the worker was first shown, or the shard with its open sessions was owned
	listingBegun    time.Time // when the last listing began
	listedAt        time.Time // when the last complete listing began
	listingDue      time.Time // when the next listing is due, unless it is urgent
	listingFailures int       // in a row
	failureReason   Reason    // of the last failure
	lastPages       int       // of the last complete listing; 0 if there was none
	endlessListings int       // how many listings since then had too many pages

	lookedUpAt     map[string]time.Time // when each session was last looked up, by session id
	missing        map[string]time.Time // since when lookups of a session name its queue, fleet or farm as not found, by session id
	lookupFailures int                  // lookups in a row that failed as a whole
	nextLookup     time.Time            // no lookup begins before this

	listingPlace place
	lookupPlace  place
}

func newScheduledWorker(key diff.WorkerKey, shard int, now time.Time) *scheduledWorker {
	w := &scheduledWorker{key: key, shard: shard, since: now, listingDue: now, lookedUpAt: make(map[string]time.Time), missing: make(map[string]time.Time)}
	w.listingPlace.worker, w.lookupPlace.worker = w, w
	return w
}

// isBusy reports whether the worker is in a call, or has an observation that is not committed.
func (w *scheduledWorker) isBusy() bool {
	return w.activity != resting && w.activity != dropped
}

// isUncommitted reports whether the worker has an observation that is not committed.
func (w *scheduledWorker) isUncommitted() bool {
	return w.activity == uncommittedListing || w.activity == uncommittedLookup
}

// isDueAtOnce reports whether the worker is to be listed at once. After a failure even an urgent listing waits
// for the back-off.
func (w *scheduledWorker) isDueAtOnce() bool {
	return w.urgency == urgent && w.listingFailures == 0
}

// isActive reports whether the worker's due listings are queued among the active ones. If listings show
// nothing of its open sessions, they are not.
func (w *scheduledWorker) isActive() bool {
	return len(w.open) > 0 && w.answer != noSuchWorker && w.listingFailures < failingAfter
}

// isRetired reports whether no new sessions are expected of the worker. Discovery does not show it, and
// either the service says that it does not exist or none of its sessions is open. Listings of it only
// serve to let diff forget or resolve its sessions.
func (w *scheduledWorker) isRetired() bool {
	return w.presence != presenceShown && (w.answer == noSuchWorker || w.presence == presenceMissing && len(w.open) == 0)
}

// isHidden reports whether nothing says that the worker exists: discovery does not show it, and no session of it is open.
// Its listings only serve to forget its sessions.
func (w *scheduledWorker) isHidden() bool {
	return w.presence != presenceShown && len(w.open) == 0
}

// isDisposable reports whether nothing is lost if the worker is dropped: no session of it is known, discovery
// does not show it, and it was listed since then or cannot be.
func (w *scheduledWorker) isDisposable() bool {
	return w.empty && w.presence == presenceMissing && (w.urgency != urgent || w.listingFailures >= failingAfter)
}

// pageLimit returns how many pages the next listing may have. After an endless listing the limit is small,
// because endless listings use up the budget for nothing. But a worker may really have that many sessions,
// so the full limit is tried again after 8 endless listings, 16, 32, and so on.
func (w *scheduledWorker) pageLimit() int {
	switch {
	case w.endlessListings == 0, w.endlessListings >= 8 && w.endlessListings&(w.endlessListings-1) == 0:
		return maxPages
	case w.lastPages == 0:
		return unknownPages
	}
	return min(maxPages, 2*w.lastPages+10)
}

// sessionsToLookUp returns the unresolved sessions or, if listings cannot show the open sessions, all of them.
func (w *scheduledWorker) sessionsToLookUp() []diff.Session {
	if w.answer == noSuchWorker || w.listingFailures >= failingAfter {
		return w.open
	}
	return w.unresolved
}

// takeDueSessions appends the sessions whose lookup is due, until there are as many as the limit, and notes
// that they are looked up now. Those that have waited longest come first. To save requests, sessions are
// included that become due a little later, see lookupDue.
func (w *scheduledWorker) takeDueSessions(to []diff.Session, limit int, now time.Time, staleness time.Duration) []diff.Session {
	for _, session := range w.byLastLookup(limit - len(to)) {
		if len(to) >= limit {
			break
		}
		if last, ok := w.lookedUpAt[session.SessionID]; !ok || now.Sub(last) >= w.lookupInterval(session.SessionID, staleness, now)*7/10 {
			to = append(to, session)
			w.lookedUpAt[session.SessionID] = now
		}
	}
	return to
}

// byLastLookup returns the sessions to look up. If there are more than the limit, those that were looked up
// longest ago come first.
func (w *scheduledWorker) byLastLookup(limit int) []diff.Session {
	sessions := w.sessionsToLookUp()
	if len(sessions) <= limit {
		return sessions
	}
	sessions = slices.Clone(sessions)
	slices.SortStableFunc(sessions, func(a, b diff.Session) int {
		return w.lookedUpAt[a.SessionID].Compare(w.lookedUpAt[b.SessionID])
	})
	return sessions
}

// lookupDue returns when the next lookup of sessions is due. Each session is looked up about once in its
// lookupInterval. It reports false if there is no session to look up.
func (w *scheduledWorker) lookupDue(now time.Time, staleness time.Duration) (time.Time, bool) {
	var first time.Time
	for _, session := range w.sessionsToLookUp() {
		due := now
		if last, ok := w.lookedUpAt[session.SessionID]; ok {
			due = last.Add(w.lookupInterval(session.SessionID, staleness, now) * 9 / 10)
		}
		first = soonest(first, due)
	}
	return latest(first, w.nextLookup), !first.IsZero()
}

// forgetLookups makes the lookup of the sessions due again. It ignores sessions of other workers.
func (w *scheduledWorker) forgetLookups(sessions []diff.Session) {
	for _, session := range sessions {
		delete(w.lookedUpAt, session.SessionID)
	}
}

// pruneLookups removes the times of lookups of sessions that are not open any more.
func (w *scheduledWorker) pruneLookups() {
	if len(w.lookedUpAt) == 0 {
		return
	}
	open := make(map[string]bool, len(w.open))
	for _, session := range w.open {
		open[session.SessionID] = true
	}
	for id := range w.lookedUpAt {
		if !open[id] {
			delete(w.lookedUpAt, id)
		}
	}
}

// backoff returns the pause after so many failures in a row: a second, doubled for each further failure,
// and at most a minute.
func backoff(failures int, random *rand.Rand) time.Duration {
	d := time.Second << min(max(failures-1, 0), 6)
	return min(maxBackoff, jitter(d, random.Float64()))
}

// retiredBackoff is backoff for a retired worker. The pause doubles until it is forgetInterval.
func retiredBackoff(failures int, random *rand.Rand) time.Duration {
	d := time.Second << min(max(failures-1, 0), 17)
	return min(forgetInterval, jitter(d, random.Float64()))
}
