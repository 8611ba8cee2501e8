package simulation

import (
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

// Index is a scheduler to compare with: at each time it sends the request that removes the largest delay that it can expect
// of a request. It goes through all workers, open sessions and jobs for that, and knows what the product has to learn: how
// often a worker's sessions start, and how the lengths of sessions are distributed. It knows nothing of what is or will be
// but by the answers that it got. It sends its requests at equal distances, and knows no back-off and no pauses.
//
// A request about something that happens at rate r, and was asked about a time t ago, is worth r·t²/2: for such a request
// this is the price of a request at which asking now is as good as asking later. What is known to have happened is worth
// more with every second that it waits.
type Index struct {
	truth     *world // its rates and distributions; it is not made further than at the start
	lengths   [queues]hazards
	short     float64 // the share of the sessions that come and go between two heartbeats
	starts    float64 // a second, of all workers
	rate      float64
	number    uint64 // of the last call
	sendAt    time.Time
	discovery discovery
	pages     []schedule.Call // those of lists under way that can be sent
	workers   map[diff.WorkerKey]*indexed
	order     []*indexed // the workers, by when they were first shown
	sessions  map[string]*indexedSession
	jobs      map[schedule.Job]*indexedJob
	jobOrder  []*indexedJob // by when they were first shown
	finds     decaying      // of starts
	waiting   float64       // starts that are expected not to be known, as of the last choice
	unlisted  time.Duration // how long those that are announced have waited, on average; likewise

	valuedWorkers  []valued[*indexed] // reused in every choice
	valuedSessions []valued[*indexedSession]
}

const (
	batch = 100 // workers or sessions of a request
	// newsAfter is how long after an end a status says something about the next session: before, it may be an older one.
	newsAfter = heartbeat + survivedGap
	// viaStatus is about how long a start waits at least that is to be announced by a status.
	viaStatus = 15 * time.Second
	// atOnce is what a start is worth that is announced, more than it has waited.
	atOnce = 60 * time.Second
	// longestUnlisted is longer than most simulations, so that it only ends those in which a start is very well hidden.
	longestUnlisted = 3 * time.Hour
)

// NewIndex returns an Index for a configuration with its defaults. It does best with a Config.Discovery of some minutes, or of
// one where workers come and go.
func NewIndex(c Config, now time.Time) *Index {
	x := &Index{
		truth: newWorld(c), rate: c.Rate, sendAt: now, discovery: discovery{rate: c.Rate, every: c.Discovery},
		workers: make(map[diff.WorkerKey]*indexed), sessions: make(map[string]*indexedSession),
		jobs: make(map[schedule.Job]*indexedJob),
	}
	for queue := range x.lengths {
		x.lengths[queue] = hazardsOf(x.truth, queue)
		x.short += unreported(x.truth, queue) / queues
	}
	for _, f := range x.truth.fleets {
		for _, w := range f.workers {
			session, gap := x.truth.rhythm(w)
			x.starts += float64(max(1, w.streams)) / (session + gap).Seconds()
		}
	}
	return x
}

// Next returns the call to send now, or when to ask again.
func (x *Index) Next(now time.Time) (schedule.Call, time.Time) {
	if x.sendAt.After(now) {
		return schedule.Call{}, x.sendAt
	}
	apart := time.Duration(float64(time.Second) / x.rate)
	c, wake := x.discovery.next(now)
	if c.Kind == 0 {
		c = x.choose(now)
	}
	if c.Kind == 0 {
		return schedule.Call{}, soonest(wake, now.Add(apart))
	}
	x.number++
	c.Number = x.number
	if c.List == 0 {
		c.List = c.Number
	}
	x.sendAt = now.Add(apart)
	return c, time.Time{}
}

// choose returns the call that is worth most, without its number. A call without a kind is none.
func (x *Index) choose(now time.Time) schedule.Call {
	if len(x.pages) > 0 {
		c := x.pages[0]
		x.pages = x.pages[1:]
		return c
	}
	listing, worth := x.bestListing(now)
	c := schedule.Call{Shards: []int{0}, Page: 1}
	if listing != nil {
		c.Kind, c.Worker = schedule.ListSessionsForWorker, listing.key
	}
	job, of := x.bestJob(now)
	if of > worth {
		c.Kind, worth, c.Job = schedule.ListSessions, of, job.key
	}
	statuses, of := x.bestStatuses(now)
	if of > worth {
		c.Kind, worth = schedule.BatchGetWorker, of
	}
	open, of := x.bestSessions(now)
	if of > worth {
		c.Kind, worth = schedule.BatchGetSession, of
	}
	switch c.Kind {
	case schedule.ListSessionsForWorker:
		listing.busy = true
	case schedule.ListSessions:
		job.begin(now, x)
	case schedule.BatchGetWorker:
		for _, w := range statuses {
			w.busy = true
			c.Workers = append(c.Workers, w.key)
		}
	case schedule.BatchGetSession:
		for _, s := range open {
			s.worker.busy = true
			c.Sessions = append(c.Sessions, s.Session)
		}
	}
	if c.Kind != schedule.ListSessionsForWorker {
		c.Worker = diff.WorkerKey{}
	}
	return c
}

// Done takes in what came of a call.
func (x *Index) Done(c schedule.Call, a schedule.Answer, now time.Time) schedule.Outcome {
	o := schedule.Outcome{Stage: schedule.Complete}
	switch isList := c.Kind == schedule.ListSessionsForWorker || c.Kind == schedule.ListSessions; {
	case isList && a.Reason == schedule.Throttled:
		x.pages = append(x.pages, c)
		return schedule.Outcome{}
	case a.Reason != "" && a.NotFound != "worker":
		o = schedule.Outcome{Stage: schedule.Discarded, Reason: a.Reason}
	}
	switch c.Kind {
	case schedule.ListSessionsForWorker:
		return x.listed(c, a, o)
	case schedule.ListSessions:
		return x.jobListed(c, a, o, now)
	case schedule.BatchGetWorker:
		x.statusesShown(c, a, now)
		return o
	case schedule.BatchGetSession:
		x.lookedUp(c, a)
		return o
	}
	for _, w := range a.Workers {
		x.shown(diff.WorkerKey{FarmID: c.Farm, FleetID: c.Fleet, WorkerID: w.ID}, w.Status.Status, a.Sent, now)
	}
	o, complete := x.discovery.done(c, a)
	if complete {
		x.dropMissing()
	}
	return o
}

// listed takes in a page of a worker's listing. It is stopped where the order is newest first, and the page has a session that
// was known to have ended: those that follow are older.
func (x *Index) listed(c schedule.Call, a schedule.Answer, o schedule.Outcome) schedule.Outcome {
	w := x.workers[c.Worker]
	if o.Stage == schedule.Discarded {
		w.busy = false
		return o
	}
	if c.Page == 1 {
		w.listing = a.Sent
	}
	x.take(a, nil)
	switch {
	case a.NotFound == "worker":
		w.gone, o.NoSuchWorker = true, true
	case a.Next == "":
	case a.NewestFirst && len(a.Sessions) < pageSize:
		o.Stage = schedule.Stopped
	default:
		c.Page, c.Token = c.Page+1, a.Next
		x.pages = append(x.pages, c)
		return schedule.Outcome{Stage: schedule.UnderWay}
	}
	w.pages, w.listedAt, w.announced = c.Page, w.listing, false
	w.idle, w.idleFrom = 0, w.listing
	return o
}

// statusesShown takes in the answer of BatchGetWorker.
func (x *Index) statusesShown(c schedule.Call, a schedule.Answer, now time.Time) {
	for _, key := range c.Workers {
		w := x.workers[key]
		w.busy = false
		if status, ok := a.Statuses[key]; ok {
			w.statusShown(status.Status, a.Sent, now)
		}
	}
	for _, key := range a.Gone {
		x.workers[key].gone = true
	}
}

// lookedUp takes in the answer of BatchGetSession.
func (x *Index) lookedUp(c schedule.Call, a schedule.Answer) {
	if a.Reason != "" {
		for _, s := range c.Sessions {
			x.workers[s.WorkerKey].busy = false
		}
		return
	}
	x.take(a, nil)
}

// Committed takes in what is known of a worker.
func (x *Index) Committed(k schedule.Known, _ time.Time) {
	w := x.workers[k.Worker]
	wasIdle := len(w.open) == 0
	w.busy, w.open = false, w.open[:0]
	for _, s := range k.Open {
		w.open = append(w.open, x.session(w, s))
	}
	switch isIdle := len(w.open) == 0; {
	case wasIdle && !isIdle:
		w.idle += max(0, w.open[0].StartedAt.Sub(w.idleFrom))
	case isIdle && !wasIdle:
		w.idleFrom = latest(w.endedAt, w.idleFrom)
	}
}
