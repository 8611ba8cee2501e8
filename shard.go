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
	"farmwire/event"
	"farmwire/publisher"
	"farmwire/status"
)

// batchObservations is how many observations one transaction takes at most. More of them wait for the next one.
const batchObservations = 500

// watchInterval is how often a shard looks for new fleets while there is no observation.
const watchInterval = time.Second

// shardWriter publishes to a shard. Each call commits before it returns. After an error the shard must be acquired
// again.
type shardWriter interface {
	PublishWatch(context.Context, event.WatchRecord) error
	Publish(context.Context, []diff.Changes) error
}

// serve is the life of a shard in this instance: it is fenced and restored, followed, and handed over. serve returns nil
// or an error of ctx when ctx ends, and any other error when the shard must be acquired again.
func (i *instance) serve(ctx context.Context, kafka *publisher.Publisher, shard int) error {
	i.shards.set(shard, status.Acquiring, nil)
	acquired, err := kafka.Acquire(ctx, shard)
	if err == nil {
		err = i.follow(ctx, shard, acquired.Watch(), acquired.Snapshots(), acquired)
	}
	if ctx.Err() != nil {
		i.shards.drop(shard)
	} else {
		i.shards.set(shard, status.Waiting, err)
	}
	return err
}

// follow publishes the changes of a shard's workers as their observations arrive, from the restored watch and snapshots
// on. The snapshots are by worker id.
func (i *instance) follow(ctx context.Context, shard int, watch event.WatchRecord, snapshots map[string]diff.Snapshot, to shardWriter) error {
	observations := i.poller.Own(shard, slices.Collect(maps.Values(snapshots)))
	defer i.disown(ctx, shard)()
	i.shards.set(shard, status.Followed, nil)
	i.warnOfInitial(watch)
	i.log.Info("shard is followed", zap.Int("shard", shard), zap.Int("workers", len(snapshots)))

	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		batch, err := gather(ctx, observations, tick.C)
		if err != nil {
			return err
		}
		// That a fleet is watched must be stored before the first listing of one of its workers is compared.
		if next, changed := renewed(watch, i.poller.Found()); changed {
			if err := to.PublishWatch(ctx, next); err != nil {
				return fmt.Errorf("publish the watch of shard %d: %w", shard, err)
			}
			watch = next
		}
		if err := i.advance(ctx, to, watch, snapshots, batch); err != nil {
			return fmt.Errorf("publish changes of shard %d: %w", shard, err)
		}
	}
}

// disown stops polling a shard as soon as ctx ends, even while a transaction is still open. The returned function stops
// it too, and returns when it is stopped.
func (i *instance) disown(ctx context.Context, shard int) func() {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		i.poller.Disown(shard)
		close(done)
	})
	return func() {
		if stop() {
			i.poller.Disown(shard)
		} else {
			<-done
		}
	}
}

// warnOfInitial warns once if the first start was with another Initial than this one. What the first start stored holds.
func (i *instance) warnOfInitial(watch event.WatchRecord) {
	if watch.Initial != i.initial {
		i.warned.Do(func() {
			i.log.Warn("the setting for the first start is ignored, because the first start was with another", zap.String("stored", watch.Initial), zap.String("asked", i.initial))
		})
	}
}

// errPolled says that the poller has ended, so that no observation will come.
var errPolled = errors.New("polling has ended")

// gather waits for an observation or for the tick, and takes all other observations that are there already. So one
// transaction publishes what arrived while the one before was in flight.
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

// advance compares a batch of observations with the snapshots, publishes the changes, and moves the snapshots forward
// when they are committed. A batch has at most one observation of each worker.
func (i *instance) advance(ctx context.Context, to shardWriter, watch event.WatchRecord, snapshots map[string]diff.Snapshot, batch []diff.Observation) error {
	changes := make([]diff.Changes, 0, len(batch))
	for _, observation := range batch {
		id := observation.Worker.WorkerID
		if _, known := snapshots[id]; !known {
			snapshots[id] = diff.NewSnapshot(observation.Worker, watch.Of(observation.Worker.FleetID))
		}
		changes = append(changes, diff.Between(snapshots[id], observation))
	}
	if err := to.Publish(ctx, changes); err != nil {
		return err
	}
	for n, c := range changes {
		id := c.Worker.WorkerID
		snapshot := diff.Apply(snapshots[id], c)
		if snapshots[id] = snapshot; snapshot.Empty() && batch[n].Source == diff.NoSuchWorker {
			delete(snapshots, id)
		}
		i.poller.Committed(snapshot)
		i.record(c)
	}
	return nil
}
