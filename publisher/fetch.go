package publisher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// isolation is the isolation level of a reader, by its number in Kafka's protocol.
type isolation int8

const (
	uncommitted isolation = iota // up to the high watermark
	committed                    // up to the last stable offset, without what was aborted
)

// span is a range of offsets: from first to before end.
type span struct {
	first, end int64
}

// span asks the leader which offsets of a partition a reader with the isolation level can read. It gives up after
// timeouts.stall.
func (b *brokers) span(ctx context.Context, at topicPartition, level isolation) (s span, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeouts.stall)
	defer cancel()
	const latest, earliest = -1, -2
	err = b.repeat(ctx, "offsets of "+at.String(), func(ctx context.Context) (err error) {
		// The end is asked for first. The first offset may move on later, but not beyond the end.
		if s.end, err = b.offset(ctx, at, latest, level); err != nil {
			return err
		}
		s.first, err = b.offset(ctx, at, earliest, level)
		return err
	})
	return s, err
}

func (b *brokers) offset(ctx context.Context, at topicPartition, which int64, level isolation) (int64, error) {
	leader, err := b.leader(ctx, at)
	if err != nil {
		return 0, err
	}
	partition := kmsg.NewListOffsetsRequestTopicPartition()
	partition.Partition, partition.Timestamp = at.partition, which
	request := kmsg.NewPtrListOffsetsRequest()
	request.Version, request.ReplicaID, request.IsolationLevel = 5, -1, int8(level)
	request.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: at.topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{partition}}}
	m, _, err := b.send(ctx, leader, request, nil)
	if err != nil {
		return 0, err
	}
	for _, t := range m.(*kmsg.ListOffsetsResponse).Topics {
		for _, tp := range t.Partitions {
			if (topicPartition{t.Topic, tp.Partition}) == at {
				return tp.Offset, asError(tp.ErrorCode)
			}
		}
	}
	return 0, errNotNamed
}

// read passes the records of a span to visit, in order and with the control records. It returns when each offset of the
// span has been read or is known to hold no record, or when visit returns stop.
//
// An empty answer does not mean that there are no records: a broker that is slow, that throttles, or that waits for an open
// transaction sends one too. An offset is done if a batch covers it. It is also done if the answer is empty and the leader
// serves the partition up to the end of the span, because compaction has removed the records then. After any other answer
// read asks again, until ctx ends or there was no progress for timeouts.stall.
func (b *brokers) read(ctx context.Context, at topicPartition, level isolation, s span, visit func(*kgo.Record) (stop bool, err error)) error {
	for next, stop := s.first, false; next < s.end && !stop; {
		var err error
		if next, stop, err = b.readNext(ctx, at, level, span{next, s.end}, visit); err != nil {
			return err
		}
	}
	return nil
}

// readNext passes the first records of a span to visit, and returns the offset to read next.
func (b *brokers) readNext(ctx context.Context, at topicPartition, level isolation, s span, visit func(*kgo.Record) (stop bool, err error)) (next int64, stop bool, err error) {
	leave, err := b.takePlace(ctx)
	if err != nil {
		return s.first, false, fmt.Errorf("wait to read %s: %w", at, err)
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, b.timeouts.stall)
	defer cancel()
	var records []*kgo.Record
	err = b.repeat(ctx, "read "+at.String(), func(ctx context.Context) (err error) {
		records, next, err = b.fetch(ctx, at, level, s)
		return err
	})
	if err != nil {
		return s.first, false, err
	}
	for _, r := range records {
		if r.Offset >= s.end {
			return s.end, true, nil
		}
		if stop, err := visit(r); stop || err != nil {
			return next, stop, err
		}
	}
	return next, false, nil
}

// readsAtOnce is how many answers with records are read at the same time, to limit connections and memory at a start.
const readsAtOnce = 4

// takePlace waits until fewer than readsAtOnce answers are being read. The caller must call leave when it has read its answer.
// Before that, a reader whose answer does not come loses its place after timeouts.place, so that it waits alone and the others
// go on.
func (b *brokers) takePlace(ctx context.Context) (leave func(), err error) {
	select {
	case b.reading <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var once sync.Once
	free := func() { once.Do(func() { <-b.reading }) }
	timer := time.AfterFunc(b.timeouts.place, free)
	return func() {
		timer.Stop()
		free()
	}, nil
}

const (
	fetchSize = 8 << 20                // bytes of one answer
	fetchWait = 500 * time.Millisecond // after which a broker answers even if it has no records
)

// errNoProgress says that an answer has no records, and does not show that there are none.
var errNoProgress = errors.New("the partition was not read up to its end")

// errNotNamed says that an answer leaves out what was asked for.
var errNotNamed = errors.New("the answer leaves out what was asked for")

// fetch asks the leader once for the first records of a span. It returns those that have arrived, which may be none, and the
// offset to read next.
func (b *brokers) fetch(ctx context.Context, at topicPartition, level isolation, s span) ([]*kgo.Record, int64, error) {
	leader, err := b.leader(ctx, at)
	if err != nil {
		return nil, s.first, err
	}
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = at.partition, s.first, fetchSize
	request := kmsg.NewPtrFetchRequest()
	// From version 11 on a leader may refer readers to another replica, in an answer without records.
	request.Version, request.ReplicaID, request.SessionEpoch, request.IsolationLevel = 10, -1, -1, int8(level)
	request.MinBytes, request.MaxBytes = 1, fetchSize
	request.MaxWaitMillis = int32(min(fetchWait, b.timeouts.attempt/3).Milliseconds())
	request.Topics = []kmsg.FetchRequestTopic{{Topic: at.topic, Partitions: []kmsg.FetchRequestTopicPartition{partition}}}
	m, _, err := b.send(ctx, leader, request, nil)
	if err != nil {
		return nil, s.first, err
	}
	answer := m.(*kmsg.FetchResponse)
	if err := asError(answer.ErrorCode); err != nil {
		return nil, s.first, err
	}
	for _, t := range answer.Topics {
		for i := range t.Partitions {
			if tp := &t.Partitions[i]; (topicPartition{t.Topic, tp.Partition}) == at {
				return fetched(at, level, s, tp)
			}
		}
	}
	return nil, s.first, errNotNamed
}

// fetched returns the records in an answer and the offset to read next. It uses franz-go, which leaves out aborted records
// and knows how many offsets are covered by batches that compaction has emptied.
func fetched(at topicPartition, level isolation, s span, answer *kmsg.FetchResponseTopicPartition) ([]*kgo.Record, int64, error) {
	if err := asError(answer.ErrorCode); err != nil {
		return nil, s.first, err
	}
	served, as := answer.HighWatermark, kgo.ReadUncommitted()
	if level == committed {
		served, as = answer.LastStableOffset, kgo.ReadCommitted()
	}
	if len(answer.RecordBatches) == 0 {
		if served < s.end {
			return nil, s.first, errNoProgress
		}
		return nil, s.end, nil
	}
	from := kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: s.first, IsolationLevel: as, Topic: at.topic, Partition: at.partition}
	of, next := kgo.ProcessFetchPartition(from, answer, kgo.DefaultDecompressor(), nil)
	if of.Err != nil {
		return nil, s.first, fmt.Errorf("records from offset %d: %w", s.first, of.Err)
	}
	if next <= s.first {
		return nil, s.first, errNoProgress
	}
	return of.Records, next, nil
}
