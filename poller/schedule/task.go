package schedule

import (
	"slices"
	"time"

	"farmwire/diff"
)

const (
	maxAttempts     = 3                      // of one request
	firstPause      = 100 * time.Millisecond // between two attempts, doubled after each
	longestPause    = 10 * time.Second       // between two attempts; if Retry-After is longer, the task fails instead
	longestThrottle = 30 * time.Second       // between two attempts of a request that was throttled several times
	longestBreak    = 2 * time.Minute        // between two pages of a list; after more the list begins anew
	batchSize       = 100                    // the most sessions that BatchGetSession takes
	maxPages        = 1000                   // of one list
	unknownPages    = 100                    // the limit after an endless listing, if none was ever complete
	failingAfter    = 3                      // failures in a row after which a listing, lookup or list of discovery counts as failing
)

// task is one thing to learn, by one call or several: a list of one or more pages, or a lookup.
type task struct {
	kind      Kind
	list      uint64 // see Call.List
	shards    []int  // see Call.Shards
	target    *target
	farm      *farm          // of a lookup, and of BatchGetWorker and ListSessions
	job       Job            // of ListSessions
	worker    *worker        // of a listing
	workers   []*worker      // of a lookup, and of BatchGetWorker
	sessions  []diff.Session // of a lookup
	trial     bool           // see trial.go
	spare     bool           // a listing of a hidden worker
	again     bool           // see Call.Again
	untilFarm bool           // see firstCall
	announced bool           // of a listing: something had announced a session
	urgent    bool           // of a listing: the worker was urgent
	ahead     bool           // a listing that is sent ahead of time, see ahead.go
	regular   bool           // of a listing: nothing asks for it but the time since the last one
	patient   bool           // of a listing: it is complete only because others of its worker are not, see short.go
	complete  bool           // of a listing: it is read to its end, see short.go
	shown     []diff.Session // of a listing: see Answer.Sessions
	news      int            // of ListSessions: how many sessions were new
	hoped     float64        // of ListSessions: how many were expected

	page      int // of a list, from 1: the one that is asked for next, or that is in flight
	limit     int // how many pages it may have
	token     string
	failures  int // of the current request, in a row
	throttled int // how often the current request was throttled
	inFlight  bool
	sent      time.Time // the last request
	notBefore time.Time // the next request
	answered  time.Time // when the page before was answered, or the first request was sent
}

// flight is a call in flight.
type flight struct {
	number    uint64
	task      *task
	sent      time.Time
	isSlow    bool
	hasLanded bool
}

// send makes the next call of a task.
func (s *Schedule) send(t *task, now time.Time) Call {
	s.calls++
	if t.list == 0 {
		t.list, t.answered = s.calls, now
	}
	t.inFlight, t.sent = true, now
	s.budget.take(t.kind, now)
	s.noteShares(t, now)
	s.fly(&flight{number: s.calls, task: t, sent: now})
	c := Call{Number: s.calls, List: t.list, Kind: t.kind, Page: t.page, Token: t.token, Sessions: t.sessions, Shards: t.shards, Again: t.again}
	if t.target != nil {
		c.Farm, c.Fleet = t.target.farm, t.target.fleet
	}
	if w := t.worker; w != nil {
		c.Worker = w.Worker
		s.pay(t)
	}
	c.Job = t.job
	if t.kind == BatchGetWorker {
		for _, w := range t.workers {
			c.Workers = append(c.Workers, w.Worker)
		}
	}
	return c
}

// Done takes in what came of a call. Every call of Next must be reported once. A call that the poller gave up has the reason
// Cancelled.
func (s *Schedule) Done(c Call, a Answer, now time.Time) Outcome {
	f := s.flights[c.Number]
	if f == nil {
		return Outcome{Stage: Discarded, Reason: Other, Ignored: true}
	}
	s.land(f)
	t := f.task
	t.inFlight = false
	s.noteAnswer(t, a, now)
	if s.isRepeated(t, a, now) {
		return Outcome{Stage: UnderWay, Reason: a.Reason, Ignored: s.isIgnored(t)}
	}
	if t.untilFarm {
		s.firstList = nil
	}
	if a.Reason == "" && a.Next != "" && s.isEnough(t, a) {
		return s.taskDone(t, a, now)
	}
	if a.Reason == "" && a.Next != "" && t.page > 0 && !(t.untilFarm && s.farmShown) {
		if a.Reason = s.turnPage(t, a, now); a.Reason == "" {
			return s.pageDone(t, a, now)
		}
	}
	return s.taskDone(t, a, now)
}

// noteAnswer takes in what an answer says to all calls of its operation.
func (s *Schedule) noteAnswer(t *task, a Answer, now time.Time) {
	switch a.Reason {
	case "":
		s.answered = true
		s.farmShown = s.farmShown || t.kind != ListFarms || len(a.Farms) > 0
		s.credentials = ""
	case Denied, ResourceNotFound:
		s.credentials = ""
	case Credentials, Unfetched:
		s.credentials = a.Reason
		s.budget.pauseAll(now, credentialPause)
	}
	switch {
	case a.Reason == Throttled:
		s.budget.throttled(t.kind, a.Sent, a.RetryAfter, now)
	case a.Reason == ServerError && a.RetryAfter > 0:
		s.budget.pause(t.kind, a.RetryAfter, now)
	case a.Reason != Cancelled && !a.Sent.IsZero():
		s.budget.answered(t.kind, a.Sent, now)
	}
	if a.Reason != "" && a.Reason != Cancelled {
		s.lastFailure = a.Reason
	}
}

// isRepeated reports whether the same request is sent again, and then prepares it. That a request was throttled is no attempt.
// What failed the last time, too, has only one attempt, and so has what belongs to something of which much fails or hangs.
func (s *Schedule) isRepeated(t *task, a Answer, now time.Time) bool {
	if s.isIgnored(t) || t.untilFarm || t.kind == BatchGetWorker || t.hasDropped() || len(t.workers) > 0 && a.Reason == Throttled {
		return false
	}
	if a.Reason == Throttled {
		if t.throttled++; t.throttled > 1 { // it may be throttled by itself, and must not slow down the others
			t.notBefore = now.Add(min(longestThrottle, firstPause<<min(t.throttled, 10)))
		}
		return now.Add(a.RetryAfter).Sub(t.answered) < longestBreak && !t.trial
	}
	if !a.Reason.isTransient() || t.again || s.isSuspect(t) {
		return false
	}
	if t.failures++; t.failures >= maxAttempts || a.RetryAfter > longestPause {
		return false
	}
	pause := jitter(firstPause<<(t.failures-1), s.random.Float64())
	t.notBefore = now.Add(max(pause, a.RetryAfter))
	if len(t.workers) > 0 {
		s.repeats = append(s.repeats, t)
	}
	return true
}

// isSuspect reports whether much of what a task asks about fails or hangs.
func (s *Schedule) isSuspect(t *task) bool {
	if t.worker != nil {
		return t.worker.fleet.isSuspect()
	}
	return s.slow[t.kind.purpose()] >= suspectSlow
}

// isIgnored reports whether nobody waits for the task any more.
func (s *Schedule) isIgnored(t *task) bool {
	switch {
	case t.worker != nil:
		return t.worker.activity == dropped
	case t.target != nil:
		return t.target.task != t || s.targets[t.target.targetKey] != t.target
	case t.trial:
		return true
	case t.kind == ListSessions:
		return !slices.Contains(s.jobLists, t)
	}
	return !slices.ContainsFunc(t.workers, func(w *worker) bool { return w.activity != dropped })
}

// turnPage prepares the request for the next page. It returns why the list is discarded, if it has too many pages.
func (s *Schedule) turnPage(t *task, a Answer, now time.Time) Reason {
	if t.page >= t.limit {
		return TooManyPages
	}
	t.page++
	t.token, t.failures, t.throttled, t.answered = a.Next, 0, 0, now
	t.notBefore = time.Time{}
	return ""
}

// pageDone takes in a page after which others follow.
func (s *Schedule) pageDone(t *task, a Answer, now time.Time) Outcome {
	if t.untilFarm && len(s.shards) == 0 {
		s.firstList = t
		return Outcome{Stage: UnderWay, Ignored: true}
	}
	if s.isIgnored(t) {
		return Outcome{Stage: Discarded, Reason: Cancelled, Ignored: true}
	}
	o := Outcome{Stage: UnderWay}
	switch {
	case t.worker != nil:
		o.Notes = s.listingSucceeded(t.worker, t.sent, now)
		s.takeSample(a.Sample)
		s.takeShown(t, a)
	case t.kind == ListSessions:
		s.jobPage(t, a, now, &o)
	case t.target != nil:
		s.showPage(t, a, now, &o)
	}
	return o
}

// taskDone takes in the last answer to a task.
func (s *Schedule) taskDone(t *task, a Answer, now time.Time) Outcome {
	o := Outcome{Stage: Complete, Ignored: s.isIgnored(t)}
	switch {
	case a.Reason != "":
		o.Stage, o.Reason = Discarded, a.Reason
	case a.Next != "" && (t.worker != nil || t.kind == ListSessions):
		o.Stage = Stopped
	}
	switch {
	case t.trial:
		s.trialDone(t, a, now, &o)
	case t.worker != nil:
		s.removeListing(t)
		if !o.Ignored {
			s.listingDone(t, a, now, &o)
		}
	case t.target != nil:
		if !o.Ignored {
			s.discoveryDone(t, a, now, &o)
		}
	case t.kind == BatchGetWorker:
		s.statusesDone(t, a, now, &o)
	case t.kind == ListSessions:
		if !o.Ignored {
			s.jobDone(t, a, now, &o)
		}
	default:
		s.lookupsDone(t, a, now, &o)
	}
	return o
}

// removeListing takes a listing out of those that are under way.
func (s *Schedule) removeListing(t *task) {
	if i := slices.Index(s.listings, t); i >= 0 {
		s.listings = slices.Delete(s.listings, i, i+1)
	}
}
