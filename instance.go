package farmwire

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"farmwire/coverage"
	"farmwire/diff"
	"farmwire/event"
	"farmwire/poller"
	"farmwire/publisher"
	"farmwire/status"
)

// instance is one Run of Farmwire.
type instance struct {
	config      Config
	log         *zap.Logger
	metrics     metrics
	outlook     outlook
	loop        atomic.Pointer[loop]  // nil until the topics are open
	initialized atomic.Bool           // the state topic is initialized, or this is a dry run
	waiting     atomic.Pointer[error] // why the stage has not passed yet, see keepTrying; nil: nothing has failed
}

// run opens the topics, and then runs the poller and the loop until ctx ends. The poller has a context of its own, polling,
// because it must outlast the loop: a shard whose poller has ended fails.
func (i *instance) run(ctx, polling context.Context, registry prometheus.Registerer) error {
	l, follow, err := i.open(ctx, registry)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err() // The stop interrupted the opening, and nothing has begun yet.
	case err != nil:
		return err
	}
	i.loop.Store(l)
	var actors run.Group
	actors.Add(whileRunning(ctx, follow))
	actors.Add(whileRunning(polling, l.poller.Run))
	return actors.Run()
}

// open makes the loop and the function that runs it. The loop serves the shards that the consumer group assigns, or in a
// dry run a single shard that is not published.
func (i *instance) open(ctx context.Context, registry prometheus.Registerer) (*loop, func(context.Context) error, error) {
	if i.config.DryRun != nil {
		l := i.newLoop(registry, 1, func(string) int { return 0 })
		l.group = func() status.Group { return status.Group{Joined: true} }
		i.initialized.Store(true)
		watch := event.WatchRecord{Region: i.config.Publisher.Region, Partitions: 1, Initial: i.config.Publisher.Initial}
		return l, func(ctx context.Context) error {
			return l.follow(ctx, 0, restored{watch: watch, snapshots: map[diff.WorkerKey]diff.Snapshot{}}, &dryRunWriter{region: watch.Region, show: i.config.DryRun})
		}, nil
	}
	var kafka *publisher.Publisher
	err := i.keepTrying(ctx, func(ctx context.Context) (err error) {
		if i.config.Create {
			if _, err := publisher.CreateTopics(ctx, i.config.Publisher, i.config.Topics); err != nil {
				return err
			}
		}
		kafka, err = publisher.Open(ctx, i.config.Publisher, i.config.Topics, i.log, registry)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	shards := kafka.Shards()
	l := i.newLoop(registry, shards, func(workerID string) int { return publisher.ShardOf(workerID, shards) })
	l.group = func() status.Group { return status.Group(kafka.GroupState()) }
	return l, func(ctx context.Context) error {
		defer kafka.Close()
		if err := i.initialize(ctx, kafka, l.poller.FarmShown()); err != nil {
			return err
		}
		return kafka.Join(ctx, func(ctx context.Context, shard int) error { return l.serve(ctx, kafka, shard) })
	}, nil
}

// newLoop makes the loop and its poller. shardOf gives the shard of a worker id.
func (i *instance) newLoop(registry prometheus.Registerer, shards int, shardOf func(workerID string) int) *loop {
	config := i.config.Poller
	config.Shards, config.Shard = shards, shardOf
	config.IsReserved = event.IsOwnKey // the state topic would mistake the record of such a session for another one
	covers := &coverages{}
	config.Watcher = covers
	return &loop{
		poller:  poller.New(i.config.Client, config, i.log, registry),
		initial: i.config.Publisher.Initial,
		quiet:   i.config.DryRun != nil,
		log:     i.log,
		metrics: i.metrics,
		shards:  shards,
		shardOf: shardOf,

		coverages: covers,
		covers:    coverage.Config{GapAfter: cmp.Or(i.config.GapAfter, time.Minute), Farms: config.Farms, Fleets: config.Fleets},
	}
}

// initialize initializes the state topic if that has not been done yet. Before it does so, it waits until farmShown is
// closed, which happens when Deadline Cloud first shows a farm: the topic belongs to one region forever, and in a wrong
// region there is no answer or no farm.
func (i *instance) initialize(ctx context.Context, kafka *publisher.Publisher, farmShown <-chan struct{}) error {
	var done bool
	err := i.keepTrying(ctx, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		done, err = kafka.Initialized(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if !done {
		i.log.Info("the state topic is initialized as soon as Deadline Cloud has shown a farm")
		select {
		case <-farmShown:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := i.keepTrying(ctx, kafka.Initialize); err != nil {
			return err
		}
	}
	i.initialized.Store(true)
	return nil
}

// reportAtEnd returns a context that ends when ctx has ended and Config.Ended has returned. So the report is made before
// the stop begins, when the instance still has its workers. The returned function makes the report if ctx has not ended.
func (i *instance) reportAtEnd(ctx context.Context) (later context.Context, report func()) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var once sync.Once
	end := func() {
		once.Do(func() { i.config.Ended(i.report()) })
		cancel()
	}
	release := context.AfterFunc(ctx, end)
	return later, func() {
		release()
		end()
	}
}
