package schedule

import "time"

// What is left of the budget lists ahead of time: workers in turn, and the jobs that start sessions most often. A listing of such a
// job shows starts before a heartbeat announces them, second sessions on a worker, and ends. Most of these requests go to workers or to
// jobs, whichever has shown more new sessions a page.

const (
	shortestRest   = time.Second            // between two listings of a worker
	shortestJob    = 500 * time.Millisecond // between two listings of a job
	otherAheadTurn = 5                      // every fifth listing ahead of time is of the kind that has shown less
	leastPromise   = 0.01                   // new sessions a page; a job that promises less is over
	longestHold    = time.Second            // a listing that waits for its turn keeps others from being sent ahead of time
)

// aheadListings is what the Schedule knows of the listings ahead of time.
type aheadListings struct {
	turns     int
	ofWorkers mean // new sessions a page
	ofJobs    mean // likewise
}

// ahead returns a listing that is not due yet, if nothing else is to do.
func (c *choice) ahead() *task {
	a := &c.s.aheadListings
	first, second := c.jobAhead, c.workerAhead
	if isOtherTurn := a.turns%otherAheadTurn == 0; (a.ofJobs.value() < a.ofWorkers.value()) != isOtherTurn {
		first, second = second, first
	}
	t := first()
	if t == nil {
		t = second()
	}
	if t != nil {
		a.turns++
		t.ahead, t.regular = true, true
	}
	return t
}

// workerAhead returns the listing of the worker that is due first.
func (c *choice) workerAhead() *task {
	if p := c.regular(); p != nil && c.can(ListSessionsForWorker) {
		return c.s.beginListing(p.worker, c.now)
	}
	p := c.s.early.first()
	if p == nil || !c.mayBeginLong() || !c.admits(p.worker.fleet) {
		return nil
	}
	if at := p.worker.listingBegun.Add(shortestRest); at.After(c.now) {
		c.wait(at)
		return nil
	}
	if !c.can(ListSessionsForWorker) {
		return nil
	}
	return c.s.beginListing(p.worker, c.now)
}

// jobAhead returns the listing of the job that promises most.
func (c *choice) jobAhead() *task {
	if c.isHeld || len(c.s.jobLists) >= jobPlaces-1 || !c.can(ListSessions) { // one place is for what waits
		return nil
	}
	job, next, ok := c.s.jobs.ahead(c.now)
	if !ok {
		c.wait(next)
		return nil
	}
	return c.s.beginJob(job, 0, c.now)
}

// noteAhead takes in how many new sessions a listing has shown that was sent ahead of time.
func (s *Schedule) noteAhead(t *task, news int) {
	if !t.ahead {
		return
	}
	m := &s.aheadListings.ofWorkers
	if t.kind == ListSessions {
		m = &s.aheadListings.ofJobs
	}
	m.add(float64(news) / float64(t.page))
}
