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
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"farmwire/diff"
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

// instance is one running instance of Farmwire.
type instance struct {
	poller      *poller.Poller
	opened      atomic.Bool // poller is set
	initialized atomic.Bool // the state topic is initialized, or is not used
	initial     string      // Config.Publisher.Initial
	dryRun      bool
	warned      sync.Once // that Initial is ignored
	log         *zap.Logger
	shards      shardStates
	metrics     metrics
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
	i := &instance{initial: cfg.Publisher.Initial, log: log, metrics: metrics, dryRun: cfg.DryRun != nil}
	if cfg.Ended != nil {
		later, report := i.reportAtEnd(ctx, cfg.Ended)
		defer report()
		ctx = later
	}

	var actors run.Group
	actors.Add(whileRunning(ctx, func(ctx context.Context) error { return i.watch(ctx, cfg, registered) }))
	if cfg.Listener != nil { // The probes are answered while the topics are still being opened.
		actors.Add(i.serveProbes(cfg.Listener, registry))
	}
	return stopWithin(ctx, StopTimeout, actors.Run)
}

// reportAtEnd returns a context that ends right after ctx, when ended has got a report. A report from the stop would be of
// an instance that has given up its workers already. The other result reports if ctx has not ended.
func (i *instance) reportAtEnd(ctx context.Context, ended func(status.Report)) (later context.Context, report func()) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var once sync.Once
	end := func() {
		once.Do(func() { ended(i.report()) })
		cancel()
	}
	stop := context.AfterFunc(ctx, end)
	return later, func() {
		stop()
		end()
	}
}

// watch opens the topics, polls, and follows the observations.
func (i *instance) watch(ctx context.Context, cfg Config, registry prometheus.Registerer) error {
	follow, err := i.open(ctx, cfg, registry)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err() // The stop interrupted the opening, and nothing has begun yet.
	case err != nil:
		return err
	}
	i.opened.Store(true)
	var actors run.Group
	actors.Add(whileRunning(ctx, follow))
	// The poller ends after what follows it, whose shards would otherwise fail because polling has ended.
	actors.Add(whileRunning(context.WithoutCancel(ctx), i.poller.Run))
	return actors.Run()
}

// open makes the poller, and the function that follows its observations: for the shards that the consumer group
// assigns, or in a dry run for a single shard that is not published.
func (i *instance) open(ctx context.Context, cfg Config, registry prometheus.Registerer) (follow func(context.Context) error, err error) {
	if cfg.DryRun != nil {
		cfg.Poller.Shards, cfg.Poller.Shard = 1, func(string) int { return 0 }
		i.poller = poller.New(cfg.Client, cfg.Poller, i.log, registry)
		i.initialized.Store(true)
		watch := event.WatchRecord{Region: cfg.Publisher.Region, Partitions: 1, Initial: cfg.Publisher.Initial}
		return func(ctx context.Context) error {
			return i.follow(ctx, 0, watch, map[string]diff.Snapshot{}, dryRunWriter{region: watch.Region, show: cfg.DryRun})
		}, nil
	}
	if cfg.Create {
		if _, err := publisher.CreateTopics(ctx, cfg.Publisher, cfg.Topics); err != nil {
			return nil, err
		}
	}
	kafka, err := publisher.Open(ctx, cfg.Publisher, cfg.Topics, i.log, registry)
	if err != nil {
		return nil, err
	}
	shards := kafka.Shards()
	cfg.Poller.Shards, cfg.Poller.Shard = shards, func(workerID string) int { return publisher.ShardOf(workerID, shards) }
	i.poller = poller.New(cfg.Client, cfg.Poller, i.log, registry)
	return func(ctx context.Context) error {
		defer kafka.Close()
		if err := i.initialize(ctx, kafka); err != nil {
			return err
		}
		return kafka.Join(ctx, func(ctx context.Context, shard int) error { return i.serve(ctx, kafka, shard) })
	}, nil
}

// initialize initializes the state topic if that has not been done yet. It waits for the first answer of Deadline Cloud,
// because the topic belongs to one region for ever, and a mistyped region does not answer.
func (i *instance) initialize(ctx context.Context, kafka *publisher.Publisher) error {
	done, err := kafka.Initialized(ctx)
	if err != nil {
		return err
	}
	if !done {
		i.log.Info("the state topic is initialized as soon as Deadline Cloud has answered")
		select {
		case <-i.poller.Answered():
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := kafka.Initialize(ctx); err != nil {
			return err
		}
	}
	i.initialized.Store(true)
	return nil
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
