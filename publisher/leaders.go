package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// leaders returns the brokers that lead the partitions, by topic and partition, and noLeader where there is none. It is an
// error if the metadata does not show every partition of every topic.
func (b *brokers) leaders(ctx context.Context, topics ...string) (map[string][]int32, error) {
	answer, err := b.metadata(ctx, topics...)
	if err != nil {
		return nil, err
	}
	leaders := make(map[string][]int32, len(topics))
	for i := range answer.Topics {
		t := &answer.Topics[i]
		if leaders[t.Name], err = leadersOf(t); err != nil {
			return nil, err
		}
		b.leaderless.note(t.Name, leaders[t.Name])
	}
	for _, name := range topics {
		if _, ok := leaders[name]; !ok {
			return nil, fmt.Errorf("metadata of %s: %w", name, kafka.UnknownTopicOrPartition)
		}
	}
	return leaders, nil
}

func leadersOf(t *metadata.ResponseTopic) ([]int32, error) {
	if err := asError(t.ErrorCode); err != nil {
		return nil, fmt.Errorf("metadata of %s: %w", t.Name, err)
	}
	leaders := make([]int32, len(t.Partitions))
	for i := range leaders {
		leaders[i] = unnamed
	}
	for i := range t.Partitions {
		if p := &t.Partitions[i]; p.PartitionIndex >= 0 && int(p.PartitionIndex) < len(leaders) {
			leaders[p.PartitionIndex] = max(p.LeaderID, noLeader)
		}
	}
	if len(leaders) == 0 || slices.Contains(leaders, unnamed) {
		return nil, fmt.Errorf("metadata of %s: the answer does not name every partition: %w", t.Name, kafka.UnknownTopicOrPartition)
	}
	return leaders, nil
}

// noLeader is the leader of a partition that has none, and unnamed of a partition that the metadata leaves out.
const noLeader, unnamed = -1, -2

// leader returns the broker that leads a partition. The error is errNoLeader if there is none.
func (b *brokers) leader(ctx context.Context, at topicPartition) (int32, error) {
	leaders, err := b.leaders(ctx, at.topic)
	if err != nil {
		return noLeader, err
	}
	of := leaders[at.topic]
	if int(at.partition) >= len(of) {
		return noLeader, fmt.Errorf("metadata of %s: the answer does not name the partition: %w", at, kafka.UnknownTopicOrPartition)
	}
	if of[at.partition] == noLeader {
		return noLeader, fmt.Errorf("%s: %w", at, errNoLeader)
	}
	return of[at.partition], nil
}

// errNoLeader says that no broker leads the partition at the moment.
var errNoLeader = errors.New("no leader")

// leaderless remembers since when partitions have had no leader, so that only the first of many tasks waits for one.
type leaderless struct {
	mu    sync.Mutex
	since map[topicPartition]time.Time
}

// note takes in the leaders of a topic's partitions.
func (l *leaderless) note(topic string, leaders []int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, leader := range leaders {
		at := topicPartition{topic, int32(i)}
		if leader != noLeader {
			delete(l.since, at)
			continue
		}
		if l.since == nil {
			l.since = make(map[topicPartition]time.Time)
		}
		if _, known := l.since[at]; !known {
			l.since[at] = time.Now()
		}
	}
}

// longer reports whether a partition has had no leader for longer than d.
func (l *leaderless) longer(at topicPartition, d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	since, ok := l.since[at]
	return ok && time.Since(since) > d
}

// withoutLeader returns those of the partitions that have no leader now.
func (b *brokers) withoutLeader(ctx context.Context, all []topicPartition) (found []topicPartition, err error) {
	var topics []string
	for _, at := range all {
		if !slices.Contains(topics, at.topic) {
			topics = append(topics, at.topic)
		}
	}
	leaders, err := b.leaders(ctx, topics...)
	if err != nil {
		return nil, err
	}
	for _, at := range all {
		of := leaders[at.topic]
		if int(at.partition) >= len(of) {
			return nil, fmt.Errorf("metadata of %s: the answer does not name the partition: %w", at, kafka.UnknownTopicOrPartition)
		}
		if of[at.partition] == noLeader {
			found = append(found, at)
		}
	}
	return found, nil
}

// awaitLeaders waits until every one of the partitions has a leader, and returns those that still have none after
// timeouts.leaderless. It does not wait for those that have had none for so long already.
func (b *brokers) awaitLeaders(ctx context.Context, all []topicPartition) (missing []topicPartition, err error) {
	err = b.repeat(ctx, "find the leaders", func(ctx context.Context) (err error) {
		if missing, err = b.withoutLeader(ctx, all); err != nil {
			return err
		}
		for _, at := range missing {
			if !b.leaderless.longer(at, b.timeouts.leaderless) {
				return fmt.Errorf("%s: %w", at, errNoLeader)
			}
		}
		return nil
	})
	if errors.Is(err, errNoLeader) && ctx.Err() == nil {
		return missing, nil
	}
	return missing, err
}
