package farmtest

import (
	"time"
)

// answer is what is sent back.
type answer struct {
	failure *failure // nil: body is the answer
	body    []byte
	date    time.Time // the service's clock
	ends    *Worker   // nil: it is not the end of a listing of that worker's sessions
	begun   time.Time // our clock: when that listing began
}

// answer computes the answer to a request for one instant, under the lock of the model.
func (c *Cloud) answer(req *request, hit strikes) answer {
	c.mu.RLock()
	defer c.mu.RUnlock()
	now := c.clock()
	a := answer{date: now.Add(c.skew).UTC()}
	if a.failure = hit.failureOf(req, a.date); a.failure != nil {
		return a
	}
	p := &page{req: req, hit: hit, faults: c.faults, now: now}
	if f, ok := hit.find(StaleEnds); ok {
		p.glance.ends = c.faults.upTo(f.Delay)
	}
	if f, ok := hit.find(StaleStatuses); ok {
		p.glance.statuses = c.faults.upTo(f.Delay)
	}
	a.body, a.failure = c.body(p)
	if p.ends != nil && !p.hit.spoil() {
		a.ends, a.begun = p.ends, time.Unix(0, p.begun()).UTC()
	}
	return a
}

func (c *Cloud) body(p *page) ([]byte, *failure) {
	req := p.req
	switch req.operation {
	case ListFarms:
		return writePage(nil, p, &c.farms, appendFarm, skipAny), nil
	case BatchGetSession:
		return c.batch(p), nil
	}
	farm := c.farmByID[req.farmID]
	if farm == nil {
		return nil, notFound("farm", req.farmID)
	}
	switch req.operation {
	case ListFleets:
		return writePage(nil, p, &farm.fleets, req.fleet, skipAny), nil
	case GetSession:
		return c.session(p)
	}
	fleet := farm.fleetByID[req.fleetID]
	if fleet == nil {
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

// fleet appends a fleet unless the query filters it out.
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
	// hide reports whether the fault may hide the session, and notes that it does.
	hide := func(s *Session, f Fault) bool {
		if s.states[0].shown.After(p.now.Add(-f.Delay)) {
			return false
		}
		s.blur(p.now)
		s.hidden.Store(p.now.UnixNano())
		return true
	}
	entry := func(b []byte, s *Session) []byte {
		if hides && s.visible(p.now) != nil {
			if f, ok := c.faults.entry(t, Missing); ok && hide(s, f) {
				return nil
			}
		}
		st := s.look(p.now, p.glance)
		if st == nil {
			return nil
		}
		return appendSummary(b, s, st)
	}
	b := writePage(make([]byte, 0, 320*min(p.req.size, len(w.sessions.items))+256), p, &w.sessions, entry, hide)
	if p.last && p.req.token.kind == tokenPlain { // another kind ends before it has shown all
		p.ends = w
	}
	return b
}

// find looks a session up as an answer for p shows it; else it names what does not exist.
func (c *Cloud) find(p *page, id identifier) (s *Session, st *state, kind, missing string) {
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
	if st = s.look(p.now, p.glance); st == nil {
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
			errors = appendItemError(errors, id, "ResourceNotFoundException", absent(kind, missing))
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

// withUnknown adds a member that nobody knows to the object at the end of b, if a fault says so.
func (p *page) withUnknown(b []byte) []byte {
	if !p.hit.has(UnknownFields) {
		return b
	}
	b = append(appendName(b[:len(b)-1], "comingSoon"), `{"a":[1,null,{}]}`...)
	return append(b, '}')
}

// appendItem appends the error that the fault makes of an entry.
func (k Kind) appendItem(b []byte, id identifier) []byte {
	switch k {
	case ItemServerError:
		return appendItemError(b, id, "InternalServerErrorException", "An internal error occurred.")
	case ItemInvalid:
		return appendItemError(b, id, "ValidationException", "The identifier is not valid.")
	case ItemElsewhere:
		return appendItemError(b, id, "ResourceNotFoundException", absent("queue", id.QueueID))
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
