package farmtest

import (
	"time"
)

// answer is a response before it is sent.
type answer struct {
	failure      *failure // nil if the call succeeded
	body         []byte
	date         time.Time // Date header, in the service's clock
	completed    *Worker   // the worker whose sessions are completely listed with this answer; nil if there is none
	listingBegan time.Time // when that listing's first page was answered, in our clock
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
	p := &page{req: req, fired: fired, faults: c.faults, now: now}
	if f, ok := fired.find(StaleEnds); ok {
		p.staleness.ends = c.faults.upTo(f.Delay)
	}
	if f, ok := fired.find(StaleStatuses); ok {
		p.staleness.statuses = c.faults.upTo(f.Delay)
	}
	a.body, a.failure = c.body(p)
	if p.completed != nil && !p.fired.unusable() {
		a.completed, a.listingBegan = p.completed, time.Unix(0, p.begun()).UTC()
	}
	return a
}

// body returns the body of the answer, or the error that the request deserves.
func (c *Cloud) body(p *page) ([]byte, *failure) {
	req := p.req
	switch req.operation {
	case ListFarms:
		return writePage(nil, p, &c.farms, existing(c, appendFarm), skipAny), nil
	case BatchGetSession:
		return c.batch(p), nil
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
	}
	fleet := farm.fleetByID[req.fleetID]
	if fleet == nil || c.deleted[fleet.id] {
		return nil, notFound("fleet", req.fleetID)
	}
	if req.operation == ListWorkers {
		return writePage(make([]byte, 0, 400*min(req.size, len(fleet.workers.items))+256), p, &fleet.workers, appendWorker, skipAny), nil
	}
	worker := fleet.workerByID[req.workerID]
	if worker == nil {
		return nil, notFound("worker", req.workerID)
	}
	return c.listSessions(p, worker), nil
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

func (c *Cloud) listSessions(p *page, w *Worker) []byte {
	t := target{operation: ListSessionsForWorker, fleet: w.fleet, fleetID: w.fleet.id, workerID: w.id, page: p.req.page}
	hides := c.faults.any(perEntry)
	// hide reports whether the fault may hide the session. If so, it records that the session was hidden.
	hide := func(s *Session, f Fault) bool {
		if s.states[0].shown.After(p.now.Add(-f.Delay)) {
			return false
		}
		s.noteIncomplete(p.now)
		s.missingUntil.Store(p.now.UnixNano())
		return true
	}
	entry := func(b []byte, s *Session) []byte {
		if hides && s.visible(p.now) != nil {
			if f, ok := c.faults.entry(t, Missing); ok && hide(s, f) {
				return nil
			}
		}
		st := s.show(p.now, p.staleness)
		if st == nil {
			return nil
		}
		return appendSummary(b, s, st)
	}
	b := writePage(make([]byte, 0, 320*min(p.req.size, len(w.sessions.items))+256), p, &w.sessions, entry, hide)
	if p.last && p.req.token.kind == tokenPlain { // listings with other tokens end before they have shown everything
		p.completed = w
	}
	return b
}

// find returns a session and the state that this answer shows. If there is none, it returns the kind and the
// identifier of the resource that does not exist.
func (c *Cloud) find(p *page, id identifier) (s *Session, st *state, kind, missing string) {
	if kind, missing := c.deletedPart(id); kind != "" {
		return nil, nil, kind, missing
	}
	if c.farmByID[id.FarmID] == nil {
		return nil, nil, "farm", id.FarmID
	}
	if job := c.jobs[id.JobID]; job == nil || job.farm.id != id.FarmID {
		return nil, nil, "job", id.JobID
	} else if job.queueID != id.QueueID {
		return nil, nil, "queue", id.QueueID
	}
	s = c.sessions[id.SessionID]
	if s == nil || s.job.id != id.JobID {
		return nil, nil, "session", id.SessionID
	}
	if st = s.show(p.now, p.staleness); st == nil {
		return nil, nil, "session", id.SessionID
	}
	return s, st, "", ""
}

func (c *Cloud) session(p *page) ([]byte, *failure) {
	s, st, kind, missing := c.find(p, p.req.identifier)
	if s == nil {
		return nil, notFound(kind, missing)
	}
	return p.withUnknown(appendSession(nil, s, st, false)), nil
}

func (c *Cloud) batch(p *page) []byte {
	b := make([]byte, 0, 700*len(p.req.identifiers)+64)
	b = append(b, `{"sessions":[`...)
	errors := []byte(`],"errors":[`)
	for _, id := range p.req.identifiers {
		s, st, kind, missing := c.find(p, id)
		if s == nil {
			errors = appendItemError(errors, id, "ResourceNotFoundException", notFoundMessage(kind, missing))
			continue
		}
		t := target{operation: BatchGetSession, fleet: s.worker.fleet, fleetID: s.worker.fleet.id, workerID: s.worker.id}
		f, struck := c.faults.entry(t, ItemServerError, ItemInvalid, ItemElsewhere, ItemUnknownCode, ItemOmitted)
		if struck {
			errors = f.Kind.appendItem(errors, id)
			continue
		}
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = p.withUnknown(appendSession(b, s, st, true))
	}
	b = append(b, errors...)
	return p.withUnknown(append(b, "]}"...))
}

// withUnknown adds an undocumented member to the object at the end of b, if the fault UnknownFields applies.
func (p *page) withUnknown(b []byte) []byte {
	if !p.fired.has(UnknownFields) {
		return b
	}
	b = append(appendName(b[:len(b)-1], "comingSoon"), `{"a":[1,null,{}]}`...)
	return append(b, '}')
}

// appendItem appends the error that the fault puts in the place of a session. ItemOmitted appends nothing.
func (k Kind) appendItem(b []byte, id identifier) []byte {
	switch k {
	case ItemServerError:
		return appendItemError(b, id, "InternalServerErrorException", "An internal error occurred.")
	case ItemInvalid:
		return appendItemError(b, id, "ValidationException", "The identifier is not valid.")
	case ItemElsewhere:
		return appendItemError(b, id, "ResourceNotFoundException", notFoundMessage("queue", id.QueueID))
	case ItemUnknownCode:
		return appendItemError(b, id, "ConflictException", "The resource is being changed.")
	default:
		return b
	}
}

func appendItemError(b []byte, id identifier, code, message string) []byte {
	if b[len(b)-1] != '[' {
		b = append(b, ',')
	}
	b = appendMember(append(b, '{'), "farmId", id.FarmID)
	b = appendMember(b, "queueId", id.QueueID)
	b = appendMember(b, "jobId", id.JobID)
	b = appendMember(b, "sessionId", id.SessionID)
	b = appendMember(b, "code", code)
	return append(appendMember(b, "message", message), '}')
}
