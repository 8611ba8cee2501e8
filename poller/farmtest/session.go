package farmtest

import (
	"slices"
	"sync/atomic"
	"time"
)

// Session is a session of a worker, with every state that it has had.
type Session struct {
	worker        *Worker
	job           *Job
	id            string
	key, sequence uint64    // sort key in listings; order of creation among all entries
	startedAt     time.Time // the service's clock
	endedAt       time.Time // the service's clock; zero while it is open
	states        []state   // ordered by shown; never empty
	forgottenAt   time.Time // our clock; zero while the service knows it

	listings         []ListingTruth // the first complete listings that showed it
	completeListings int64          // number of complete listings that showed it

	// Instants in nanoseconds of our clock; zero if there was none.
	firstShown      atomic.Int64 // the first for which an answer showed it
	missingUntil    atomic.Int64 // the last for which a page of its worker's listing that should have shown it did not
	incompleteUntil atomic.Int64 // the last for which an answer showed less than the truth
}

// state is what answers show of a session from an instant on.
type state struct {
	status, target string
	endedAt        time.Time // the service's clock
	at             time.Time // of the change, in the service's clock
	shown          time.Time // the first instant at which an answer can show it, in our clock
}

func (s *state) ended() bool { return s.status == "ENDED" || !s.endedAt.IsZero() }

// StartSession starts a session of the job now. If job is nil, it is a new job.
func (w *Worker) StartSession(job *Job) *Session {
	return w.StartSessionAt(job, time.Time{})
}

// StartSessionAt adds an open session that began at startedAt in the service's clock, or now if that is zero.
// Answers show it from now on. If job is nil, it is a new job.
func (w *Worker) StartSessionAt(job *Job, startedAt time.Time) *Session {
	return w.AddHistory(job, startedAt, time.Time{})
}

// AddHistory adds a session that began at startedAt and ended at endedAt, both in the service's clock. Answers show
// it from now on. A zero startedAt means now, and a zero endedAt an open session. If job is nil, it is a new job.
func (w *Worker) AddHistory(job *Job, startedAt, endedAt time.Time) *Session {
	if job == nil {
		job = w.fleet.farm.AddJob("")
	}
	c := w.fleet.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	if startedAt.IsZero() {
		startedAt = c.service(now)
	}
	s := &Session{
		worker: w, job: job, id: c.newID("session"), key: c.nextKey(),
		startedAt: startedAt.UTC().Truncate(time.Millisecond),
	}
	s.sequence = c.created
	first := state{status: "STARTED", at: s.startedAt, shown: c.shown(w, now)}
	s.states = append(s.states, first)
	if !endedAt.IsZero() {
		s.endedAt = endedAt.UTC().Truncate(time.Millisecond)
		s.states = []state{first, {status: "ENDED", endedAt: s.endedAt, at: s.endedAt, shown: first.shown}}
	}
	w.sessions.insert(s.key, s)
	c.sessions[s.id] = s
	job.sessions.insert(s.key, s)
	return s
}

// ID returns the session's identifier.
func (s *Session) ID() string { return s.id }

// Worker returns the worker on which the session runs.
func (s *Session) Worker() *Worker { return s.worker }

// Job returns the session's job.
func (s *Session) Job() *Job { return s.job }

// StartedAt returns when the session began, in the service's clock.
func (s *Session) StartedAt() time.Time { return s.startedAt }

// Update sets the lifecycle status, which may be any text. [Session.End] sets ENDED.
func (s *Session) Update(status string) {
	s.locked(func(now time.Time) { s.alter(now, func(st *state) { st.status = status }) })
}

// SetTarget sets the target lifecycle status to ENDED, as a cancellation does.
func (s *Session) SetTarget() {
	s.locked(func(now time.Time) { s.alter(now, func(st *state) { st.target = "ENDED" }) })
}

// End ends the session now. It does nothing if the session has ended.
func (s *Session) End() { s.locked(s.end) }

// Forget makes the service forget the session. Listings lack it, and asking for it gives ResourceNotFoundException.
func (s *Session) Forget() { s.locked(s.forget) }

// locked calls f with the time of our clock, under the model's lock.
func (s *Session) locked(f func(now time.Time)) {
	c := s.worker.fleet.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.clock())
}

// alter appends a copy of the last state that f has changed.
func (s *Session) alter(now time.Time, f func(*state)) {
	if !s.forgottenAt.IsZero() {
		return
	}
	c := s.worker.fleet.farm.cloud
	next := s.states[len(s.states)-1]
	f(&next)
	next.at, next.shown = c.service(now), c.shown(s.worker, now)
	s.push(next)
}

// push appends a state. It is not shown before the previous one.
func (s *Session) push(next state) {
	if last := s.states[len(s.states)-1]; next.shown.Before(last.shown) {
		next.shown = last.shown
	}
	s.states = append(s.states, next)
}

func (s *Session) end(now time.Time) {
	if !s.endedAt.IsZero() || !s.forgottenAt.IsZero() {
		return
	}
	c := s.worker.fleet.farm.cloud
	s.endedAt = c.service(now)
	full := state{status: "ENDED", target: s.states[len(s.states)-1].target, endedAt: s.endedAt}
	partial, delay := full, time.Duration(-1)
	if f, ok := c.faults.change(EndWithoutTime, s.worker); ok {
		partial.endedAt, delay = time.Time{}, f.Delay
	} else if f, ok := c.faults.change(EndTimeFirst, s.worker); ok {
		partial.status, delay = s.states[len(s.states)-1].status, f.Delay
	}
	if delay >= 0 {
		s.alter(now, func(st *state) { *st = partial })
	}
	if delay == 0 {
		return // the rest is never shown
	}
	s.alter(now.Add(max(delay, 0)), func(st *state) { *st = full })
}

func (s *Session) forget(now time.Time) {
	if !s.forgottenAt.IsZero() {
		return
	}
	c := s.worker.fleet.farm.cloud
	s.forgottenAt = now
	s.worker.sessions.remove(s.key)
	delete(c.sessions, s.id)
	s.job.sessions.remove(s.key)
	c.record.keep(c, s)
}

// shown returns the first instant at which answers can show a change that is made now.
func (c *Cloud) shown(w *Worker, now time.Time) time.Time {
	if f, ok := c.faults.change(LateShow, w); ok {
		return now.Add(c.faults.upTo(f.Delay))
	}
	return now
}

// target returns what an answer says about the session, so that fault rules can be matched with it.
func (s *Session) target(p *page) target {
	w := s.worker
	return target{operation: p.req.operation, fleet: w.fleet, fleetID: w.fleet.id, workerID: w.id, page: p.req.page}
}

// visible returns the state that an answer without faults shows at now, or nil if it does not show the session yet.
func (s *Session) visible(now time.Time) *state {
	for i := len(s.states) - 1; i >= 0; i-- {
		if !s.states[i].shown.After(now) {
			return &s.states[i]
		}
	}
	return nil
}

// show returns the state that the answer shows, or nil if it does not show the session. It records that the answer
// showed the session, or showed less than the truth.
func (s *Session) show(p *page) *state {
	now, by := p.now, p.staleness
	truth := s.visible(now)
	if truth == nil {
		return nil
	}
	seen := truth
	if truth.ended() {
		if by.ends > 0 {
			seen = s.beforeEnd(truth, now.Add(-by.ends))
		}
	} else if by.statuses > 0 {
		seen = s.visible(now.Add(-by.statuses))
	}
	if seen == nil {
		s.noteHidden(p)
		return nil
	}
	if seen != truth {
		s.noteIncomplete(now)
	}
	if s.firstShown.Load() == 0 {
		s.firstShown.CompareAndSwap(0, now.UnixNano())
	}
	return seen
}

// keptListings is the number of complete listings whose times are kept for each session.
const keptListings = 10

// noteCompleteListing records a complete listing on the sessions that were visible when it began and that none of its
// pages hid. If a client requests the last page again, that is the same listing.
func (w *Worker) noteCompleteListing(l ListingTruth) {
	c := w.fleet.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range w.sessions.items {
		if s.visible(l.Begun) == nil || s.missingUntil.Load() >= l.Begun.UnixNano() {
			continue
		}
		same := func(other ListingTruth) bool { return other.By == l.By && other.Begun.Equal(l.Begun) }
		if i := slices.IndexFunc(s.listings, same); i >= 0 {
			s.listings[i].At = l.At
			continue
		}
		s.completeListings++
		if len(s.listings) < keptListings {
			s.listings = append(s.listings, l)
		}
	}
}

// beforeEnd returns the last open state if the end was first visible after the instant since. Otherwise it returns
// truth, as it does for a session that was never visible as open.
func (s *Session) beforeEnd(truth *state, since time.Time) *state {
	for i := len(s.states) - 1; i > 0; i-- {
		end, open := &s.states[i], &s.states[i-1]
		if end.ended() && !open.ended() {
			if end.shown.After(since) && open.shown.Before(end.shown) {
				return open
			}
			return truth
		}
	}
	return truth
}

// noteHidden records that the answer does not show the session although it should.
func (s *Session) noteHidden(p *page) {
	s.noteIncomplete(p.now)
	if p.req.operation == ListSessionsForWorker {
		s.missingUntil.Store(p.now.UnixNano())
	}
}

// noteIncomplete records that an answer for the instant now showed less than the truth.
func (s *Session) noteIncomplete(now time.Time) {
	for n := now.UnixNano(); ; {
		old := s.incompleteUntil.Load()
		if old >= n || s.incompleteUntil.CompareAndSwap(old, n) {
			return
		}
	}
}

// staleness is how old the information in an answer is. The zero value is up to date.
type staleness struct {
	ends     time.Duration // ends that became visible within this period are not shown
	statuses time.Duration // open sessions are shown as they were this long ago
}
