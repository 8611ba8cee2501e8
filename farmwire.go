// Package farmwire is change data capture for AWS Deadline Cloud worker sessions.
//
// For each worker, the program repeats four steps:
//
//	observation := Poll; changes := diff.Between(snapshot, observation); Publish(changes); snapshot = diff.Apply(snapshot, changes)
//
// The snapshot moves forward only when the transaction that published the changes has committed. A worker is not
// polled again before that. So a crash, a fence or a lost answer of a broker can stop the steps anywhere: the snapshot
// that is restored from Kafka is the one that was published, and the next observation is compared with it.
//
// The workers are spread over shards. The file shard.go has the life of a shard: it is fenced and restored, its workers
// are polled until the consumer group gives the shard to another instance, and then it is handed over. Run composes the
// packages: poller observes, diff compares, publisher publishes.
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

// StopTimeout is how long a stop may take. A transaction that is still open then is aborted by the next fence.
const StopTimeout = 5 * time.Second

// Config says what is watched and where it is published.
type Config struct {
	Client    *deadline.Client // see poller.NewClient
	Poller    poller.Config
	Publisher publisher.Config
	Topics    publisher.TopicSpec
	Create    bool         // create missing topics
	Listener  net.Listener // serves the probes and the metrics until Run ends; nil: they are not served

	// DryRun, if it is not nil, gets each event instead of Kafka, which is not used. An error of it ends Run. Calls do
	// not overlap, and the record is valid until the function returns.
	DryRun func(event.Record) error

	// Ended, if it is not nil, gets the report of the moment at which ctx ended or Run failed. It is called once, before
	// Run returns.
	Ended func(status.Report)

	// Registry takes the metrics for as long as Run runs, and is served at /metrics. One registry serves one Run at a
	// time. Nil is a registry of Run's own.
	Registry *prometheus.Registry
	Version  string // of the program, for the metric farmwire_build_info
}

// Run watches the farms and publishes their changes until ctx ends. Then it stops gracefully and returns nil.
//
// It returns an error if it cannot go on, and the error says what to do: topics are missing or unsafe, the state topic
// belongs to another region or was written by a newer version, brokers cannot be reached, or a right is missing.
func Run(ctx context.Context, cfg Config, log *zap.Logger) error {
	registry := cmp.Or(cfg.Registry, prometheus.NewRegistry())
	registered := &registration{Registerer: registry}
	defer registered.close()
	metrics, err := newMetrics(registered, cfg.Version)
	if err != nil {
		return err
	}
	i := &instance{config: cfg, log: log, metrics: metrics}
	if cfg.Ended != nil {
		var report func()
		ctx, report = i.reportAtEnd(ctx)
		defer report()
	}
	polling, stopPolling := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPolling()

	var actors run.Group
	actors.Add(whileRunning(ctx, func(ctx context.Context) error { return i.watch(ctx, polling, registered) }))
	if cfg.Listener != nil { // The probes are answered while the topics are still being opened.
		actors.Add(serveProbes(cfg.Listener, i.report, registry))
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
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, errPolled)) {
		return nil
	}
	return err
}
