package publisher

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	kafka "github.com/segmentio/kafka-go"
	"go.uber.org/zap"

	"farmwire/cluster"
)

// Publisher publishes to a cluster whose topics were checked. It is safe for concurrent use.
type Publisher struct {
	config         Config
	log            *zap.Logger
	metrics        *metrics
	brokers        *brokers
	partitions     int // of each topic
	acquireTimeout time.Duration
	leaveTimeout   time.Duration
	group          cluster.Membership
}

// Open connects to the cluster and checks that the topics are safe and fit the spec. If it succeeds, it registers metrics with
// registry, which may be nil, and the caller must call Close.
//
// The error says what is refused, could not be reached or was not allowed. Trials tells whether calling Open again may help.
func Open(ctx context.Context, c Config, topics TopicSpec, log *zap.Logger, registry prometheus.Registerer) (*Publisher, error) {
	transport, err := c.Cluster.Transport()
	if err != nil {
		return nil, err
	}
	b := newBrokers(transport, c.Cluster.Brokers, c.Topics(), newMetrics())
	p, err := open(ctx, c, topics, b, log)
	if err != nil {
		return nil, err
	}
	p.metrics.register(registry)
	return p, nil
}

// openTimeout limits all of Open. A cluster that cannot be reached is an error.
const openTimeout = 30 * time.Second

// acquireTimeout limits an acquisition up to the restore, which is limited by its progress. A fence may have to wait until the
// partitions of a dead broker have moved.
const acquireTimeout = 90 * time.Second

func open(ctx context.Context, c Config, topics TopicSpec, b *brokers, log *zap.Logger) (*Publisher, error) {
	p := &Publisher{
		config:         c,
		log:            log,
		metrics:        b.metrics,
		brokers:        b,
		acquireTimeout: acquireTimeout,
		leaveTimeout:   leaveTimeout,
		group:          cluster.Membership{Explain: c.explain},
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	var err error
	if p.partitions, err = CheckTopics(ctx, c, topics); err == nil {
		err = p.checkPartitions(ctx)
	}
	if err != nil {
		b.close()
		return nil, c.explain(fmt.Errorf("open the topics %s.*: %w", c.TopicPrefix, err))
	}
	p.logBrokers(ctx)
	return p, nil
}

// logBrokers logs the brokers' versions, and a warning if they are not safe. The take-over is safe with all of them, so an
// error here does not prevent publishing.
func (p *Publisher) logBrokers(ctx context.Context) {
	found, err := p.brokers.inspect(ctx)
	switch {
	case err != nil:
		p.log.Warn("the brokers' versions are not known", zap.Error(p.config.explain(err)))
	case found.Warning() != "":
		p.log.Warn(found.Warning(), zap.String("oldest", found.Version), zap.String("verification", string(found.Verification)))
	default:
		p.log.Info("brokers inspected", zap.String("oldest", found.Version), zap.String("verification", string(found.Verification)))
	}
}

// checkPartitions refuses topics that have more partitions now than the state topic had when it was opened.
func (p *Publisher) checkPartitions(ctx context.Context) error {
	topics := p.config.Topics()
	return p.brokers.repeat(ctx, "look at the topics", func(ctx context.Context) (err error) {
		leaders, err := p.brokers.leaders(ctx, topics...)
		if err != nil {
			return err
		}
		for _, topic := range topics {
			switch n := len(leaders[topic]); {
			case n > p.partitions:
				return refuseGrowth(topic, p.partitions, n)
			case n < p.partitions: // partitions are never removed, so this broker does not know all of them yet
				return fmt.Errorf("%s: the answer names %d of %d partitions: %w", topic, n, p.partitions, kafka.UnknownTopicOrPartition)
			}
		}
		return nil
	})
}

// Shards returns the number of shards, which is the number of partitions of the state topic.
func (p *Publisher) Shards() int { return p.partitions }

// Close closes all connections. No Shard may be used afterwards.
func (p *Publisher) Close() { p.brokers.close() }

// LongestRecord is how many bytes a record may have, in a batch of its own and without compression. Topics whose
// max.message.bytes is lower are refused.
//
// The longest record is an event. Each of its fields has at most 4 KiB, which the poller makes sure of. Its value has twelve
// fields of text, in JSON, where a byte takes up to six: 288 KiB. Its headers repeat six ids: 24 KiB. Its key is an id: 4 KiB. The
// rest is of fixed length and below 4 KiB. The sum is rounded up, so that a few fields can be added.
const LongestRecord = 384 << 10

// defaultBatchLimit is the default of max.message.bytes.
const defaultBatchLimit = 1_048_588

// batchLimits asks for the size of the largest batch that each topic accepts, in bytes, by the topics' names.
func (p *Publisher) batchLimits(ctx context.Context) (limits map[string]int, err error) {
	err = p.brokers.repeat(ctx, maxBatch+" of the topics", func(ctx context.Context) error {
		settings, err := topicSettings(ctx, p.brokers.sendToAny, p.config.Topics(), maxBatch)
		if err != nil {
			return err
		}
		limits = make(map[string]int)
		for topic, told := range settings {
			if limits[topic], err = strconv.Atoi(told[maxBatch]); err != nil {
				return fmt.Errorf("%s of %s: %w", maxBatch, topic, err)
			}
		}
		return nil
	})
	return limits, err
}
