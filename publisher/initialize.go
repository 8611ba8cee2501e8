package publisher

import (
	"context"
	"errors"
	"fmt"
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

// Initialize makes sure that each partition of the state topic has a watch record. An instance that finds the topic empty
// writes all of them in one transaction, whose transactional id is the topic's name. If several instances do so at the same
// moment, one writes and the others see its records, because each looks again after its fence.
//
// The watch record names the region and never changes it. So Initialize should not be called before Deadline Cloud has
// answered in that region.
//
// ErrRefused says that the state topic is empty and the events topic is not. The state was lost, and going on would publish
// every session again.
func (p *Publisher) Initialize(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.acquireTimeout)
	defer cancel()
	pause := newBackoff()
	for {
		err := p.initialize(ctx)
		// Another instance that initializes the topic at the same moment fences this one, and that passes too.
		passes := errors.Is(err, ErrUnknownOutcome) || judgeCoordinator(err) != giveUp
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
	if done, err := p.initialized(ctx, uncommitted); done || err != nil {
		return err
	}
	for _, at := range partitionsOf(p.config.EventsTopic(), p.partitions) {
		s, err := p.brokers.span(ctx, at, uncommitted)
		if err != nil {
			return err
		}
		if s.end > 0 {
			return refuse(StateLost, "%s is empty, but %s is not: restore the state topic from a backup",
				topic, p.config.EventsTopic())
		}
	}
	return p.writeWatch(ctx, producer)
}

// initialized reports whether the state topic has committed records, up to the end that a reader with the isolation level
// can see. After the take-over it is called with uncommitted. Then one record in any partition is enough, because all were
// written in one transaction. With committed, an empty partition means no, because the transaction may still be open there.
func (p *Publisher) initialized(ctx context.Context, until isolation) (bool, error) {
	found, empty := false, false
	var failed error
	for _, at := range partitionsOf(p.config.StateTopic(), p.partitions) {
		s, err := p.brokers.span(ctx, at, until)
		if err == nil && !found {
			err = p.brokers.read(ctx, at, committed, s, func(r *kgo.Record) (bool, error) {
				found = !r.Attrs.IsControl()
				return found, nil
			})
		}
		if err != nil {
			failed = err
		} else if s.first >= s.end {
			empty = true
		}
	}
	switch {
	case found && (!empty || until == uncommitted):
		return true, nil
	case failed != nil:
		return false, failed
	}
	return false, nil
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
