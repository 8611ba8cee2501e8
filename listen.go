package farmwire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// listen serves the probes and the metrics:
//
//	/livez    200 while the process runs
//	/readyz   200 when all is polled that ought to be; else 503 with what is missing, a line each
//	/metrics  Prometheus
func (i *instance) listen(listener net.Listener, registry *prometheus.Registry) (execute func() error, interrupt func(error)) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(r http.ResponseWriter, _ *http.Request) { fmt.Fprintln(r, "ok") })
	mux.HandleFunc("GET /readyz", i.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	execute = func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", listener.Addr(), err)
		}
		return nil
	}
	interrupt = func(error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
	}
	return execute, interrupt
}

func (i *instance) serveReady(r http.ResponseWriter, _ *http.Request) {
	missing := []string{"the topics are being opened"}
	switch {
	case !i.opened.Load():
	case !i.initialized.Load():
		missing = append([]string{"the state topic is initialized as soon as Deadline Cloud has answered"}, i.poller.Missing()...)
	default:
		missing = append(i.shards.missing(), i.poller.Missing()...)
	}
	if len(missing) > 0 {
		r.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(r, strings.Join(missing, "\n"))
		return
	}
	fmt.Fprintln(r, "ready")
}

// shardStates is what each shard of this instance is waiting for, in words; "" is nothing.
type shardStates struct {
	mu     sync.Mutex
	states map[int]string
}

func (s *shardStates) set(shard int, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.states == nil {
		s.states = map[int]string{}
	}
	s.states[shard] = state
}

func (s *shardStates) drop(shard int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.states, shard)
}

func (s *shardStates) missing() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.states) == 0 {
		return []string{"the consumer group has assigned no shard to this instance"}
	}
	var missing []string
	for shard, state := range s.states {
		if state != "" {
			missing = append(missing, fmt.Sprintf("shard %d %s", shard, state))
		}
	}
	slices.Sort(missing)
	return missing
}
