package farmwire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"farmwire/coverage"
	"farmwire/diff"
	"farmwire/event"
	"farmwire/poller"
	"farmwire/publisher"
	"farmwire/status"
)

// maxObservations is the most observations that are published together. Others wait for the next transaction.
const maxObservations = 500

// watchInterval is how often a shard whose workers give no observation stores what discovery has found.
const watchInterval = time.Second

// shardWriter publishes to a shard, as a publisher.Shard does. After an error the shard must be acquired again.
type shardWriter interface {
	WithoutLeader(context.Context, []diff.Changes) ([]string, error)
	CoverageWithoutLeader(context.Context) (string, error)
	PublishCoverage(context.Context, publisher.Coverage) error
	Publish(context.Context, []diff.Changes) error
}

// loop observes, compares and publishes, for the shards of one instance.
type loop struct {
	poller  *poller.Poller
	initial string    // Config.Publisher.Initial
	warned  sync.Once // for the warning that initial is ignored
	quiet   bool      // do not log events; a dry run shows them already
	log     *zap.Logger
	metrics metrics
	states  shardStates
	shards  int // how many there are
	shardOf func(workerID string) int
	covers  coverage.Config // but for what a shard owns
	group   func() status.Group

	coverages *coverages
	accounts  accounts
	gone      sync.Map // the ids of the farms and fleets that are logged as gone
}

// serve is the life of a shard in this instance. It fences and restores the shard, and then follows it until ctx ends,
// because the shard is given to another instance or this one stops. After any error the shard must be acquired again.
func (l *loop) serve(ctx context.Context, kafka *publisher.Publisher, shard int) error {
	l.states.set(ctx, shard, status.Acquiring)
	acquired, err := kafka.Acquire(ctx, shard)
	if err == nil {
		err = l.follow(ctx, shard, restored{acquired.Watch(), acquired.Coverage(), acquired.Snapshots()}, acquired)
	}
	if ctx.Err() != nil {
		l.coverages.noteRevoked(shard)
	}
	l.states.failed(ctx, shard, err)
	return err
}

// restored is what a shard begins with.
type restored struct {
	watch     event.WatchRecord
	coverage  *coverage.State // nil if it was never stored
	snapshots map[diff.WorkerKey]diff.Snapshot
}

// follow publishes the changes of a shard's workers as their observations arrive. It begins with what was restored. When ctx ends it publishes what has arrived by then, so that what was shown before a graceful hand-over is in
// Kafka, and returns nil. It does not wait for partitions without a leader then: the next owner finds those changes again.
func (l *loop) follow(ctx context.Context, shard int, from restored, to shardWriter) error {
	watch, snapshots := from.watch, newSnapshots(from.snapshots)
	all := slices.Collect(maps.Values(from.snapshots))
	covers := l.covers
	covers.Owns = func(workerID string) bool { return l.shardOf(workerID) == shard }
	covered := l.coverages.begin(shard, covers, from.coverage, all)
	defer covered.end()
	observations := l.poller.Own(shard, all)
	defer func() { go discard(observations) }() // what a shard that failed still delivers
	defer l.disown(ctx, shard)()
	publishing, stop := outlast(ctx)
	defer stop()
	defer l.accounts.set(shard, false)
	l.states.set(ctx, shard, status.Followed)
	writer := &watchedWriter{shardWriter: to, states: &l.states, assigned: ctx, shard: shard, committed: covered.from}
	l.warnOfInitial(watch)
	l.log.Info("shard is followed", zap.Int("shard", shard), zap.Int("workers", len(from.snapshots)))

	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var held heldBack
	for {
		batch, err := gather(publishing, observations, tick.C)
		if err == nil && batch == nil {
			batch = held.release()
		}
		if err == nil {
			watch, err = l.step(publishing, shard, writer, watch, snapshots, covered, &held, batch)
			l.states.update(ctx, shard, func(of *shardState) { of.Leaderless = held.waiting() })
		}
		switch {
		case errors.Is(err, errPolled) && ctx.Err() != nil:
			// Disown has closed the channel, and all is published.
			l.storeAtEnd(publishing, writer, watch, covered)
			return nil
		case err != nil && ctx.Err() != nil && !isLost(ctx) && !l.quiet:
			l.log.Warn("the shard is given up before all that it has received is published; the next fence ends what is open, and what is not in Kafka is found again",
				zap.Int("shard", shard), zap.Error(err))
			fallthrough
		case err != nil:
			l.coverages.noteFailed(shard, writer.committed)
			return fmt.Errorf("shard %d: %w", shard, err)
		}
	}
}

// step publishes a batch of observations, after the watch if that is new, and after what is due of the coverage. It returns the
// watch.
func (l *loop) step(ctx context.Context, shard int, to *watchedWriter, watch event.WatchRecord, snapshots *snapshots, covered *shardCoverage, held *heldBack, batch []diff.Observation) (event.WatchRecord, error) {
	// The watch on a fleet must be stored before the first listing of one of its workers is compared.
	found := l.poller.Found()
	other := isOtherAccount(watch, found)
	l.noteAccount(shard, other)
	next, changed := watch, false
	if !other {
		next, changed = renewed(watch, found, snapshots)
	}
	covered.pause(other, snapshots.all)
	next, err := l.publishCoverage(ctx, to, next, changed, covered)
	if err != nil {
		return watch, fmt.Errorf("publish the coverage: %w", err)
	}
	l.logGone(watch, next)
	watch = next
	snapshots.forgetIdle(time.Now())
	if err := l.publish(ctx, to, watch, snapshots, covered, held, l.believed(batch, watch, snapshots, covered, other)); err != nil {
		return watch, fmt.Errorf("publish changes: %w", err)
	}
	return watch, nil
}

// outlast returns a context that ends publisher.DrainTime after ctx. If the shard is lost, it ends with ctx.
func outlast(ctx context.Context) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, func() {
		if isLost(ctx) {
			cancel()
			return
		}
		time.AfterFunc(publisher.DrainTime, cancel)
	})
	return later, func() { release(); cancel() }
}

// isLost reports whether ctx has ended because another instance may have the shard already.
func isLost(ctx context.Context) bool { return errors.Is(context.Cause(ctx), publisher.ErrLost) }

// disown stops the polling of a shard as soon as ctx ends. The returned function stops it in any case, and returns when the
// poller has been told.
func (l *loop) disown(ctx context.Context, shard int) func() {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		l.poller.Disown(shard)
		close(done)
	})
	return func() {
		if stop() {
			l.poller.Disown(shard)
		} else {
			<-done
		}
	}
}

// discard receives until the channel is closed.
func discard(observations <-chan diff.Observation) {
	for range observations {
	}
}

// warnOfInitial warns once if the first start had another Initial than this one. The stored one is used.
func (l *loop) warnOfInitial(watch event.WatchRecord) {
	if watch.Initial != l.initial {
		l.warned.Do(func() {
			l.log.Warn("the setting for the first start is ignored, because the first start had another value", zap.String("stored", watch.Initial), zap.String("asked", l.initial))
		})
	}
}

// errPolled says that no observation will arrive any more, because the shard was disowned or the poller has ended.
var errPolled = errors.New("polling has ended")

// gather waits for an observation or for the tick. With an observation it also returns those that have arrived already. So
// one transaction publishes everything that arrived while the previous one was in flight.
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
	for len(batch) < maxObservations {
		select {
		case o, ok := <-observations:
			if !ok {
				return batch, nil // the next call says so
			}
			batch = append(batch, o)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// publish publishes what a batch of observations shows, and tells the poller what is committed. A batch has at most one
// observation of each worker. What it shows of the sessions of namesakes comes first, see snapshots. What cannot be written
// now is held back.
func (l *loop) publish(ctx context.Context, to shardWriter, watch event.WatchRecord, snapshots *snapshots, covered *shardCoverage, held *heldBack, batch []diff.Observation) error {
	for batch = held.admit(batch); len(batch) > 0; batch = held.admit(batch) {
		round, rest := nextRound(batch)
		whole := slices.Clone(round)
		if strays := snapshots.takeStrays(round); len(strays) > 0 {
			if err := l.advance(ctx, to, watch, snapshots, held, strays); err != nil {
				return err
			}
			for _, o := range strays {
				if !held.holds(o) {
					covered.committedElsewhere(o, snapshots.of(o.Worker, watch))
				}
			}
			round = slices.DeleteFunc(round, held.holds)
		}
		if err := l.advance(ctx, to, watch, snapshots, held, round); err != nil {
			return err
		}
		for _, o := range held.admit(whole) {
			l.committed(o, snapshots.of(o.Worker, watch), covered)
		}
		batch = rest
	}
	return nil
}

// committed tells the poller and the coverage that an observation was committed. The snapshot is that after it.
func (l *loop) committed(o diff.Observation, after diff.Snapshot, covered *shardCoverage) {
	covered.committed(o, after)
	l.poller.Committed(after)
}

// advance compares observations with the snapshots, publishes the changes, and moves the snapshots forward when they are
// committed. There is at most one observation of each worker. It holds back those whose changes cannot be written now.
func (l *loop) advance(ctx context.Context, to shardWriter, watch event.WatchRecord, snapshots *snapshots, held *heldBack, batch []diff.Observation) error {
	changes := make([]diff.Changes, 0, len(batch))
	for _, observation := range batch {
		changes = append(changes, diff.Between(snapshots.of(observation.Worker, watch), observation))
	}
	missing, err := to.WithoutLeader(ctx, changes)
	if err != nil {
		return err
	}
	for n, partition := range missing {
		if partition != "" {
			held.hold(batch[n], partition)
		}
	}
	changes = slices.DeleteFunc(changes, held.holdsChanges)
	batch = slices.DeleteFunc(batch, held.holds)
	if err := to.Publish(ctx, changes); err != nil {
		return err
	}
	for n, c := range changes {
		snapshot := diff.Apply(snapshots.of(c.Worker, watch), c)
		if batch[n].Source == diff.NoSuchWorker && snapshot.Empty() {
			snapshots.drop(c.Worker)
		} else {
			snapshots.put(snapshot)
		}
		l.metrics.count(c)
		l.logChanges(c)
	}
	return nil
}

// logChanges logs what was committed of one observation.
func (l *loop) logChanges(c diff.Changes) {
	for _, e := range c.Events {
		if l.quiet {
			break
		}
		l.log.Info("session "+string(e.Kind),
			zap.String("session", e.Session.SessionID), zap.Uint64("sequence", e.Sequence),
			zap.String("worker", e.Session.WorkerID), zap.String("fleet", e.Session.FleetID), zap.String("farm", e.Session.FarmID),
			zap.String("status", e.Session.LifecycleStatus), zap.Time("before", e.Observed.Before))
	}
	for _, id := range c.Stale {
		l.log.Debug("an answer showed an ended session as open", zap.String("session", id), zap.String("worker", c.Worker.WorkerID))
	}
	for _, id := range c.Reappeared {
		l.log.Warn("a session that was published as vanished was seen again; it gives no event", zap.String("session", id), zap.String("worker", c.Worker.WorkerID))
	}
}
