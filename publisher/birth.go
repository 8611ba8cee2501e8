package publisher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
)

// bear makes sure that the state topic is born: that every partition has its watch record. They are
// written in one transaction by whoever finds the topic empty, under a transactional id that is
// the topic's name. Emptiness is checked again after that fence, so of several that race one writes and the
// others see it.
//
// A state topic that is empty beside events that are not has been lost or is a different one: going on would
// publish every session again, so it is refused.
func (p *Publisher) bear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.brokers.patience.fence)
	defer cancel()
	client, err := p.config.reader()
	if err != nil {
		return err
	}
	defer client.Close()
	pause := newPauses()
	for {
		err := p.bearOnce(ctx, client)
		if !errors.Is(err, ErrFenced) {
			return err
		}
		// Another instance does the same at the same moment.
		if pause.wait(ctx, later) != nil {
			return stopped(ctx, err)
		}
	}
}

func (p *Publisher) bearOnce(ctx context.Context, client *kgo.Client) error {
	born, err := p.born(ctx, client)
	if born || err != nil {
		return err
	}
	producer, err := p.brokers.fence(ctx, p.config.StateTopic(), p.config.Compression)
	if err != nil {
		return err
	}
	born, err = p.born(ctx, client)
	if born || err != nil {
		return err
	}
	events, err := spans(ctx, client, p.config.EventsTopic())
	if err != nil {
		return err
	}
	for _, s := range events {
		if !s.empty() {
			return refuse("%s is empty, but %s is not: restore the state topic from a backup, or begin with another --topic-prefix",
				p.config.StateTopic(), p.config.EventsTopic())
		}
	}
	return p.writeBirth(ctx, producer)
}

// born reports whether any partition of the state topic has a committed record. Where a transaction is open it
// looks for a while, and then says no: the fence ends the transaction, and the look after that is certain.
func (p *Publisher) born(ctx context.Context, client *kgo.Client) (bool, error) {
	topic := p.config.StateTopic()
	all, err := spans(ctx, client, topic)
	if err != nil {
		return false, err
	}
	for i, s := range all {
		found := false
		at := topicPartition{topic: topic, partition: int32(i)}
		quiet := func(context.Context) error { return errQuiet }
		err := readCommitted(ctx, client, at, s, quiet, func(*kgo.Record) (bool, error) {
			found = true
			return true, nil
		})
		if found || err != nil && !errors.Is(err, errQuiet) {
			return found, err
		}
	}
	return false, nil
}

var errQuiet = errors.New("nothing came")

func (p *Publisher) writeBirth(ctx context.Context, producer *producer) error {
	watch := Watch{
		Schema:     schema,
		Region:     p.config.Region,
		Partitions: p.partitions,
		Initial:    p.config.Initial,
		Farms:      map[string]FarmWatch{},
		Fleets:     map[string]FleetWatch{},
	}
	value := appendWatch(nil, watch)
	out := make([]*outgoing, p.partitions)
	for i := range out {
		out[i] = &outgoing{topicPartition: topicPartition{p.config.StateTopic(), int32(i)}, limit: defaultBatchLimit}
		out[i].append([]byte(watchKey), value, nil)
	}
	if err := producer.commit(ctx, time.Now(), out); err != nil {
		return fmt.Errorf("begin %s: %w", p.config.StateTopic(), err)
	}
	p.log.Info("state topic begun", zap.String("topic", p.config.StateTopic()), zap.Int("partitions", p.partitions),
		zap.String("region", watch.Region), zap.String("initial", watch.Initial))
	return nil
}
