package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"farmwire/coverage"
	"farmwire/diff"
	"farmwire/event"
)

// Shard is a partition of the state topic that this process has fenced and restored. It must be used by one goroutine at a
// time.
//
// After any error of Publish or PublishCoverage it can no longer be used. The shard must be acquired again, which settles the
// transaction and shows what was committed.
type Shard struct {
	publisher *Publisher
	number    int
	producer  *producer
	encoder   *encoder
	watch     event.WatchRecord
	coverage  *coverage.State
	snapshots map[diff.WorkerKey]diff.Snapshot
	hasLog    bool // the log has a record in the state topic
	failed    error
	log       *zap.Logger
}

// Acquire takes a shard over from its previous owner and restores what was committed. It raises the epoch of the shard's
// transactional id, reads the partition to its uncommitted end, and computes the snapshots from the records.
//
// After ErrRefused it does not help to call Acquire again. After any other error it may be called again, after a pause.
func (p *Publisher) Acquire(ctx context.Context, shard int) (*Shard, error) {
	if shard < 0 || shard >= p.partitions {
		return nil, fmt.Errorf("no shard %d: there are %d", shard, p.partitions)
	}
	began := time.Now()
	s, records, err := p.acquire(ctx, shard)
	if err != nil {
		return nil, p.config.explain(err)
	}
	took := time.Since(began)
	p.metrics.restores.Observe(took.Seconds())
	p.metrics.restoreRecords.Add(float64(records))
	s.log.Info("shard acquired", zap.Int("records", records), zap.Int("workers", len(s.snapshots)), zap.Duration("took", took),
		zap.Int64("producer", s.producer.identity.producer), zap.Int16("epoch", s.producer.identity.epoch))
	return s, nil
}

func (p *Publisher) acquire(ctx context.Context, shard int) (*Shard, int, error) {
	topic := p.config.StateTopic()
	fencing, cancel := context.WithTimeout(ctx, p.acquireTimeout)
	defer cancel()
	if err := p.checkPartitions(fencing); err != nil {
		return nil, 0, err
	}
	producer, err := p.takeOver(fencing, transactionalID(topic, shard), p.scope(shard), noIdentity())
	if err != nil {
		return nil, 0, err
	}
	limits, err := p.batchLimits(fencing)
	if err != nil {
		return nil, 0, err
	}
	state, err := p.restore(ctx, shard)
	if err != nil {
		return nil, 0, err
	}
	if state.watch == nil {
		return nil, 0, refuse(StateLost, "partition %d of %s has no watch record, so part of the topic is lost: restore it from a backup",
			shard, topic)
	}
	if err := checkWatch(*state.watch, topic, p.config.Region, p.partitions); err != nil {
		return nil, 0, err
	}
	s := &Shard{
		publisher: p,
		number:    shard,
		producer:  producer,
		encoder:   newEncoder(p.config, shard, p.partitions, limits),
		watch:     *state.watch,
		snapshots: state.snapshots,
		log:       p.log.With(zap.Int("shard", shard)),
	}
	s.restoreLogs(&state)
	return s, state.records, nil
}

// restoreLogs goes on with the logs where the previous owner has committed them.
func (s *Shard) restoreLogs(state *restored) {
	if state.log != nil {
		s.encoder.log, s.hasLog = *state.log, true
	}
	if state.coverage != nil {
		s.encoder.coverage = state.coverage.Log
		s.coverage = &state.coverage.State
		s.coverage.Workers = state.workers
	}
}

// scope returns every partition that a shard writes to. The last is its own partition of the state topic.
func (p *Publisher) scope(shard int) []topicPartition {
	var scope []topicPartition
	for r := range topicCount {
		scope = append(scope, p.config.partitionsOf(r, shard, p.partitions)...)
	}
	return scope
}

func (p *Publisher) statePartition(shard int) topicPartition {
	return topicPartition{p.config.StateTopic(), int32(shard)}
}

// Watch returns a copy of the watch record that was restored, or of the last one that was committed since.
func (s *Shard) Watch() event.WatchRecord { return s.watch.Clone() }

// Snapshots returns what was restored.
func (s *Shard) Snapshots() map[diff.WorkerKey]diff.Snapshot { return s.snapshots }

// Coverage returns what was restored of the shard's coverage, or nil if nothing was ever stored.
func (s *Shard) Coverage() *coverage.State { return s.coverage }

// Coverage is what a shard publishes besides changes.
type Coverage struct {
	Watch   *event.WatchRecord // nil: it has not changed
	Time    time.Time          // by the service's clock
	Records []coverage.Record  // for the coverage topic
	State   coverage.State     // is stored
}

// PublishCoverage commits coverage records, and what is stored of the coverage and of the watch, in a transaction without
// events. A heartbeat names the log as it was committed before.
func (s *Shard) PublishCoverage(ctx context.Context, c Coverage) error {
	s.encoder.reset(time.Now())
	var watch event.WatchRecord
	if c.Watch != nil {
		watch = c.Watch.Clone()
		watch.Schema = event.Schema
		s.encoder.addWatch(watch)
	}
	if !s.hasLog {
		// Versions that have no log refuse a shard with such a record. So no event without an index follows one that has an index.
		s.encoder.addLog()
	}
	if err := s.encoder.addCoverage(c); err != nil {
		return err
	}
	if err := s.commit(ctx); err != nil {
		return err
	}
	s.hasLog = true
	if c.Watch != nil {
		s.watch = watch
	}
	return nil
}

// CoverageWithoutLeader returns the name of the shard's partition of the coverage topic if it has no leader now, and otherwise
// "". A transaction with coverage records would not begin then. After an error the shard must be acquired again.
func (s *Shard) CoverageWithoutLeader(ctx context.Context) (string, error) {
	at := s.encoder.to[coverageTopic][0].topicPartition
	missing, err := s.withoutLeader(ctx, []topicPartition{at})
	if err != nil || len(missing) == 0 {
		return "", err
	}
	return at.String(), nil
}

// WithoutLeader returns for each of the changes the name of a partition that they would be written to and that has no leader
// now, or "" if there is none. It returns nil if all changes can be published. A transaction with the others would not begin, and
// the shard would have to be acquired again. The shard's own partition of the state topic is not looked at.
//
// After an error the shard must be acquired again.
func (s *Shard) WithoutLeader(ctx context.Context, changes []diff.Changes) ([]string, error) {
	needed := make([][]topicPartition, len(changes))
	var all []topicPartition
	for n := range changes {
		for i := range changes[n].Events {
			needed[n] = append(needed[n], s.encoder.eventPartitions(&changes[n].Events[i])...)
		}
		all = append(all, needed[n]...)
	}
	if len(all) == 0 {
		return nil, nil
	}
	missing, err := s.withoutLeader(ctx, all)
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	names := make([]string, len(changes))
	for n := range needed {
		for _, at := range needed[n] {
			if slices.Contains(missing, at) {
				names[n] = at.String()
			}
		}
	}
	return names, nil
}

// withoutLeader returns those of the partitions that have no leader now.
func (s *Shard) withoutLeader(ctx context.Context, all []topicPartition) (missing []topicPartition, err error) {
	brokers := s.publisher.brokers
	ctx, cancel := context.WithTimeout(ctx, brokers.timeouts.total)
	defer cancel()
	err = brokers.repeat(ctx, "find the leaders", func(ctx context.Context) (err error) {
		missing, err = brokers.withoutLeader(ctx, all)
		return err
	})
	return missing, s.publisher.config.explain(err)
}

// Publish commits the changes of some observations: their events, the copies for the ended topic, and the new state of the
// sessions. It uses one transaction, or several if there are many changes. All changes of one session are in one transaction.
// Without changes Publish does nothing.
//
// The error is ErrFenced, ErrUnknownOutcome, or says why nothing more was committed. The shard must be acquired again after
// any error, and some of the changes may have been committed.
func (s *Shard) Publish(ctx context.Context, changes []diff.Changes) error {
	s.encoder.reset(RecordedAt(changes))
	for i := range changes {
		if err := s.publish(ctx, &changes[i]); err != nil {
			return err
		}
	}
	return s.flush(ctx)
}

func (s *Shard) publish(ctx context.Context, c *diff.Changes) error {
	if c.Absences != nil {
		// They come first, because they refer only to sessions that were ended before. If they came in a later transaction
		// than an event, they could not be told apart from older ones that do not know of its end.
		if err := s.makeRoom(ctx, 0); err != nil {
			return err
		}
		s.encoder.addAbsences(*c.Absences)
	}
	for events := c.Events; len(events) > 0; {
		n := sessionRun(events)
		if err := s.makeRoom(ctx, n); err != nil {
			return err
		}
		s.encoder.addSession(events[:n], c.Status)
		events = events[n:]
	}
	for i := range c.Remembered {
		if err := s.makeRoom(ctx, 0); err != nil {
			return err
		}
		s.encoder.addRecord(&c.Remembered[i])
	}
	for _, id := range c.Forgotten {
		if err := s.makeRoom(ctx, 0); err != nil {
			return err
		}
		s.encoder.addTombstone(id)
	}
	return nil
}

// RecordedAt returns the current time, or the time of the latest observation if that is later. It can be later because it is
// rounded up to the millisecond, and because the clock may have been set back since.
func RecordedAt(changes []diff.Changes) time.Time {
	at := time.Now()
	for i := range changes {
		for j := range changes[i].Events {
			if before := changes[i].Events[j].Observed.Before; before.After(at) {
				at = before
			}
		}
	}
	return at
}

// sessionRun returns how many of the first changes are of one session.
func sessionRun(events []diff.Change) int {
	n := 1
	for n < len(events) && events[n].Session.SessionID == events[0].Session.SessionID {
		n++
	}
	return n
}

// What one transaction holds at most. Larger transactions are not faster, and make consumers wait longer.
const (
	maxEvents = 1_000
	maxStates = 4_000
)

// makeRoom commits what was collected if it would be too much together with so many more events and one more state record.
func (s *Shard) makeRoom(ctx context.Context, events int) error {
	e := s.encoder
	if e.states == 0 || e.events+events <= maxEvents && e.states < maxStates {
		return nil
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	e.reset(time.Now())
	return nil
}

func (s *Shard) flush(ctx context.Context) error {
	if s.encoder.states == 0 {
		return nil
	}
	if s.encoder.events > 0 {
		s.encoder.addLog()
	}
	if err := s.commit(ctx); err != nil {
		return err
	}
	s.hasLog = s.hasLog || s.encoder.events > 0
	for kind, n := range s.encoder.byKind {
		s.publisher.metrics.events.WithLabelValues(string(kind)).Add(float64(n))
	}
	return nil
}

func (s *Shard) commit(ctx context.Context) error {
	if s.failed != nil {
		return fmt.Errorf("the shard must be acquired again after: %w", s.failed)
	}
	const tries = 3 // if a connection breaks before the transaction has begun
	err := errBroken
	for try := 0; try < tries && errors.Is(err, errBroken); try++ {
		if err = s.renew(ctx); err == nil {
			err = s.write(ctx)
		}
	}
	if err != nil {
		s.failed = err
		return s.publisher.config.explain(err)
	}
	return nil
}

// write commits what is encoded, in one transaction.
func (s *Shard) write(ctx context.Context) error {
	return s.producer.commit(ctx, s.encoder.at, s.encoder.outgoing())
}

// errBetween says that the restored state of a shard may be out of date, so the shard must be acquired again.
var errBetween = errors.New("another owner may have had the shard, or a transaction may have begun or ended without an answer")

// renew fences the shard again before a transaction if the epoch is spent, or if a connection broke. A broker that was
// started again may have lost the markers of the last transaction. If the fence returns the next epoch of the same
// producer id, no other process has owned the shard since, and its restored state is still right. Any other epoch may come
// from another owner, or only from an AddPartitionsToTxn request whose answer was lost. renew cannot tell these apart.
func (s *Shard) renew(ctx context.Context) error {
	brokers, was := s.publisher.brokers, s.producer.identity
	if !s.producer.spent && s.producer.breaks == brokers.conns.breaks() {
		return nil
	}
	fresh, err := s.publisher.takeOver(ctx, s.producer.id, s.publisher.scope(s.number), was)
	if err != nil {
		return err
	}
	if fresh.identity != (identity{was.producer, was.epoch + 1}) {
		return errBetween
	}
	s.producer = fresh
	return nil
}
