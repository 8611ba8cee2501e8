package farmwire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"farmwire/diff"
	"farmwire/publisher"
)

// A shard's transactions may hold what this many workers' observations taught. More wait for the next one.
const batchObservations = 500

// How often a shard looks for fleets that were found meanwhile, when no observation makes it look.
const watchInterval = time.Second

// shardLog is what a shard's life needs of the log that it is published to.
type shardLog interface {
	Watch() publisher.Watch
	Snapshots() map[string]diff.Snapshot // by worker id
	shardWriter
}

// shardWriter writes one transaction; after an error the shard must be acquired again.
type shardWriter interface {
	PublishWatch(context.Context, publisher.Watch) error
	Publish(context.Context, []diff.Changes) error
}

// serve is a shard's life in one instance: fence and restore, follow, hand over. It returns when ctx ends,
// or with an error when the shard must be acquired again.
func (w *wire) serve(ctx context.Context, kafka *publisher.Publisher, shard int) error {
	w.shards.set(shard, "is being acquired")
	log, err := kafka.Acquire(ctx, shard)
	if err == nil {
		err = w.follow(ctx, shard, log)
	}
	if ctx.Err() != nil {
		w.shards.drop(shard)
	} else {
		w.shards.set(shard, fmt.Sprintf("waits to be acquired again: %v", err))
	}
	return err
}

// follow says the sentence for all workers of a shard, as their observations arrive.
func (w *wire) follow(ctx context.Context, shard int, log shardLog) error {
	snapshots, watch := log.Snapshots(), log.Watch()
	observations := w.poller.Own(shard, slices.Collect(maps.Values(snapshots)))
	defer w.disown(ctx, shard)()
	w.shards.set(shard, "")
	w.warnOfInitial(watch)
	w.log.Info("shard is followed", zap.Int("shard", shard), zap.Int("workers", len(snapshots)))

	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		batch, err := gather(ctx, observations, tick.C)
		if err != nil {
			return err
		}
		if watch, err = w.renewWatch(ctx, log, watch); err != nil {
			return fmt.Errorf("publish the watch of shard %d: %w", shard, err)
		}
		if err := w.advance(ctx, log, watch, snapshots, batch); err != nil {
			return fmt.Errorf("publish changes of shard %d: %w", shard, err)
		}
	}
}

// disown gives up polling a shard as soon as ctx ends, whatever transaction is still open then, or when the
// returned function is called, which waits for it.
func (w *wire) disown(ctx context.Context, shard int) func() {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		w.poller.Disown(shard)
		close(done)
	})
	return func() {
		if stop() {
			w.poller.Disown(shard)
		} else {
			<-done
		}
	}
}

// warnOfInitial says once that the state topic's first start has decided the matter.
func (w *wire) warnOfInitial(watch publisher.Watch) {
	if watch.Initial != w.initial {
		w.warned.Do(func() {
			w.log.Warn("--initial is ignored: the first start was with another", zap.String("stored", watch.Initial), zap.String("asked", w.initial))
		})
	}
}

// errPolled says that there is nothing to follow any more: the poller has ended.
var errPolled = errors.New("polling has ended")

// gather waits for an observation, or for the tick, and takes what else is there. All that arrived while a
// transaction was in flight is so published in the next.
func gather(ctx context.Context, observations <-chan diff.Observation, tick <-chan time.Time) ([]diff.Observation, error) {
	var batch []diff.Observation
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-tick:
		return nil, nil
	case o, ok := <-observations:
		if !ok {
			return nil, errPolled
		}
		batch = append(batch, o)
	}
	for len(batch) < batchObservations {
		select {
		case o, ok := <-observations:
			if !ok {
				return nil, errPolled
			}
			batch = append(batch, o)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// advance compares, publishes, and moves the snapshots once that is committed. A worker has one observation
// in a batch at most.
func (w *wire) advance(ctx context.Context, log shardWriter, watch publisher.Watch, snapshots map[string]diff.Snapshot, batch []diff.Observation) error {
	changes := make([]diff.Changes, 0, len(batch))
	for _, observation := range batch {
		id := observation.Worker.WorkerID
		if _, known := snapshots[id]; !known {
			snapshots[id] = diff.NewSnapshot(observation.Worker, watch.Of(observation.Worker.FleetID))
		}
		changes = append(changes, diff.Between(snapshots[id], observation))
	}
	if err := log.Publish(ctx, changes); err != nil {
		return err
	}
	for i, c := range changes {
		id := c.Worker.WorkerID
		snapshot := diff.Apply(snapshots[id], c)
		if snapshots[id] = snapshot; snapshot.Empty() && batch[i].Evidence == diff.Gone {
			delete(snapshots, id)
		}
		w.poller.Committed(snapshot)
		w.account(c)
	}
	return nil
}
