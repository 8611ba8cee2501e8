package schedule

import (
	"math/rand/v2"
	"time"

	"farmwire/diff"
)

// Config says what to ask for and how fast.
type Config struct {
	Farms, Fleets []string                  // identifiers of the farms and fleets to poll; empty for all that can be listed
	Rate          float64                   // requests a second of all instances together, above 0
	Staleness     time.Duration             // how old the last listing of a worker may become if the budget suffices
	Discovery     time.Duration             // how often farms, fleets and workers are listed
	Shards        int                       // how many there are
	Shard         func(workerID string) int // the shard of a worker, from 0
	Random        *rand.Rand                // spreads the calls in time
}

// Schedule decides which call to make next. It is used by one goroutine.
type Schedule struct {
	config Config
	random *rand.Rand
	made   time.Time // when New was called
	budget *budget

	shards    map[int]*shard
	operation scope // ListSessionsForWorker
	farms     map[string]*farm
	farmOrder []*farm // in the order in which they became known
	fleets    map[fleetKey]*fleet
	order     []*fleet // in the order in which they became known
	targets   map[targetKey]*target
	workers   map[diff.WorkerKey]*worker

	waiting        queue                // of workers whose listings are not due yet, by when they are
	early          queue                // likewise, of those that may be listed before, if nothing else is to do
	queued         [classes]int         // workers whose listings are due, by class
	unknown        map[*worker]struct{} // those whose presence is unknown; after the first complete discovery there are none
	active         map[*worker]struct{} // those with open sessions
	unlisted       map[*worker]struct{} // those whose listings have failed failingAfter times in a row
	lookupsFailing map[*worker]struct{}
	unasked        map[*worker]struct{} // those with restored open sessions that were not asked for yet
	missing        map[*worker]struct{} // those with sessions whose queue, fleet or farm is not found
	openCount      int                  // open sessions of all workers
	backlog        []chore

	// See sweeps.go, announce.go, learn.go and strategy.go.
	strategy       Strategy
	isTight        bool // see isUrgentByStatus
	isOverloaded   bool // the budget does not suffice for a listing for each start
	sweeps         sweeps
	hazards        *hazards
	jobs           *jobs
	jobCredit      float64 // requests for listings of jobs that may turn out not to be worth it
	jobLists       []*task // listings of jobs under way
	aheadListings  aheadListings
	expected       queue   // of workers on which a session will probably begin then
	watched        int     // workers that are listed regularly
	starts         rate    // of sessions that were found
	listedStarts   rate    // of them, those that a listing of their worker has shown
	needed         rate    // calls apart from sweeps and from listings that nothing asks for
	completes      queue   // of workers of which listings stop early, by when the last complete one began
	completeCredit float64 // pages of complete listings that it is the turn of
	listingPages   mean
	unannounced    uint64
	unseen         map[diff.WorkerKey]time.Time // deleted workers of which an announced session was not seen, since when
	lost           uint64

	calls    uint64
	flights  map[uint64]*flight
	recent   []*flight     // in the order in which they were sent: those that are not slow yet, and some that have landed
	fast     [purposes]int // flights that are not slow
	slow     [purposes]int // flights that are
	again    [purposes]int // flights for what failed the last time
	listings []*task       // under way
	repeats  []*task       // lookups of which the same request is sent again
	trial    trial

	weights         [lengthCount]int // of all workers, see weigh
	longCredit      float64          // pages that workers with several may still have before others, see fairness.go
	lateAt          time.Time        // when a listing of one page last began late
	beforePage      int              // other calls that go before the next further page of a listing
	tries           int              // in scopes that fail as a whole
	sinceTry        int              // calls since the last of them
	unusedPageTurn  bool             // a call was sent although it was the turn of a further page, because none was ready
	lastWasPressing bool             // the last listing or lookup that had to choose was pressing
	sinceSpare      int              // calls since the last listing of a hidden worker, less those that its pages have cost
	spareAt         time.Time
	sinceAgain      int // calls since the last listing that failed again
	sinceBatch      int // calls since the last batch of lookups that was not full

	listHadPage bool // the last call of discovery was for a further page

	answered, farmShown bool
	firstAskedAt        time.Time
	firstList           *task // of firstCall, if there is a next page to ask for
	searched            bool
	credentials         Reason // why there are no good credentials; empty if they are good
	lastFailure         Reason
}

// New returns a Schedule that owns no shard.
func New(c Config, now time.Time) *Schedule {
	s := &Schedule{
		config:         c,
		random:         c.Random,
		made:           now,
		budget:         newBudget(c.Rate, now),
		shards:         make(map[int]*shard),
		operation:      scope{failed: make(map[*worker]struct{})},
		farms:          make(map[string]*farm),
		fleets:         make(map[fleetKey]*fleet),
		targets:        make(map[targetKey]*target),
		workers:        make(map[diff.WorkerKey]*worker),
		unknown:        make(map[*worker]struct{}),
		active:         make(map[*worker]struct{}),
		unlisted:       make(map[*worker]struct{}),
		lookupsFailing: make(map[*worker]struct{}),
		unasked:        make(map[*worker]struct{}),
		missing:        make(map[*worker]struct{}),
		flights:        make(map[uint64]*flight),

		strategy: RoundRobin, hazards: newHazards(), unseen: make(map[diff.WorkerKey]time.Time), jobs: newJobs(),
	}
	s.jobs.isOff = s.isJobOff
	s.addConfiguredTargets(now)
	return s
}

// Next returns the call to send now. If there is none, its Number is 0, and Next returns when to ask again unless something
// else is reported before; the zero time means only then.
func (s *Schedule) Next(now time.Time) (Call, time.Time) {
	s.noteSlow(now)
	c := &choice{s: s, now: now}
	var t *task
	if len(s.shards) == 0 {
		t = c.firstCall()
	} else {
		s.catchUp(now)
		s.promote(now)
		s.announceExpected(now)
		s.review(now)
		for _, q := range [...]*queue{&s.waiting, &s.early, &s.expected} {
			if p := q.first(); p != nil {
				c.wait(s.timeOf(p.key))
			}
		}
		t = c.choose()
	}
	if t == nil && s.isBehind(now) {
		c.wait(now.Add(backlogPause))
	}
	if t == nil {
		return Call{}, c.wake
	}
	return s.send(t, now), now
}

// choice is the choice of one call.
type choice struct {
	s     *Schedule
	now   time.Time
	wake  time.Time // when something may be sent that cannot be sent now; zero if nothing is known of
	ready [kinds]time.Time

	isUnswept bool // see regularUnswept
	isHeld    bool // a listing waits for the next request that the pace of its operation soon allows
}

// wait notes that something may be sent then. It ignores times that have passed.
func (c *choice) wait(then time.Time) {
	if then.After(c.now) {
		c.wake = soonest(c.wake, then)
	}
}

// can reports whether the budget and the places in flight allow a call of the kind.
func (c *choice) can(k Kind) bool {
	if c.ready[k].IsZero() {
		c.ready[k] = c.s.budget.ready(k, c.now)
	}
	if c.ready[k].After(c.now) {
		c.wait(c.ready[k])
		return false
	}
	return c.hasPlace(k.purpose())
}

// choose returns what goes first.
//
// Lookups of which the same request is sent again, and then the open sessions that were restored, go before everything else.
// A listing under way has every second request. The rest is for discovery, which has a budget of its own; for pressing calls
// and other due listings in turn; and for what nobody waits for: a second listing of a worker while others of its shard wait
// for their first, workers whose last listing failed, and hidden workers. Of these, the last two have their turn even if
// others are always due.
func (c *choice) choose() *task {
	if t := c.repeated(); t != nil {
		return t
	}
	if t := c.restored(); t != nil {
		return t
	}
	var page *task
	if len(c.s.listings) > 0 {
		page = c.nextPage()
	}
	if page != nil && c.s.beforePage == 0 {
		c.s.beforePage = page.others()
		return page
	}
	t := c.other()
	if t == nil && page == nil && !c.mayBeginLong() && c.can(ListSessionsForWorker) {
		c.s.unusedPageTurn = true // all pages are in flight, and a request would be lost
		t = c.other()
	}
	if t != nil {
		c.s.noteOther(t)
		return t
	}
	if page != nil {
		c.s.beforePage = page.others()
	}
	return page
}

// noteOther notes that a call is sent that is not for a further page.
func (s *Schedule) noteOther(t *task) {
	if s.beforePage == 0 && s.isLongUnderWay() {
		s.unusedPageTurn = true
	}
	s.beforePage = max(0, s.beforePage-1)
	if t.worker != nil && t.worker.length() != short {
		s.beforePage, s.unusedPageTurn = t.others(), false // its first page
	}
}

// other returns what goes first apart from further pages.
func (c *choice) other() *task {
	for _, next := range [...]func() *task{
		c.discovery, c.nextTrial, c.resumption, c.failingInTurn, c.spareInTurn, c.againInTurn,
		c.sweepInTurn, c.completeInTurn, c.floorInTurn, c.jobListing, c.pressingOrRegular,
		func() *task { return c.list(second) }, c.anyBatch, c.tryFailing, c.anyAgain, c.anySpare, c.ahead, c.sweep,
	} {
		if t := next(); t != nil {
			c.s.count(t)
			c.s.noteSweep(t)
			return t
		}
	}
	return nil
}

// count counts a call for the turns of what has one only every so many calls.
func (s *Schedule) count(t *task) {
	s.sinceSpare++
	s.sinceAgain++
	s.sinceTry++
	s.sinceBatch++
	switch {
	case len(t.workers) > 0 && t.kind != BatchGetWorker && len(t.sessions) < batchSize:
		s.sinceBatch = 0
	case t.spare:
		s.sinceSpare = 0
	}
}
