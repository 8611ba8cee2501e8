// Package farmwire is change data capture for AWS Deadline Cloud worker sessions.
//
// For each worker, the program repeats four steps:
//
//	observation := Poll; changes := diff.Between(snapshot, observation); Publish(changes); snapshot = diff.Apply(snapshot, changes)
//
// The snapshot moves forward only when the transaction that published the changes has committed. A worker is not
// polled again before that. So a crash or a lost answer of a broker may interrupt the steps anywhere: the snapshot that
// is restored from Kafka is the one that was published, and the next observation is compared with it.
//
// The workers are spread over shards. A shard is a partition of the state topic and the workers whose ids hash to it.
// The file shard.go has its life in one instance. The instance fences the shard, so that brokers reject what a previous
// owner still writes, and restores its snapshots from the state topic. Then it polls the shard's workers until the
// consumer group gives the shard to another instance. Run composes the packages: poller observes, diff compares,
// publisher publishes.
package farmwire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"farmwire/event"
	"farmwire/poller"
	"farmwire/publisher"
	"farmwire/status"
)

// StopTimeout is how long a stop may take. A transaction that is still open after that is aborted when its shard is fenced
// the next time.
const StopTimeout = 5 * time.Second

// Config says what is watched and where it is published.
type Config struct {
	Client    *deadline.Client // see poller.NewClient
	Poller    poller.Config
	Publisher publisher.Config
	Topics    publisher.TopicSpec
	Create    bool         // create missing topics
	Listener  net.Listener // serves the probes and the metrics until Run returns, which closes it; nil: they are not served

	GapAfter time.Duration // how long requests must fail until that is published as a gap; 0: 1 minute

	// DryRun, if it is not nil, is called with each event. Kafka is not used then. If DryRun returns an error, Run ends
	// with it. Calls do not overlap, and the record is valid until the function returns.
	DryRun func(event.Record) error

	// Ended, if it is not nil, is called once before Run returns, with the instance's report from the moment at which ctx
	// ended or Run failed.
	Ended func(status.Report)

	// Registry has the metrics until Run returns, and is served at /metrics. It can be used by one Run at a time. If it is
	// nil, Run makes one.
	Registry *prometheus.Registry
	Version  string // the program's version, for the metric farmwire_build_info
}

// Run watches the farms and publishes their changes until ctx ends. Then it publishes what it has received, stops gracefully
// and returns nil, also if no broker answers. While Kafka cannot be used, at the start or later, it waits and tries again.
//
// It returns an error if it cannot go on. The error says what to do: topics are missing or unsafe, the state topic belongs
// to another region or was written by a newer version, brokers refuse the login, or a permission is missing. If the stop
// takes longer than StopTimeout, Run returns an error too, and what is not finished goes on in the background.
func Run(ctx context.Context, cfg Config, log *zap.Logger) error {
	if cfg.Listener != nil {
		defer cfg.Listener.Close() // It is still open if it was never served, or if the stop took too long.
	}
	i := &instance{config: cfg, log: log}
	if cfg.Ended != nil {
		var report func()
		ctx, report = i.reportAtEnd(ctx)
		defer report()
	}
	registry := cmp.Or(cfg.Registry, prometheus.NewRegistry())
	registered := &registration{Registerer: registry}
	defer registered.close()
	var err error
	if i.metrics, err = newMetrics(registered, cfg.Version); err != nil {
		return err
	}
	if err := registered.Register(reportMetrics(i.report)); err != nil {
		return fmt.Errorf("register the metrics: %w", err)
	}
	polling, stopPolling := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPolling()

	var actors run.Group
	actors.Add(whileRunning(ctx, func(ctx context.Context) error { return i.run(ctx, polling, registered) }))
	actors.Add(whileRunning(context.WithoutCancel(ctx), func(running context.Context) error { return i.logStatus(ctx, running) }))
	actors.Add(whileRunning(context.WithoutCancel(ctx), i.followOutlook))
	if cfg.Listener != nil { // The probes are answered while the topics are still being opened.
		actors.Add(status.Serve(cfg.Listener, i.report, registry))
	}
	return stopWithin(ctx, StopTimeout, actors.Run)
}

// whileRunning makes an actor of a function that returns when its context ends.
func whileRunning(ctx context.Context, f func(context.Context) error) (execute func() error, interrupt func(error)) {
	ctx, cancel := context.WithCancel(ctx)
	return func() error { return f(ctx) }, func(error) { cancel() }
}

// stopWithin runs f. It stops waiting for f when f has not returned within d after the end of ctx.
func stopWithin(ctx context.Context, d time.Duration, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return ignoreStop(ctx, err)
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return ignoreStop(ctx, err)
	case <-time.After(d):
		return fmt.Errorf("the stop took longer than %s; the next fence aborts what was still open, and nothing is lost", d)
	}
}

// ignoreStop returns nil instead of the error with which f ended because ctx did.
func ignoreStop(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, ctx.Err()) || errors.Is(err, errPolled)) {
		return nil
	}
	return err
}
