package farmtest

import (
	"time"
)

// answer is a response before it is sent.
type answer struct {
	failure      *failure // nil if the call succeeded
	body         []byte
	date         time.Time // Date header, in the service's clock
	instant      time.Time // that it shows, in our clock; zero if it shows nothing
	damaged      bool      // a client must discard the page, or a part of the batch
	complete     bool      // it is the last page of a listing
	ids          []string  // of what it shows, if there is a request file
	completed    *Worker   // the worker whose sessions are completely listed with this answer; nil if there is none
	listingBegan time.Time // of a listing: when its first page was answered, in our clock
}

// answer computes the answer to a request as of one instant, under the model's lock.
func (c *Cloud) answer(req *request, fired firedFaults) answer {
	c.mu.RLock()
	defer c.mu.RUnlock()
	now := c.clock()
	a := answer{date: now.Add(c.skew).UTC()}
	if a.failure = fired.failureOf(req, a.date); a.failure != nil {
		return a
	}
	p := &page{req: req, fired: fired, faults: c.faults, now: now, keepsIDs: c.keepsRequests}
	if f, ok := fired.find(StaleEnds); ok {
		p.staleness.ends = c.faults.upTo(f.Delay)
	}
	if f, ok := fired.find(StaleStatuses); ok {
		p.staleness.statuses = c.faults.upTo(f.Delay)
	}
	a.body, a.failure = c.body(p)
	if a.failure == nil {
		a.instant, a.damaged, a.ids = now, p.unusable(), p.ids
		a.complete = p.last && req.token.kind == tokenPlain && !a.damaged
		a.listingBegan = time.Unix(0, p.begun()).UTC()
	}
	if p.completed != nil && !a.damaged {
		a.completed = p.completed
	}
	return a
}

// body returns the body of the answer, or the error that the request deserves.
func (c *Cloud) body(p *page) ([]byte, *failure) {
	req := p.req
	switch req.operation {
	case ListFarms:
		return writePage(nil, p, &c.farms, existing(c, appendFarm), skipAny), nil
	case BatchGetWorker:
		return writeBatch(p, req.workers, c.workerItem), nil
	case BatchGetSession:
		return writeBatch(p, req.sessions, c.sessionItem), nil
	}
	farm := c.farmByID[req.farmID]
	if farm == nil || c.deleted[farm.id] {
		return nil, notFound("farm", req.farmID)
	}
	switch req.operation {
	case ListFleets:
		return writePage(nil, p, &farm.fleets, existing(c, req.fleet), skipAny), nil
	case GetSession:
		return c.session(p)
	case ListSessions:
		return c.listJob(p)
	}
	fleet := farm.fleetByID[req.fleetID]
	if fleet == nil || c.deleted[fleet.id] {
		return nil, notFound("fleet", req.fleetID)
	}
	if req.operation == ListWorkers {
		return writePage(make([]byte, 0, 400*min(req.size, len(fleet.workers.items))+256), p, &fleet.workers, p.worker, skipAny), nil
	}
	worker := fleet.workerByID[req.workerID]
	if worker == nil {
		return nil, notFound("worker", req.workerID)
	}
	b := c.listSessions(p, &worker.sessions, appendSummary)
	if p.last && req.token.kind == tokenPlain { // listings with other tokens end before they have shown everything
		p.completed = worker
	}
	return b, nil
}

// fleet appends a fleet, or returns nil if the query filters it out.
func (req *request) fleet(b []byte, f *Fleet) []byte {
	if want := req.query.Get("status"); want != "" && want != f.status {
		return nil
	}
	if want := req.query.Get("displayName"); want != "" && want != f.name {
		return nil
	}
	return appendFleet(b, f)
}

// worker appends a worker with the status that this answer shows.
func (p *page) worker(b []byte, w *Worker) []byte {
	return appendWorker(b, w, w.show(p.now, p.staleness))
}

// listJob lists the sessions of a job. A job has those of deleted workers, too.
func (c *Cloud) listJob(p *page) ([]byte, *failure) {
	id := p.req.sessionIdentifier
	if kind, missing := c.deletedPart(id); kind != "" {
		return nil, notFound(kind, missing)
	}
	job, kind, missing := c.job(id)
	if job == nil {
		return nil, notFound(kind, missing)
	}
	return c.listSessions(p, &job.sessions, appendJobSummary), nil
}

// listSessions lists sessions. The function summary appends one as the operation shows it.
func (c *Cloud) listSessions(p *page, list *ordered[*Session], summary func([]byte, *Session, *state) []byte) []byte {
	hides := c.faults.any(perEntry)
	// hide reports whether the fault may hide the session. If so, it records that the session was hidden.
	hide := func(s *Session, f Fault) bool {
		if s.states[0].shown.After(p.now.Add(-f.Delay)) {
			return false
		}
		s.noteHidden(p)
		return true
	}
	entry := func(b []byte, s *Session) []byte {
		if c.deleted[s.worker.fleet.id] {
			return nil
		}
		if hides && s.visible(p.now) != nil {
			if f, ok := c.faults.entry(s.target(p), Missing); ok && hide(s, f) {
				return nil
			}
		}
		st := s.show(p)
		if st == nil {
			return nil
		}
		return summary(b, s, st)
	}
	return writePage(make([]byte, 0, 320*min(p.req.size, len(list.items))+256), p, list, entry, hide)
}

// find returns a session and the state that this answer shows. If there is none, it returns the kind and the
// identifier of the resource that does not exist.
func (c *Cloud) find(p *page, id sessionIdentifier) (s *Session, st *state, kind, missing string) {
	if kind, missing := c.deletedPart(id); kind != "" {
		return nil, nil, kind, missing
	}
	job, kind, missing := c.job(id)
	if job == nil {
		return nil, nil, kind, missing
	}
	s = c.sessions[id.SessionID]
	if s == nil || s.job != job {
		return nil, nil, "session", id.SessionID
	}
	if st = s.show(p); st == nil {
		return nil, nil, "session", id.SessionID
	}
	return s, st, "", ""
}

// job returns the job that a session's identifier names. If there is none, it returns the kind and the identifier of the
// resource that does not exist.
func (c *Cloud) job(id sessionIdentifier) (j *Job, kind, missing string) {
	if c.farmByID[id.FarmID] == nil {
		return nil, "farm", id.FarmID
	}
	j = c.jobs[id.JobID]
	if j == nil || j.farm.id != id.FarmID {
		return nil, "job", id.JobID
	}
	if j.queueID != id.QueueID {
		return nil, "queue", id.QueueID
	}
	return j, "", ""
}

func (c *Cloud) session(p *page) ([]byte, *failure) {
	s, st, kind, missing := c.find(p, p.req.sessionIdentifier)
	if s == nil {
		return nil, notFound(kind, missing)
	}
	p.noteShown(s.id)
	return p.withUnknown(appendSession(nil, s, st, false)), nil
}
