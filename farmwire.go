// Package farmwire is change data capture for AWS Deadline Cloud worker sessions.
//
// The whole of it is one sentence, said for each worker again and again:
//
//	observation := Poll; changes := diff.Between(snapshot, observation); Publish(changes); snapshot = diff.Apply(snapshot, changes)
//
// The snapshot moves only when the transaction that published the changes has committed, and a worker is
// not asked again before. So whatever stops the sentence in the middle (a crash, a fence, a lost answer of
// a broker), the snapshot that is restored from Kafka is the one that was published, and the next
// observation is compared with that.
//
// Workers are spread over shards. A shard's life is in shard.go: it is fenced and restored, its
// workers are polled until the group gives the shard to somebody else, and then it is handed over. Run
// composes the rooms: package poller observes, package diff compares, package publisher publishes.
package farmwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"farmwire/poller"
	"farmwire/publisher"
)

// StopTimeout is how long a stop may take: what is still open then is left to the next fence.
const StopTimeout = 5 * time.Second

// Config says what is watched and where it is published.
type Config struct {
	Client    *deadline.Client // see poller.NewClient
	Poller    poller.Config
	Publisher publisher.Config
	Topics    publisher.TopicSpec
	Create    bool         // create missing topics
	DryRun    io.Writer    // not nil: print the events there as JSON lines, without Kafka
	Listener  net.Listener // for probes and metrics; nil: none. Run closes it
}

// wire is one running instance.
type wire struct {
	poller      *poller.Poller
	opened      atomic.Bool // poller is there
	initialized atomic.Bool // the state topic is, or none is needed
	initial     string      // what --initial asks for
	warned      sync.Once
	log         *zap.Logger
	shards      shardStates
	metrics     metrics
}

// Run watches the farm and publishes until ctx ends; then it stops gracefully and returns nil. Any other
// end is an error that says what to do: topics that are missing or unsafe, a state topic that another
// region or a newer Farmwire has written, brokers or permissions that are not there.
func Run(ctx context.Context, cfg Config, log *zap.Logger) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	w := &wire{initial: cfg.Publisher.Initial, log: log, metrics: newMetrics(registry)}

	var actors run.Group
	actors.Add(whileRunning(ctx, func(ctx context.Context) error { return w.watch(ctx, cfg, registry) }))
	if cfg.Listener != nil { // probes are answered while Kafka is still being opened
		actors.Add(w.listen(cfg.Listener, registry))
	}
	return stopWithin(ctx, StopTimeout, actors.Run)
}

// watch opens what is needed, polls, and follows what is observed.
func (w *wire) watch(ctx context.Context, cfg Config, registry prometheus.Registerer) error {
	follow, err := w.open(ctx, cfg, registry)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err() // whatever the stop broke off: nothing has begun yet
	case err != nil:
		return err
	}
	w.opened.Store(true)
	var actors run.Group
	actors.Add(whileRunning(ctx, follow))       // what stops it stops all
	actors.Add(whileRunning(ctx, w.poller.Run)) // ends by itself only when ctx does
	return actors.Run()
}

// open makes the poller and what follows its observations: the shards that the group assigns, or for a
// dry run a single one that prints.
func (w *wire) open(ctx context.Context, cfg Config, registry prometheus.Registerer) (follow func(context.Context) error, err error) {
	if cfg.DryRun != nil {
		cfg.Poller.Shards, cfg.Poller.Shard = 1, func(string) int { return 0 }
		w.poller = poller.New(cfg.Client, cfg.Poller, w.log, registry)
		w.initialized.Store(true)
		return func(ctx context.Context) error { return w.follow(ctx, 0, newPrinter(cfg)) }, nil
	}
	if cfg.Create {
		if err := publisher.CreateTopics(ctx, cfg.Publisher, cfg.Topics); err != nil {
			return nil, err
		}
	}
	kafka, err := publisher.Open(ctx, cfg.Publisher, cfg.Topics, w.log, registry)
	if err != nil {
		return nil, err
	}
	shards := kafka.Shards()
	cfg.Poller.Shards, cfg.Poller.Shard = shards, func(workerID string) int { return publisher.ShardOf(workerID, shards) }
	w.poller = poller.New(cfg.Client, cfg.Poller, w.log, registry)
	return func(ctx context.Context) error {
		defer kafka.Close()
		if err := w.initialize(ctx, kafka); err != nil {
			return err
		}
		return kafka.Join(ctx, func(ctx context.Context, shard int) error { return w.serve(ctx, kafka, shard) })
	}, nil
}

// initialize initializes the state topic where nobody has yet. It waits for the first answer of Deadline Cloud, because the
// topic belongs to its region for ever, and a region that was mistyped does not answer.
func (w *wire) initialize(ctx context.Context, kafka *publisher.Publisher) error {
	done, err := kafka.Initialized(ctx)
	if err != nil {
		return err
	}
	if !done {
		w.log.Info("the state topic is initialized as soon as Deadline Cloud has answered")
		select {
		case <-w.poller.Answered():
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := kafka.Initialize(ctx); err != nil {
			return err
		}
	}
	w.initialized.Store(true)
	return nil
}

// whileRunning makes an actor of a function that ends with its context.
func whileRunning(ctx context.Context, f func(context.Context) error) (execute func() error, interrupt func(error)) {
	ctx, cancel := context.WithCancel(ctx)
	return func() error { return f(ctx) }, func(error) { cancel() }
}

// stopWithin runs f, and gives up on it when it has not returned d after ctx ended.
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
		return fmt.Errorf("the stop took longer than %s; what was open is left to the next fence, nothing is lost", d)
	}
}

// ignoreStop drops the error of a stop that was asked for.
func ignoreStop(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, errPolled)) {
		return nil
	}
	return err
}
