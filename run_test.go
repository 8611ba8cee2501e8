package farmwire_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"farmwire"
	"farmwire/event"
	"farmwire/internal/leaks"
	"farmwire/poller"
	"farmwire/poller/farmtest"
	"farmwire/publisher"
	"farmwire/status"
)

// dryRun configures a dry run of a simulated farm with one open session. The test fails if goroutines are left at its end.
func dryRun(t *testing.T, show func(event.Record) error) farmwire.Config {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { leaks.None(t, before) })
	farm := farmtest.New(farmtest.Config{})
	if err := farm.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { farm.Close() })
	farm.Cloud().AddFarm("studio").AddFleet("render").AddWorker().StartSessionAt(nil, time.Now().Add(-time.Hour))
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	client := deadline.New(deadline.Options{
		Region:       "us-west-2",
		BaseEndpoint: aws.String(farm.URL()),
		Credentials:  credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
		HTTPClient:   &http.Client{Transport: transport},
	}, poller.ClientOptions)
	return farmwire.Config{
		Client:    client,
		Poller:    poller.Config{Rate: 50},
		Publisher: publisher.Config{Region: "us-west-2", Initial: "open"},
		DryRun:    show,
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

func isClosed(listener net.Listener) bool {
	err := listener.(*net.TCPListener).SetDeadline(time.Time{}) // a connection might reach another program that has the port now
	return errors.Is(err, net.ErrClosed)
}

// farmMetrics returns the names of Farmwire's metrics that a registry has.
func farmMetrics(t *testing.T, registry *prometheus.Registry) []string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "farmwire_") {
			names = append(names, f.GetName())
		}
	}
	return names
}

func TestRunEndsWithTheErrorOfDryRun(t *testing.T) {
	full := errors.New("disk full")
	cfg := dryRun(t, func(event.Record) error { return full })
	cfg.Registry = prometheus.NewRegistry()
	for range 2 { // the registry can be used again
		if err := farmwire.Run(t.Context(), cfg, zap.NewNop()); !errors.Is(err, full) {
			t.Errorf("ended with %v", err)
		}
		if left := farmMetrics(t, cfg.Registry); len(left) != 0 {
			t.Errorf("%v are left", left)
		}
	}
}

func TestRunWithAContextThatHasEnded(t *testing.T) {
	cfg := dryRun(t, func(event.Record) error { return nil })
	cfg.Listener = listen(t)
	reports := 0
	cfg.Ended = func(status.Report) { reports++ }
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := farmwire.Run(ctx, cfg, zap.NewNop()); err != nil {
		t.Error(err)
	}
	if reports != 1 || !isClosed(cfg.Listener) {
		t.Errorf("%d reports; the listener is closed: %v", reports, isClosed(cfg.Listener))
	}
}

// The end of a context by its deadline is a stop like any other.
func TestRunUntilADeadline(t *testing.T) {
	cfg := dryRun(t, func(event.Record) error { return nil })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := farmwire.Run(ctx, cfg, zap.NewNop()); err != nil {
		t.Error(err)
	}
}

// A registry serves one Run at a time. The second is refused, as an error, and leaves nothing open.
func TestRunRefusesARegistryInUse(t *testing.T) {
	shown := make(chan struct{}, 1)
	first := dryRun(t, func(event.Record) error { shown <- struct{}{}; return nil })
	first.Registry = prometheus.NewRegistry()
	second := first
	second.Listener = listen(t)
	reports := 0
	second.Ended = func(status.Report) { reports++ }

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- farmwire.Run(ctx, first, zap.NewNop()) }()
	<-shown
	before := farmMetrics(t, first.Registry)
	if err := farmwire.Run(t.Context(), second, zap.NewNop()); err == nil || !strings.Contains(err.Error(), "Config.Registry") {
		t.Errorf("the second ended with %v", err)
	}
	if reports != 1 || !isClosed(second.Listener) {
		t.Errorf("%d reports; the listener is closed: %v", reports, isClosed(second.Listener))
	}
	// The first goes on, and a metric with labels appears when it has a value.
	after := farmMetrics(t, first.Registry)
	isLost := func(name string) bool { return !slices.Contains(after, name) }
	if slices.ContainsFunc(before, isLost) || len(before) == 0 {
		t.Errorf("the first has %v, and had %v", after, before)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the first ended with %v", err)
	}
}

// A stop that takes too long is an error. Run leaves its listener and its registry free all the same.
func TestRunGivesUpAStopThatTakesTooLong(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	release := make(chan struct{})
	cfg := dryRun(t, func(event.Record) error { stop(); <-release; return nil })
	t.Cleanup(func() { close(release) })
	cfg.Registry, cfg.Listener = prometheus.NewRegistry(), listen(t)
	if err := farmwire.Run(ctx, cfg, zap.NewNop()); err == nil || !strings.Contains(err.Error(), "the stop took longer than 5s") {
		t.Errorf("ended with %v", err)
	}
	if left := farmMetrics(t, cfg.Registry); len(left) != 0 || !isClosed(cfg.Listener) {
		t.Errorf("%v are left; the listener is closed: %v", left, isClosed(cfg.Listener))
	}
}
