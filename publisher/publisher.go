package publisher

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	kafka "github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// Publisher is a connection to a cluster whose topics were checked. It is safe for concurrent use.
type Publisher struct {
	config         Config
	log            *zap.Logger
	metrics        *metrics
	brokers        *brokers
	partitions     int // of each topic
	acquireTimeout time.Duration
	restoring      chan struct{} // bounds the shards that are restored at the same time
}

// restoresAtOnce bounds the connections and the memory of a start with many shards.
const restoresAtOnce = 4

// Open connects to the cluster and checks that the topics are as the spec asks. Close must be called. registry may be nil.
//
// ErrRefused is final and says what to do. Any other error says what could not be reached or was not allowed.
func Open(ctx context.Context, c Config, topics TopicSpec, log *zap.Logger, registry prometheus.Registerer) (*Publisher, error) {
	transport, err := c.Cluster.Transport()
	if err != nil {
		return nil, err
	}
	b := newBrokers(transport, c.Cluster.Brokers, c.Topics(), newMetrics(registry))
	return open(ctx, c, topics, b, log)
}

// openTimeout bounds all of Open: a cluster that is not there must be reported, not waited for.
const openTimeout = 30 * time.Second

// acquireTimeout bounds a fence and a restore. A fence may have to wait until a dead broker's partitions have
// moved, and a restore of a million records takes seconds.
const acquireTimeout = 5 * time.Minute

func open(ctx context.Context, c Config, topics TopicSpec, b *brokers, log *zap.Logger) (*Publisher, error) {
	p := &Publisher{
		config:         c,
		log:            log,
		metrics:        b.metrics,
		brokers:        b,
		acquireTimeout: acquireTimeout,
		restoring:      make(chan struct{}, restoresAtOnce),
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

// logBrokers says what the brokers are. That they do not tell is no reason not to publish: the take-over makes it safe.
func (p *Publisher) logBrokers(ctx context.Context) {
	found, err := p.brokers.inspect(ctx)
	switch {
	case err != nil:
		p.log.Warn("the brokers' versions could not be asked for", zap.Error(p.config.explain(err)))
	case found.Warning() != "":
		p.log.Warn(found.Warning(), zap.String("oldest", found.Version), zap.String("verification", string(found.Verification)))
	default:
		p.log.Info("brokers", zap.String("oldest", found.Version), zap.String("verification", string(found.Verification)))
	}
}

// checkPartitions refuses topics that have more partitions than the state topic had.
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
			case n < p.partitions: // they are never taken away: a broker has not heard of all of them
				return fmt.Errorf("%s: the answer names %d of %d partitions: %w", topic, n, p.partitions, kafka.UnknownTopicOrPartition)
			}
		}
		return nil
	})
}

// Shards is the number of partitions of the state topic.
func (p *Publisher) Shards() int { return p.partitions }

// Close closes all connections. Shards must not be used any more.
func (p *Publisher) Close() { p.brokers.close() }

// defaultBatchLimit is max.message.bytes where nobody has set it.
const defaultBatchLimit = 1_048_588

// batchLimits asks how large a batch each topic takes, in bytes by the topics' names.
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
