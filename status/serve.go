package status

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Serve is an actor that serves the probes and the metrics, as Handler does. It closes the listener.
func Serve[F facts](listener net.Listener, report func() F, metrics prometheus.Gatherer) (execute func() error, interrupt func(error)) {
	server := &http.Server{
		Handler:           Handler(report, metrics),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
	}
	execute = func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", listener.Addr(), err)
		}
		return nil
	}
	interrupt = func(error) {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
	}
	return execute, interrupt
}
