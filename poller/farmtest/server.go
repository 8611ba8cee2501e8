package farmtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server serves a Cloud over HTTP and runs its timeline if there is one. It is also an http.Handler, for use with
// another listener.
type Server struct {
	cfg      Config
	clock    func() time.Time
	cloud    *Cloud
	faults   *faults
	quotas   buckets
	calls    *calls
	timeline *timeline    // nil under manual control
	requests *requestFile // nil if there is none

	http   *http.Server
	addr   string
	ctx    context.Context // canceled by Close
	cancel context.CancelFunc

	closing sync.Mutex // orders the beginning of calls and Close
	wg      sync.WaitGroup
	close   sync.Once
	err     error // returned by Close
}

// New returns a server with the timeline's farms in their initial state. It does not listen yet.
func New(cfg Config) *Server {
	cfg = cfg.withDefaults()
	clock := time.Now
	if cfg.Clock != nil {
		clock = cfg.Clock.Now
	}
	f := newFaults(cfg, clock)
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		cfg: cfg, clock: clock, cloud: newCloud(cfg, clock, f), faults: f,
		calls: newCalls(clock()), ctx: ctx, cancel: cancel,
	}
	s.quotas.set(cfg.Quotas)
	if cfg.Workers > 0 {
		s.timeline = newTimeline(cfg, s.cloud)
	}
	return s
}

// Start listens on addr, which is 127.0.0.1:0 if empty, and runs the timeline. A server may be started once, and
// must then be closed.
func (s *Server) Start(addr string) error {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("start farm: %w", err)
	}
	if s.cfg.TruthFile != "" {
		if err := s.cloud.record.open(s.cfg.TruthFile); err != nil {
			return errors.Join(fmt.Errorf("start farm: %w", err), listener.Close())
		}
	}
	if s.cfg.RequestFile != "" {
		if s.requests, err = openRequestFile(s.cfg.RequestFile); err != nil {
			return errors.Join(fmt.Errorf("start farm: %w", err), listener.Close())
		}
	}
	s.addr = listener.Addr().String()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 30 * time.Second}
	s.wg.Go(func() {
		// Serve returns when Close closes the listener. A client notices any other failure.
		_ = s.http.Serve(listener)
	})
	if s.timeline != nil && s.cfg.Clock == nil {
		s.wg.Go(func() { s.timeline.run(s.ctx) })
	}
	return nil
}

// URL returns the base URL for clients, without a path.
func (s *Server) URL() string { return "http://" + s.addr }

// Cloud returns the model, which a test changes and compares with what it observed.
func (s *Server) Cloud() *Cloud { return s.cloud }

// Now returns the time of our clock.
func (s *Server) Now() time.Time { return s.clock() }

// SetFaults replaces the fault rules. Calls and changes from now on follow the new ones.
func (s *Server) SetFaults(rules ...Fault) { s.faults.set(rules) }

// AddFaults adds fault rules, which come before those that there are. The returned function removes them, unless SetFaults has
// replaced all rules meanwhile.
func (s *Server) AddFaults(rules ...Fault) (remove func()) { return s.faults.add(rules) }

// SetQuotas replaces the quotas. The buckets start full.
func (s *Server) SetQuotas(quotas map[Operation]Quota) { s.quotas.set(quotas) }

// Calls returns the number of calls by operation and outcome.
func (s *Server) Calls() map[Operation]map[string]int { return s.Stats().Calls }

// Stats returns the counts since the server was created.
func (s *Server) Stats() Stats { return s.calls.snapshot(s.faults.counts()) }

// Advance moves Config.Clock and the timeline to the given time. It does nothing if the server uses the real clock.
// It must not be called concurrently.
func (s *Server) Advance(to time.Time) {
	if s.cfg.Clock == nil {
		return
	}
	if s.timeline != nil {
		s.timeline.step(to, s.cfg.Clock.Set)
	}
	s.cfg.Clock.Set(to)
}

// Close stops the timeline, closes all connections, waits for the calls in flight and writes the truth file. Later
// calls return the same error.
func (s *Server) Close() error {
	s.close.Do(func() {
		s.closing.Lock()
		s.cancel()
		s.closing.Unlock()
		var err error
		if s.http != nil {
			err = s.http.Close()
		}
		s.wg.Wait()
		s.cloud.mu.Lock()
		defer s.cloud.mu.Unlock()
		if s.requests != nil {
			err = errors.Join(err, s.requests.close(s.cloud.workers))
		}
		s.err = errors.Join(err, s.cloud.record.close(s.cloud))
	})
	return s.err
}
