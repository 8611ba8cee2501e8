package poller

import (
	"slices"
	"time"

	"farmwire/diff"
)

// holdings is what the committed snapshot of a worker holds, as far as it matters for whom
// to ask.
type holdings struct {
	open       []diff.Session
	unresolved []diff.Session // to be asked for one by one
	empty      bool
}

func holdingsOf(s diff.Snapshot) holdings {
	return holdings{open: s.Open(), unresolved: s.Unresolved(), empty: s.Empty()}
}

// entry is one worker of the schedule.
type entry struct {
	key   diff.WorkerKey
	shard int
	holdings

	status  *diff.WorkerStatus // as ListWorkers last showed it; nil: never
	shown   bool               // the last complete ListWorkers of its fleet showed it
	missing bool               // and this: it did not. Neither before the first one
	gone    bool               // the last answer to a listing was: no such worker
	urgent  bool               // something changed since the last listing was begun
	dropped bool               // no longer of the schedule; answers about it count for nothing
	spread  bool               // was given a place in the cycle of its own

	busy     bool // in a call, or observed and not committed
	awaiting bool // the latter
	replan   bool // the observation that is not committed is of a listing

	begun    time.Time // when the last listing began
	listedAt time.Time // when the last complete listing began
	due      time.Time // when the next one is due, unless urgent
	failed   int       // listings discarded in a row
	reason   Reason    // why the last one was
	pages    int       // of the last complete listing; 0: there was none
	endless  int       // listings since then that had too many

	asked        map[string]time.Time // when unresolved sessions were last asked for
	lookupFailed int                  // lookups in a row that failed as a whole
	lookupAfter  time.Time            // not before

	listing place
	lookup  place
}

func newEntry(w diff.WorkerKey, shard int, now time.Time) *entry {
	e := &entry{key: w, shard: shard, due: now, asked: make(map[string]time.Time)}
	e.listing.entry, e.lookup.entry = e, e
	return e
}

// hasty reports whether the worker is to be listed at once.
func (e *entry) hasty() bool {
	return e.urgent && e.failed == 0
}

// active reports whether the worker goes before idle ones.
func (e *entry) active() bool {
	return len(e.open) > 0 && !e.gone && e.failed < blindAfter
}

// unlisted reports whether listing the worker can only be evidence for forgetting what is
// remembered of it: it is gone, or discovery does not show it and none of its sessions is open.
func (e *entry) unlisted() bool {
	return !e.shown && (e.gone || e.missing && len(e.open) == 0)
}

// disposable reports whether nothing is lost with the entry.
func (e *entry) disposable() bool {
	return e.empty && e.missing && (!e.urgent || e.failed >= blindAfter)
}

// pageLimit is how many pages the next listing may have. Where one had no end, the next are
// cut off soon, as they would cost the budget for nothing. But a worker may have grown, so
// ever more rarely one may have as many as any.
func (e *entry) pageLimit() int {
	switch {
	case e.endless == 0, e.endless >= 8 && e.endless&(e.endless-1) == 0:
		return maxPages
	case e.pages == 0:
		return unknownPages
	}
	return min(maxPages, 2*e.pages+10)
}

// wanted are the sessions to be asked for one by one: those that a listing lacked, or, where
// no listing will show them, all open ones.
func (e *entry) wanted() []diff.Session {
	if e.gone || e.failed >= blindAfter {
		return e.open
	}
	return e.unresolved
}

// dueSessions appends the sessions whose time has come, up to the limit, and notes that they
// are asked for: first those that were asked for longest ago. Sessions that are due a little
// later go along.
func (e *entry) dueSessions(to []diff.Session, limit int, now time.Time, pace time.Duration) []diff.Session {
	for _, session := range e.inTurn(limit - len(to)) {
		if len(to) >= limit {
			break
		}
		if asked, ok := e.asked[session.SessionID]; !ok || now.Sub(asked) >= pace*7/10 {
			to = append(to, session)
			e.asked[session.SessionID] = now
		}
	}
	return to
}

// inTurn are the wanted sessions; if they are more than the limit, in the order of when they
// were asked for.
func (e *entry) inTurn(limit int) []diff.Session {
	wanted := e.wanted()
	if len(wanted) <= limit {
		return wanted
	}
	wanted = slices.Clone(wanted)
	slices.SortStableFunc(wanted, func(a, b diff.Session) int {
		return e.asked[a.SessionID].Compare(e.asked[b.SessionID])
	})
	return wanted
}

// lookupDue says when the first of the sessions is to be asked for; false if there is none.
func (e *entry) lookupDue(now time.Time, pace time.Duration) (time.Time, bool) {
	var first time.Time
	for _, session := range e.wanted() {
		due := now
		if asked, ok := e.asked[session.SessionID]; ok {
			due = asked.Add(pace * 9 / 10)
		}
		first = soonest(first, due)
	}
	return latest(first, e.lookupAfter), !first.IsZero()
}

// forgetAsked takes back that the sessions were asked for; those of other workers do no harm.
func (e *entry) forgetAsked(sessions []diff.Session) {
	for _, session := range sessions {
		delete(e.asked, session.SessionID)
	}
}

// pruneAsked drops what was noted of sessions that are open no more.
func (e *entry) pruneAsked() {
	if len(e.asked) == 0 {
		return
	}
	open := make(map[string]bool, len(e.open))
	for _, session := range e.open {
		open[session.SessionID] = true
	}
	for id := range e.asked {
		if !open[id] {
			delete(e.asked, id)
		}
	}
}
