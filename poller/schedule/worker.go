package schedule

import (
	"slices"
	"strings"
	"time"

	"farmwire/diff"
)

// presence is whether discovery shows a worker.
type presence uint8

const (
	presenceUnknown presence = iota // the worker is known from a snapshot; no ListWorkers of its fleet was complete yet
	presenceShown
	presenceMissing // the last complete ListWorkers lacked the worker, or its fleet does not exist any more
)

// activity is what is being done about a worker.
type activity uint8

const (
	resting            activity = iota // it waits in the queues
	inCall                             // a listing of it is under way, or its sessions are being looked up
	uncommittedListing                 // it was listed, and the observation is not committed yet
	uncommittedLookup                  // its sessions were looked up, and the observation is not committed yet
	dropped                            // it has left the schedule, which ignores the result of its call
)

// listingAnswer is the result of the last listing of a worker that was not discarded.
type listingAnswer uint8

const (
	notListed listingAnswer = iota // there was none
	listed
	noSuchWorker
)

// awaits is what has become of the listing that the status of a worker has asked for.
type awaits uint8

const (
	awaitsNothing awaits = iota // no status has asked for one, or it is committed
	awaitsListing               // it has not come to its end yet
	awaitsCommit                // its observation is not committed yet, or that of a job's listing that has shown the session
)

// worker is one worker of the schedule.
type worker struct {
	Known
	shard *shard
	fleet *fleet

	// What State looks at is together, because most of its time is for memory that is not in the cache.
	since           time.Time // when the worker was first shown, or the shard with its open sessions was owned
	listedAt        time.Time // when the last listing began that was complete or stopped early
	lastPages       int32     // of the last complete listing; 0 if there was none
	listingFailures int32     // in a row
	presence        presence
	activity        activity
	class           class // of the queue that its listing waits in, unless it is not due yet
	answer          listingAnswer
	urgent          bool  // it is to be listed at once, because what discovery shows of it has changed since the last listing began
	first           bool  // it was not listed since its shard was owned, and every other of the shard waits for that before its second listing
	asked           bool  // its sessions need not be asked for before everything else: they were since the shard was owned, or there were none
	weighed         uint8 // its part of the sum of the weights
	weighedAs       length
	isWatched       bool // it is counted in Schedule.watched

	status          *diff.WorkerStatus // as ListWorkers or BatchGetWorker last showed it; nil if neither did
	listingBegun    time.Time          // when the last listing began
	listingDue      time.Time          // when the next listing is due, unless it is urgent
	failureReason   Reason             // of the last failure
	endlessListings int32              // how many listings since then had too many pages
	lookupFailures  int32              // lookups in a row that failed as a whole
	nextLookup      time.Time          // no lookup begins before this

	failedAt int64 // when the first of the listings was discarded that have failed in a row, see Schedule.key
	isNoted  bool  // there was a Note that its listings fail

	lookups []lookupState // of the sessions that were looked up, in the order of their ids

	statusAt  time.Time // when the last request was sent whose answer showed the status
	endedAt   time.Time // when a session last ended, by this host's clock as far as one can tell
	lastEnd   time.Time // likewise, by the service's clock; zero if a session has started since
	starts    int32     // sessions that were found
	fruitless uint8     // listings in a row that have shown no session although the worker was RUNNING
	announced bool      // it is urgent because a session is announced
	rested    bool      // it was not RUNNING since its last session ended, nor since it was listed
	isLeaving bool      // its status says that it may soon be deleted
	isGone    bool      // BatchGetWorker says that it does not exist
	unordered bool      // a listing did not show the newest sessions first
	awaits    awaits    // what has become of the listing that its status has asked for
	stopped   bool      // the last listing that could stop early did so
	wants     bool      // the next listing must be complete, because a lookup did not find a session

	completeAt time.Time // when the last complete listing began, or failed, or its turn was given to others

	listingPlace  place
	lookupPlace   place
	statusPlace   place
	expectedPlace place
	completePlace place
}

// lookupState is what is known of the lookups of a session.
type lookupState struct {
	session  string    // its id
	at       time.Time // when it was last looked up; zero if it is due
	since    time.Time // since when it is due, as long as at is zero
	asked    bool      // a lookup of it was answered, whether usably or not
	missing  time.Time // since when answers name its queue, fleet or farm as not found; zero if they do not
	notFound bool      // the last answer was that it does not exist
	unclear  bool      // BatchGetSession did not say what was not found, so GetSession is asked
}

// newWorker returns a worker that is due now.
func newWorker(known Known, sh *shard, f *fleet, now time.Time) *worker {
	w := &worker{Known: known, shard: sh, fleet: f, since: now, listingDue: now, asked: true}
	for _, p := range [...]*place{&w.listingPlace, &w.lookupPlace, &w.statusPlace, &w.expectedPlace, &w.completePlace} {
		p.worker = w
	}
	return w
}

// isBusy reports whether the worker is in a call, or has an observation that is not committed.
func (w *worker) isBusy() bool { return w.activity != resting && w.activity != dropped }

// isUncommitted reports whether the worker has an observation that is not committed.
func (w *worker) isUncommitted() bool {
	return w.activity == uncommittedListing || w.activity == uncommittedLookup
}

// isDueAtOnce reports whether the worker is to be listed at once. After a failure even an urgent listing waits for the
// back-off.
func (w *worker) isDueAtOnce() bool { return w.urgent && w.listingFailures == 0 }

// isUnlisted reports whether listings do not show the worker's sessions: the last three were discarded, or nothing of its
// fleet can be listed.
func (w *worker) isUnlisted() bool { return w.listingFailures >= failingAfter || w.fleet.isFailing() }

// isActive reports whether the worker has open sessions that listings show.
func (w *worker) isActive() bool {
	return len(w.Open) > 0 && w.answer != noSuchWorker && w.listingFailures < failingAfter
}

// isRetired reports whether no new sessions are expected of the worker. Discovery does not show it, and either the service
// says that it does not exist or none of its sessions is open. Listings of it only serve to let diff forget or resolve its
// sessions.
func (w *worker) isRetired() bool {
	return w.presence != presenceShown && (w.answer == noSuchWorker || w.presence == presenceMissing && len(w.Open) == 0)
}

// isHidden reports whether nothing says that the worker exists: discovery does not show it, and no session of it is open.
// Its listings only serve to forget its sessions.
func (w *worker) isHidden() bool { return w.presence != presenceShown && len(w.Open) == 0 }

// isDisposable reports whether nothing is lost if the worker is dropped: no session of it is known, discovery does not show
// it, and it was listed since then or cannot be.
func (w *worker) isDisposable() bool {
	return w.Empty && w.presence == presenceMissing && (!w.urgent || w.isUnlisted())
}

// pageLimit returns how many pages the next listing may have. After an endless listing the limit is small, because endless
// listings use up the budget for nothing. But a worker may really have that many sessions, so the full limit is tried again
// after 8 endless listings, 16, 32, and so on.
func (w *worker) pageLimit() int {
	switch n := w.endlessListings; {
	case n == 0, n >= 8 && n&(n-1) == 0:
		return maxPages
	case w.lastPages == 0:
		return unknownPages
	}
	return min(maxPages, 2*int(w.lastPages)+10)
}

// toLookUp returns the open sessions. If these are not swept, it returns only those that are unresolved, unless the last listing
// failed, none is expected to show the open sessions, or these are to be asked for first of all.
func (w *worker) toLookUp() []diff.Session {
	if w.fleet.farm.isSwept || !w.asked || w.answer == noSuchWorker || w.listingFailures > 0 || w.isUnlisted() {
		return w.Open
	}
	return w.Unresolved
}

// lookup returns what is known of the lookups of a session.
func (w *worker) lookup(sessionID string) lookupState {
	if i, ok := w.findLookup(sessionID); ok {
		return w.lookups[i]
	}
	return lookupState{}
}

// findLookup returns where the session is in lookups, or where it is to be inserted.
func (w *worker) findLookup(sessionID string) (int, bool) {
	return slices.BinarySearchFunc(w.lookups, sessionID, func(l lookupState, id string) int { return strings.Compare(l.session, id) })
}

// setLookup returns what is known of the lookups of a session, to be changed before the next setLookup.
func (w *worker) setLookup(sessionID string) *lookupState {
	i, ok := w.findLookup(sessionID)
	if !ok {
		w.lookups = slices.Insert(w.lookups, i, lookupState{session: sessionID})
	}
	return &w.lookups[i]
}

// pruneLookups forgets the lookups of sessions that are not open any more, and that sessions are missing that are not looked
// up any more.
func (w *worker) pruneLookups() {
	if len(w.lookups) == 0 {
		return
	}
	looked := w.toLookUp()
	w.lookups = slices.DeleteFunc(w.lookups, func(l lookupState) bool { return !has(w.Open, l.session) })
	for i := range w.lookups {
		if l := &w.lookups[i]; !has(looked, l.session) {
			l.missing, l.since = time.Time{}, time.Time{}
		}
	}
}

// has reports whether a session is among those that are in the order of their ids.
func has(sessions []diff.Session, id string) bool {
	_, found := slices.BinarySearchFunc(sessions, id, func(s diff.Session, id string) int { return strings.Compare(s.SessionID, id) })
	return found
}
