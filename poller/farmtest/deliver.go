package farmtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.wg.Done()
	req, known := route(r)
	call := &Call{
		Operation: req.operation, FarmID: req.farmID, FleetID: req.fleetID, WorkerID: req.workerID,
		Arrived: s.clock(), Outcome: OutcomeCut,
	}
	s.calls.begin(call)
	defer func() { // also when a fault aborts the handler
		call.Page, call.Done = req.page, s.clock()
		s.calls.end(call)
		if s.cfg.Observer != nil {
			s.cfg.Observer(*call)
		}
	}()
	if known {
		call.Outcome = s.serve(w, r, req, call)
		return
	}
	fail := &failure{status: http.StatusNotFound, code: "UnknownOperationException", message: "No such operation."}
	call.Outcome = s.write(w, answer{failure: fail, date: s.cloud.Now()})
}

// enter counts a call in, so that Close can wait for it; false: the server is closed.
func (s *Server) enter() bool {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.wg.Add(1)
	return true
}

// serve reads, meters, spoils and answers; it returns the outcome.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, req *request, call *Call) string {
	if fail := req.read(r, s.cfg.PageSize); fail != nil {
		return s.write(w, answer{failure: fail, date: s.cloud.Now()})
	}
	if fail := s.quotas.take(req.operation, s.clock()); fail != nil {
		return s.write(w, answer{failure: fail, date: s.cloud.Now()})
	}
	hit := s.faults.call(s.cloud.target(req))
	for _, f := range hit {
		call.Faults = append(call.Faults, f.Kind)
	}
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	defer context.AfterFunc(s.ctx, stop)()
	if f, ok := hit.find(Hang); ok {
		pause(ctx, f.Delay)
		panic(http.ErrAbortHandler)
	}
	var before, after time.Duration
	if f, ok := hit.find(Slow); ok {
		before = s.faults.upTo(f.Delay)
		if s.faults.intN(2) == 0 {
			before, after = 0, before
		}
	}
	if before > 0 && !pause(ctx, before) {
		return OutcomeLeft
	}
	a := s.cloud.answer(req, hit)
	if after > 0 && !pause(ctx, after) {
		return OutcomeLeft
	}
	return s.deliver(w, a, hit)
}

// target finds what a call is about, for the faults.
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

// pause waits for d (0: without end) and reports whether it was not broken off.
func pause(ctx context.Context, d time.Duration) bool {
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

// deliver sends the answer, or what the faults leave of it.
func (s *Server) deliver(w http.ResponseWriter, a answer, hit strikes) string {
	for _, f := range hit {
		switch f.Kind {
		case Cut, Reset:
			if err := s.hijack(w, a, f.Kind); err != nil {
				panic(http.ErrAbortHandler) // the connection is closed, which comes near enough
			}
			return OutcomeCut
		case Truncated:
			if a.failure == nil {
				a.body = a.body[:len(a.body)/2]
			}
			s.write(w, a)
			return OutcomeCut
		case NotJSON:
			s.write(w, answer{body: []byte("<html><body>Bad gateway</body></html>"), date: a.date})
			return OutcomeCut
		case EmptyBody:
			s.write(w, answer{date: a.date})
			return OutcomeCut
		}
	}
	return s.write(w, a)
}

// write sends the whole answer and returns the outcome.
func (s *Server) write(w http.ResponseWriter, a answer) string {
	h := w.Header()
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
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return OutcomeLeft
	}
	return outcome
}

// hijack closes the connection: at once, or with a reset in the middle of the body.
func (s *Server) hijack(w http.ResponseWriter, a answer, k Kind) error {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return fmt.Errorf("cut connection: %T cannot be hijacked", w)
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
		// Errors below are what this fault is for.
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			a.date.Format(http.TimeFormat), max(len(body), 1)+64, body[:len(body)/2])
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	_ = conn.Close()
	return nil
}
