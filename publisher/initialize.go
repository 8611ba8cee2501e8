package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"farmwire/event"
)

// Initialized reports whether the state topic was initialized: whether any of its partitions holds a committed record, and
// none is still empty.
func (p *Publisher) Initialized(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, p.brokers.timeouts.fence)
	defer cancel()
	done, err := p.initialized(ctx, committed)
	return done, p.config.explain(err)
}

// initializeTimeout limits Initialize, which may have to fence and to look again several times.
const initializeTimeout = 5 * time.Minute

// Initialize makes sure that each partition of the state topic has a watch record. An instance that finds the topic empty
// writes all of them in one transaction, whose transactional id is the topic's name. If several instances do so at the same
// moment, one writes and the others see its records, because each looks again after its fence.
//
// The watch record names the region and never changes it. So Initialize should not be called before Deadline Cloud has
// shown a farm in that region.
//
// ErrRefused says that the state topic is empty and the events topic is not. The state was lost, and going on would publish
// every session again.
func (p *Publisher) Initialize(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, initializeTimeout)
	defer cancel()
	pause := newBackoff()
	for {
		err := p.initialize(ctx)
		// Another instance that initializes the topic at the same moment fences this one, and that passes too. The write
		// that failed may be answered with another error then. In that case the abort that follows returns ErrFenced.
		passes := errors.Is(err, ErrFenced) || errors.Is(err, ErrUnknownOutcome) || judgeCoordinator(err) != giveUp
		if err == nil || errors.Is(err, ErrRefused) || !passes {
			return p.config.explain(err)
		}
		if pause.wait(ctx, later) != nil {
			return p.config.explain(stopped(ctx, err))
		}
	}
}

func (p *Publisher) initialize(ctx context.Context) error {
	if done, err := p.initialized(ctx, committed); done || err != nil {
		return err
	}
	topic := p.config.StateTopic()
	producer, err := p.takeOver(ctx, topic, partitionsOf(topic, p.partitions), noIdentity())
	if err != nil {
		return err
	}
	// The events come first. They are always published after the state topic was initialized, so if another instance does
	// both at this moment, its records are in the state topic when they are looked for.
	published := false
	for _, at := range partitionsOf(p.config.EventsTopic(), p.partitions) {
		s, err := p.brokers.span(ctx, at, uncommitted)
		if err != nil {
			return err
		}
		published = published || s.end > 0
	}
	if done, err := p.initialized(ctx, uncommitted); done || err != nil {
		return err
	}
	if published {
		return refuse(StateLost, "%s is empty, but %s is not: restore the state topic from a backup",
			topic, p.config.EventsTopic())
	}
	return p.writeWatch(ctx, producer)
}

// initialized reports whether the state topic has committed records, up to the end that a reader with the isolation level
// can see. After the take-over it is called with uncommitted. Then one record in any partition is enough, because all were
// written in one transaction. With committed, an empty partition means no, because the transaction may still be open there.
// A partition that cannot be read is not taken for an empty one, and does not matter if another one has a record.
func (p *Publisher) initialized(ctx context.Context, until isolation) (bool, error) {
	all := partitionsOf(p.config.StateTopic(), p.partitions)
	found, empty, errs := make([]bool, len(all)), make([]bool, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i, at := range all {
		wg.Go(func() { found[i], empty[i], errs[i] = p.hasRecord(ctx, at, until) })
	}
	wg.Wait()
	if slices.Contains(found, true) && (!slices.Contains(empty, true) || until == uncommitted) {
		return true, nil
	}
	return false, cause(errs)
}

// hasRecord reports whether a partition has a committed record, or is empty.
func (p *Publisher) hasRecord(ctx context.Context, at topicPartition, until isolation) (found, empty bool, err error) {
	s, err := p.brokers.span(ctx, at, until)
	if err != nil {
		return false, false, err
	}
	err = p.brokers.read(ctx, at, committed, s, func(r *kgo.Record) (bool, error) {
		found = !r.Attrs.IsControl()
		return found, nil
	})
	return found, err == nil && s.first >= s.end, err
}

func (p *Publisher) writeWatch(ctx context.Context, producer *producer) error {
	topic := p.config.StateTopic()
	watch := event.WatchRecord{
		Schema:     event.Schema,
		Region:     p.config.Region,
		Partitions: p.partitions,
		Initial:    p.config.Initial,
		Farms:      map[string]event.FarmWatch{},
		Fleets:     map[string]event.FleetWatch{},
	}
	value := event.AppendWatch(nil, watch)
	out := make([]*outgoing, p.partitions)
	for i, at := range partitionsOf(topic, p.partitions) {
		out[i] = &outgoing{topicPartition: at, limit: defaultBatchLimit}
		out[i].append([]byte(event.WatchKey), value, nil)
	}
	if err := producer.commit(ctx, time.Now(), out); err != nil {
		return fmt.Errorf("initialize %s: %w", topic, err)
	}
	p.log.Info("state topic initialized", zap.String("topic", topic), zap.Int("partitions", p.partitions),
		zap.String("region", watch.Region), zap.String("initial", watch.Initial))
	return nil
}
