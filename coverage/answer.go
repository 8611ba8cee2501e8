package coverage

import (
	"slices"
	"time"

	"farmwire/diff"
)

// estimateError is how much earlier a request may have been sent than Sent was told. The service tells its clock in whole
// seconds, so two estimates of one time may differ by that.
const estimateError = time.Second

// listTimeout is how long a list may be under way while none of its requests is. After that the poller has given it up.
const listTimeout = 10 * time.Minute

// request is a request that is under way.
type request struct {
	Operation
	limit moment // no watermark that it concerns is later
	after moment // the newest good answer when it was sent: the request is later, whatever the service's clock says
}

// list is a list that is under way.
type list struct {
	Operation
	partial  bool   // its first request is not known
	inFlight int    // requests
	last     moment // when the last one was sent or answered
	pages    int    // that were read
	number   uint64 // of the request of its first page
	begin    moment // when that was sent
	after    moment // as of request, of its first page
}

// pending is an observation that is not committed.
type pending struct {
	at      moment // of its first request
	after   moment // as of request
	listing uint64 // the number of the request of the first page, if it comes from a listing; 0 otherwise
}

// Sent takes in that a request is sent.
func (t *Tracker) Sent(r Request) {
	at := momentOf(r.At)
	q := &request{Operation: r.Operation, limit: max(at.add(-estimateError), t.alive), after: t.alive}
	t.requests[r.Number] = q
	switch {
	case !t.concerns(&r):
		q.limit = 0
		return
	case r.List == 0:
		return
	}
	l := t.lists[r.List]
	if l == nil {
		l = &list{Operation: r.Operation, partial: r.Number != r.List}
		t.lists[r.List] = l
	}
	if l.begin == 0 {
		l.number, l.begin, l.after = r.Number, q.limit, q.after
	}
	l.inFlight++
	l.last = max(l.last, at)
}

// concerns reports whether a request may say something of the shard.
func (t *Tracker) concerns(r *Request) bool {
	if r.Operation.isDiscovery() || r.Operation == ListSessions {
		return true
	}
	return slices.ContainsFunc(r.Workers, func(w diff.WorkerKey) bool { return t.config.Owns(w.WorkerID) })
}

// Answered takes in what became of a request. Now is by the service's clock, when the answer arrived.
func (t *Tracker) Answered(a Answer, now time.Time) {
	t.findFailing(momentOf(now)) // what failed until now is a gap, even if this answer ends it
	q := t.requests[a.Number]
	delete(t.requests, a.Number)
	isKnown := q != nil
	if !isKnown {
		q = &request{Operation: a.Operation}
	}
	at := max(momentOf(a.At), q.after)
	l := t.answeredList(&a, q, at, momentOf(now))
	if isKnown && t.concerns(&a.Request) {
		if a.Reason == "" {
			t.noteTarget(&a)
			t.noteFound(&a, at)
			t.noteShown(&a, at, l)
			t.noteDiscovered(&a, at, l)
		}
		t.judge(&a, at)
	}
	if a.Reason == "" {
		t.alive = max(t.alive, at)
	}
	for _, w := range a.Observed {
		if !t.config.Owns(w.WorkerID) {
			continue
		}
		p := pending{at: at, after: q.after}
		if a.Operation == ListSessionsForWorker && l != nil {
			p = pending{at: l.begin, after: l.after, listing: l.number}
		}
		t.pending[w] = append(t.pending[w], p)
	}
}

// answeredList takes in an answer to a request of a list, and returns the list.
func (t *Tracker) answeredList(a *Answer, q *request, at, now moment) *list {
	l := t.lists[a.List]
	if l == nil || a.List == 0 {
		return nil
	}
	l.inFlight--
	l.last = max(l.last, now)
	switch {
	case a.Reason == "" && l.pages == 0:
		l.number, l.begin, l.after = a.Number, at, q.after
	case l.pages == 0:
		l.begin = 0 // nothing is kept of this request
	}
	if a.Reason == "" {
		l.pages++
	}
	if !a.UnderWay {
		delete(t.lists, a.List)
	}
	return l
}

// dropLists drops the lists that the poller has given up.
func (t *Tracker) dropLists(now moment) {
	for number, l := range t.lists {
		if l.inFlight <= 0 && now.since(l.last) >= listTimeout {
			delete(t.lists, number)
		}
	}
}

// limits returns the times of the oldest request that is under way or not committed: of those that any look of the kind may
// come from. It is zero if there is none.
func (t *Tracker) limits() (limits Kinds[moment]) {
	limit := func(at moment, o Operation) {
		for k := range kinds {
			if m := of(&limits, k); at != 0 && (k != changes || o.showsSessions()) && (*m == 0 || at < *m) {
				*m = at
			}
		}
	}
	for _, q := range t.requests {
		limit(q.limit, q.Operation)
	}
	for _, l := range t.lists {
		if l.Operation == ListSessionsForWorker {
			limit(l.begin, l.Operation)
		}
	}
	for _, all := range t.pending {
		for _, p := range all {
			limit(p.at, ListSessions)
		}
	}
	return limits
}

// Committed takes in that an observation was committed, and the snapshot after it. The observations of a worker are committed
// in the order of Answer.Observed.
func (t *Tracker) Committed(o diff.Observation, s diff.Snapshot, now time.Time) {
	var p pending
	if all := t.pending[o.Worker]; len(all) > 1 {
		p, t.pending[o.Worker] = all[0], all[1:]
	} else if len(all) == 1 {
		p = all[0]
		delete(t.pending, o.Worker)
	}
	w := t.showSessions(o, s, p.after)
	if w == nil {
		return
	}
	if o.Source == diff.CompleteListing {
		w.noteListing(max(momentOf(o.FirstRequest.At), p.after), o.Pages)
		if w.gone != 0 && momentOf(o.FirstRequest.At) > w.gone {
			w.gone = 0
		}
	}
	if p.listing != 0 {
		w.noteAnnounced(p.listing)
	}
	t.closeResolved(w, max(p.at, momentOf(o.FirstRequest.At)))
	t.forget(w, momentOf(now))
}

// CommittedElsewhere takes in that an observation of another worker has shown sessions of the snapshot's worker, and was committed.
func (t *Tracker) CommittedElsewhere(o diff.Observation, s diff.Snapshot) { t.showSessions(o, s, 0) }

// showSessions takes in the open sessions of a snapshot, and returns its worker, or nil if nothing is to be known of it.
func (t *Tracker) showSessions(o diff.Observation, s diff.Snapshot, after moment) *worker {
	w := t.workers[s.Worker()]
	if w == nil {
		if s.OpenCount() == 0 {
			return nil
		}
		w = t.addWorker(s.Worker())
	}
	w.noteSessions(o, s, after, t.watermark.Changes)
	return w
}

// noteSessions takes in the open sessions of a snapshot, and the looks at them by an observation.
func (w *worker) noteSessions(o diff.Observation, s diff.Snapshot, after, unseen moment) {
	old := w.sessions
	w.sessions = nil
	if s.OpenCount() == 0 {
		return
	}
	open := s.Open()
	w.sessions = make([]session, len(open))
	for i := range open {
		if at, ok := findSession(old, open[i].SessionID); ok {
			w.sessions[i] = old[at]
		} else {
			w.sessions[i] = session{id: open[i].SessionID, look: look{at: unseen}}
		}
	}
	for i := range o.Sightings {
		at, ok := findSession(w.sessions, o.Sightings[i].Session.SessionID)
		if !ok {
			continue
		}
		known := &w.sessions[at]
		if before, ok := findSession(old, known.id); ok && old[before].arrived != 0 && o.Sightings[i].SentTick <= old[before].arrived {
			continue // package diff does not count it: the request was sent before another answer had arrived
		}
		known.look.note(max(momentOf(o.Sightings[i].At), after))
		known.missed, known.seen, known.arrived = 0, true, max(known.arrived, o.Sightings[i].ArrivedTick)
	}
}

func findSession(sessions []session, id string) (int, bool) {
	return slices.BinarySearchFunc(sessions, id, func(s session, id string) int {
		switch {
		case s.id < id:
			return -1
		case s.id > id:
			return 1
		}
		return 0
	})
}

// noteListing takes in a complete listing.
func (w *worker) noteListing(first moment, pages int) {
	w.looks[starts].note(lookOf(&w.listed, first, pages))
}

// lookOf returns the time of the look that a complete list is, and notes in listed when its first request was sent. What is listed
// may move from page to page meanwhile, so that a list of several pages may miss something. The look is then the list before it.
func lookOf(listed *moment, first moment, pages int) moment {
	before := *listed
	*listed = max(before, first)
	if pages > 1 {
		return before
	}
	return first
}

// noteStatus takes in that a request showed the status of the worker, and whether that or an older one asked for a listing that is
// not committed. As long as one waits for its listing, no later look at the status counts.
func (w *worker) noteStatus(number uint64, at moment, asks bool) {
	switch {
	case asks:
		w.asked[1] = asking{number, at}
		if w.asked[0].number == 0 {
			w.asked[0] = w.asked[1]
		}
	case number > w.asked[1].number && !w.lacked: // what was asked for before is committed, or something else has shown it
		w.asked = [2]asking{}
	}
	if w.asked[0].number == 0 {
		w.looks[announced].note(at)
	}
}

// noteAnnounced takes in that a listing is committed whose first page has this number. What was asked for before it is done.
func (w *worker) noteAnnounced(listing uint64) {
	first, last := w.asked[0], w.asked[1]
	switch {
	case first.number == 0 || listing < first.number:
	case listing > last.number:
		w.looks[announced].note(last.at)
		w.asked, w.lacked = [2]asking{}, false
	default:
		w.looks[announced].note(first.at)
		w.asked[0] = last
	}
}
