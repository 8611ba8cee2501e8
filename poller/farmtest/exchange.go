package farmtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// exchange is a call that is being answered.
type exchange struct {
	server *Server
	w      http.ResponseWriter
	req    *request
	call   Call
	answer *answer // nil if none was computed
	done   bool
}

// ServeHTTP answers one call. After Close it aborts the connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.wg.Done()
	req, known := route(r)
	x := &exchange{server: s, w: w, req: req, call: Call{
		Operation: req.operation, FarmID: req.farmID, FleetID: req.fleetID, WorkerID: req.workerID,
		QueueID: req.QueueID, JobID: req.JobID, Arrived: s.clock(),
	}}
	s.calls.begin(&x.call)
	defer x.finish(OutcomeCut) // if nothing was written
	if known {
		x.serve(r)
		return
	}
	x.write(answer{failure: &failure{
		status: http.StatusNotFound, code: "UnknownOperationException", message: "No such operation.",
	}, date: s.cloud.Now()})
}

// finish records the outcome of the call. It runs before the last byte is written, so that a client that has
// the answer finds the call counted and no longer in flight.
func (x *exchange) finish(outcome string) {
	if x.done {
		return
	}
	x.done = true
	x.call.Outcome, x.call.Page, x.call.Done = outcome, x.req.page, x.server.clock()
	if x.server.cfg.Observer != nil {
		x.server.cfg.Observer(x.call)
	}
	if x.server.requests != nil {
		x.server.requests.write(x.requestTruth())
	}
	x.server.calls.end(&x.call)
}

// enter registers a call, so that Close waits for it. It returns false if the server is closed.
func (s *Server) enter() bool {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.wg.Add(1)
	return true
}

// abort ends the call without an answer and closes the connection. If the handler returned instead, the
// client would get an empty answer.
func (x *exchange) abort(outcome string) {
	x.finish(outcome)
	panic(http.ErrAbortHandler)
}

// serve validates the request, applies quotas and faults, and answers.
func (x *exchange) serve(r *http.Request) {
	s := x.server
	pageSize := s.cfg.PageSize
	if x.req.operation == ListSessionsForWorker {
		pageSize = s.cfg.HistoryPage
	}
	fail := x.req.read(r, pageSize)
	if fail == nil {
		fail = s.quotas.take(x.req.operation, s.clock())
	}
	if fail != nil {
		x.write(answer{failure: fail, date: s.cloud.Now()})
		return
	}
	fired := s.faults.call(s.cloud.target(x.req))
	for _, f := range fired {
		x.call.Faults = append(x.call.Faults, f.Kind)
	}
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	defer context.AfterFunc(s.ctx, stop)()
	if f, ok := fired.find(Hang); ok {
		if wait(ctx, f.Delay) {
			x.abort(OutcomeCut)
		}
		x.abort(OutcomeLeft)
	}
	var before, after time.Duration
	if f, ok := fired.find(Slow); ok {
		before = s.faults.upTo(f.Delay)
		if s.faults.intN(2) == 0 {
			before, after = 0, before
		}
	}
	if before > 0 && !wait(ctx, before) {
		x.abort(OutcomeLeft)
	}
	a := s.cloud.answer(x.req, fired)
	x.answer = &a
	if after > 0 && !wait(ctx, after) {
		x.abort(OutcomeLeft)
	}
	x.deliver(a, fired)
}

// target returns what a call is about, so that fault rules can be matched with it.
func (c *Cloud) target(req *request) target {
	t := target{operation: req.operation, fleetID: req.fleetID, workerID: req.workerID, page: req.page}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if farm := c.farmByID[req.farmID]; farm != nil {
		t.fleet = farm.fleetByID[req.fleetID]
	}
	if s := c.sessions[req.SessionID]; s != nil {
		t.fleet, t.fleetID, t.workerID = s.worker.fleet, s.worker.fleet.id, s.worker.id
	}
	return t
}

// wait waits for d, or until ctx ends if d is zero. It reports whether d elapsed.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		<-ctx.Done()
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// deliver sends the answer as the faults change it.
func (x *exchange) deliver(a answer, fired firedFaults) {
	for _, f := range fired {
		switch f.Kind {
		case Cut, Reset:
			x.finish(OutcomeCut)
			if err := x.hijack(a, f.Kind); err != nil {
				x.abort(OutcomeCut) // the connection cannot be taken over: the server closes it
			}
			return
		case Truncated:
			if a.failure == nil {
				a.body = a.body[:len(a.body)/2]
			}
		case NotJSON:
			a = answer{body: []byte("<html><body>Bad gateway</body></html>"), date: a.date}
		case EmptyBody:
			a = answer{date: a.date}
		default:
			continue
		}
		x.finish(OutcomeCut)
		break
	}
	x.write(a)
}

// write sends the answer.
func (x *exchange) write(a answer) {
	h := x.w.Header()
	h["Date"] = []string{a.date.UTC().Format(http.TimeFormat)}
	h["Content-Type"] = []string{"application/json"}
	h["X-Amzn-Requestid"] = []string{strconv.FormatInt(a.date.UnixNano(), 36)}
	status, body, outcome := http.StatusOK, a.body, OutcomeOK
	if f := a.failure; f != nil {
		status, body, outcome = f.status, f.body(), f.outcome()
		if f.code != "" {
			h["X-Amzn-Errortype"] = []string{f.code}
		}
		if f.retryAfter != "" {
			h["Retry-After"] = []string{f.retryAfter}
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if a.completed != nil {
		a.completed.noteCompleteListing(ListingTruth{By: x.req.caller, Begun: a.listingBegan, At: x.server.clock().UTC()})
	}
	x.finish(outcome)
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // fails only if the client has disconnected
}

// hijack closes the connection at once or, for Reset, resets it in the middle of the body.
func (x *exchange) hijack(a answer, k Kind) error {
	hijacker, ok := x.w.(http.Hijacker)
	if !ok {
		return fmt.Errorf("cut connection: %T cannot be hijacked", x.w)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return fmt.Errorf("cut connection: %w", err)
	}
	if k == Reset {
		body := a.body
		if a.failure != nil {
			body = a.failure.body()
		}
		// Write errors do not matter: the connection is to break anyway.
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			a.date.Format(http.TimeFormat), max(len(body), 1)+64, body[:len(body)/2])
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	_ = conn.Close()
	return nil
}
