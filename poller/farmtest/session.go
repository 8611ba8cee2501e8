package farmtest

import (
	"slices"
	"sync/atomic"
	"time"
)

// Session is a session of a worker, with all the states that it ever had.
type Session struct {
	worker    *Worker
	job       *Job
	id        string
	key, made uint64    // its place in the listing, and among all entries
	startedAt time.Time // the service's clock
	endedAt   time.Time // the service's clock; when it truly ended
	states    []state   // in order of shown; never empty
	forgotten time.Time // our clock; zero: the service knows it

	listings []ListingTruth // the first ones that showed it to their end
	whole    int64          // how many there were

	listed  atomic.Int64 // first instant for which an answer showed it, ns of our clock
	hidden  atomic.Int64 // last instant for which a listing that should have shown it did not, ns of our clock
	blurred atomic.Int64 // last instant for which an answer showed less than the truth
}

// state is what an answer shows of a session from an instant on.
type state struct {
	status, target string
	endedAt        time.Time // the service's clock
	at             time.Time // the service's clock
	shown          time.Time // our clock
}

func (s *state) ended() bool { return s.status == "ENDED" || !s.endedAt.IsZero() }

// StartSession starts a session of the job now; a nil job stands for a new one.
func (w *Worker) StartSession(job *Job) *Session {
	return w.StartSessionAt(job, time.Time{})
}

// StartSessionAt adds an open session that began at startedAt of the service's clock (zero: now);
// answers show it from now on.
func (w *Worker) StartSessionAt(job *Job, startedAt time.Time) *Session {
	return w.AddHistory(job, startedAt, time.Time{})
}

// AddHistory adds a session that began and ended at times of the service's clock; answers show
// it from now on. A zero startedAt is now, a zero endedAt is none.
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
	s.made = c.made
	first := state{status: "STARTED", at: s.startedAt, shown: c.shown(w, now)}
	s.states = append(s.states, first)
	if !endedAt.IsZero() {
		s.endedAt = endedAt.UTC().Truncate(time.Millisecond)
		s.states = []state{first, {status: "ENDED", endedAt: s.endedAt, at: s.endedAt, shown: first.shown}}
	}
	w.sessions.insert(s.key, s)
	c.sessions[s.id] = s
	job.sessions[s.id] = s
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

// Update changes the session's lifecycle status to any text; see [Session.End] for ENDED.
func (s *Session) Update(status string) {
	s.locked(func(now time.Time) { s.alter(now, func(st *state) { st.status = status }) })
}

// SetTarget sets the target lifecycle status ENDED, as a cancellation does.
func (s *Session) SetTarget() {
	s.locked(func(now time.Time) { s.alter(now, func(st *state) { st.target = "ENDED" }) })
}

// End ends the session now; an ended session stays as it is.
func (s *Session) End() { s.locked(s.end) }

// Forget makes the service forget the session: it is in no listing and not found.
func (s *Session) Forget() { s.locked(s.forget) }

func (s *Session) locked(f func(now time.Time)) {
	c := s.worker.fleet.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.clock())
}

// alter appends the state that f makes of the last one.
func (s *Session) alter(now time.Time, f func(*state)) {
	if !s.forgotten.IsZero() {
		return
	}
	c := s.worker.fleet.farm.cloud
	next := s.states[len(s.states)-1]
	f(&next)
	next.at, next.shown = c.service(now), c.shown(s.worker, now)
	s.push(next)
}

// push appends a state; none is shown before the one before it.
func (s *Session) push(next state) {
	if last := s.states[len(s.states)-1]; next.shown.Before(last.shown) {
		next.shown = last.shown
	}
	s.states = append(s.states, next)
}

func (s *Session) end(now time.Time) {
	if !s.endedAt.IsZero() || !s.forgotten.IsZero() {
		return
	}
	c := s.worker.fleet.farm.cloud
	s.endedAt = c.service(now)
	whole := state{status: "ENDED", target: s.states[len(s.states)-1].target, endedAt: s.endedAt}
	half, delay := whole, time.Duration(-1)
	if f, ok := c.faults.change(EndWithoutTime, s.worker); ok {
		half.endedAt, delay = time.Time{}, f.Delay
	} else if f, ok := c.faults.change(EndTimeFirst, s.worker); ok {
		half.status, delay = s.states[len(s.states)-1].status, f.Delay
	}
	if delay >= 0 {
		s.alter(now, func(st *state) { *st = half })
	}
	if delay == 0 {
		return // the other half never comes
	}
	s.alter(now.Add(max(delay, 0)), func(st *state) { *st = whole })
}

func (s *Session) forget(now time.Time) {
	if !s.forgotten.IsZero() {
		return
	}
	c := s.worker.fleet.farm.cloud
	s.forgotten = now
	s.worker.sessions.remove(s.key)
	delete(c.sessions, s.id)
	delete(s.job.sessions, s.id)
	c.record.keep(c, s)
}

// shown returns the first instant at which answers show a change that is made now.
func (c *Cloud) shown(w *Worker, now time.Time) time.Time {
	if f, ok := c.faults.change(LateShow, w); ok {
		return now.Add(c.faults.upTo(f.Delay))
	}
	return now
}

// visible returns the state that the truth shows at now; nil: the session is not yet shown.
func (s *Session) visible(now time.Time) *state {
	for i := len(s.states) - 1; i >= 0; i-- {
		if !s.states[i].shown.After(now) {
			return &s.states[i]
		}
	}
	return nil
}

// look returns the state that an answer for the instant now shows, and notes that it was shown.
func (s *Session) look(now time.Time, g glance) *state {
	truth := s.visible(now)
	if truth == nil {
		return nil
	}
	seen := truth
	if truth.ended() {
		if g.ends > 0 {
			seen = s.beforeEnd(truth, now.Add(-g.ends))
		}
	} else if g.statuses > 0 {
		seen = s.visible(now.Add(-g.statuses))
	}
	if seen != truth {
		s.blur(now)
	}
	if seen == nil {
		s.hidden.Store(now.UnixNano())
	} else if s.listed.Load() == 0 {
		s.listed.CompareAndSwap(0, now.UnixNano())
	}
	return seen
}

// keptListings is how many listings are kept of a session.
const keptListings = 10

// listed notes a listing that has come to its end, for the sessions that were shown when it began and that none of its
// pages hid. An end that is asked for again is no further listing.
func (w *Worker) listed(l ListingTruth) {
	c := w.fleet.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range w.sessions.items {
		if s.visible(l.Begun) == nil || s.hidden.Load() >= l.Begun.UnixNano() {
			continue
		}
		same := func(other ListingTruth) bool { return other.By == l.By && other.Begun.Equal(l.Begun) }
		if i := slices.IndexFunc(s.listings, same); i >= 0 {
			s.listings[i].At = l.At
			continue
		}
		s.whole++
		if len(s.listings) < keptListings {
			s.listings = append(s.listings, l)
		}
	}
}

// beforeEnd returns the last open state if the end was first shown after the instant since, else
// truth. A session that was never shown open stays ended.
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

// blur notes that an answer for the instant now showed less than the truth.
func (s *Session) blur(now time.Time) {
	for n := now.UnixNano(); ; {
		old := s.blurred.Load()
		if old >= n || s.blurred.CompareAndSwap(old, n) {
			return
		}
	}
}

// glance says how far back an answer looks; zero: not at all.
type glance struct {
	ends     time.Duration // ends younger than this are not yet shown
	statuses time.Duration // open sessions are shown as they were so long ago
}
