package publisher

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// hanging is a partition that holds a transaction for open which its coordinator has ended.
//
// EndTxn is answered before the markers are written. A lone broker that is killed in between takes the partitions, when it
// is back, for deleted ones (its coordinator is there before it knows their leaders), writes no marker, and calls
// the transaction complete; so does InitProducerID, against law 4. read_committed consumers stand still then,
// and the transactional id's next marker in the partition decides what its records are, whatever was decided before.
type hanging struct {
	topicPartition
	epoch int16
	at    int64 // time of the last record, in ms
}

// takeOver fences a shard's transactional id, and ends what hangs as it was decided.
func (p *Publisher) takeOver(ctx context.Context, shard int) (*producer, error) {
	for {
		producer, err := p.brokers.fence(ctx, transactionalID(p.config.StateTopic(), shard), p.config.Compression)
		if err != nil {
			return nil, err
		}
		producer.dialed = p.brokers.conns.dialed()
		hang, err := producer.findHanging(ctx)
		if err != nil || len(hang) == 0 {
			return producer, err
		}
		hang = sameEpoch(hang)
		commit, err := p.decided(ctx, producer, hang)
		if err != nil {
			return nil, err
		}
		p.metrics.hanging.Inc()
		p.log.Warn("a broker has lost the end of a transaction; it is ended again",
			zap.Int("shard", shard), zap.Int("partitions", len(hang)), zap.Bool("commit", commit))
		if err := producer.endHanging(ctx, hang, commit); err != nil {
			return nil, err
		}
	}
}

// sameEpoch is those of the first one's epoch, which are of one transaction.
func sameEpoch(hang []hanging) []hanging {
	return slices.DeleteFunc(slices.Clone(hang), func(h hanging) bool { return h.epoch != hang[0].epoch })
}

// remark commits again what has lost its markers since the last look, by the producer's open transaction, which has no records
// yet: so what it finds is committed. A broker cannot have been started again without a connection that is newer. It
// reports whether the transaction is ended.
func (p *producer) remark(ctx context.Context) (ended bool, err error) {
	dialed := p.brokers.conns.dialed()
	if dialed == p.dialed {
		return false, nil
	}
	hang, err := p.findHanging(ctx)
	if err != nil {
		return false, err
	}
	p.dialed = dialed
	if len(hang) == 0 {
		return false, nil
	}
	p.brokers.metrics.hanging.Inc()
	return true, p.endHanging(ctx, hang, true)
}

// endHanging ends the transaction in its partitions once more, by a transaction that has no records.
func (p *producer) endHanging(ctx context.Context, hang []hanging, commit bool) error {
	out := make([]*outgoing, len(hang))
	for i, h := range hang {
		out[i] = &outgoing{topicPartition: h.topicPartition}
	}
	if err := p.add(ctx, out); err != nil {
		return err
	}
	return p.end(ctx, commit)
}

// findHanging asks the leaders of all partitions for what they hold open of the producer. It has no open transaction with records.
func (p *producer) findHanging(ctx context.Context) ([]hanging, error) {
	pause := newPauses()
	for {
		hang, err := p.askHanging(ctx)
		if err == nil {
			return hang, nil
		}
		err = fmt.Errorf("look for open transactions of %s: %w", p.id, err)
		if ctx.Err() != nil || pause.wait(ctx, later) != nil {
			return nil, stopped(ctx, err)
		}
		if judgeLeader(err) == giveUp {
			return nil, err
		}
		p.brokers.metrics.retry(err)
	}
}

func (p *producer) askHanging(ctx context.Context) ([]hanging, error) {
	ctx, cancel := context.WithTimeout(ctx, p.brokers.patience.attempt)
	defer cancel()
	leaders, err := p.brokers.leaders(ctx, p.brokers.topics...)
	if err != nil {
		return nil, err
	}
	var hang []hanging
	for leader, request := range describeRequests(leaders) {
		m, _, err := p.brokers.send(ctx, leader, request, nil)
		if err != nil {
			return nil, err
		}
		for _, t := range m.(*kmsg.DescribeProducersResponse).Topics {
			for _, tp := range t.Partitions {
				if err := asError(tp.ErrorCode); err != nil {
					return nil, fmt.Errorf("%s-%d: %w", t.Topic, tp.Partition, err)
				}
				for _, a := range tp.ActiveProducers {
					ours := a.ProducerID == p.identity.producer && a.ProducerEpoch <= int32(p.identity.epoch) // else a successor's
					if ours && a.CurrentTxnStartOffset >= 0 {
						hang = append(hang, hanging{topicPartition{t.Topic, tp.Partition}, int16(a.ProducerEpoch), a.LastTimestamp})
					}
				}
			}
		}
	}
	slices.SortFunc(hang, func(a, b hanging) int { return strings.Compare(a.topic, b.topic) }) // as add wants them
	return hang, nil
}

// describeRequests are the requests to each leader about its partitions. A partition without a leader is asked of none, and fails.
func describeRequests(leaders map[string][]int32) map[int32]*kmsg.DescribeProducersRequest {
	requests := make(map[int32]*kmsg.DescribeProducersRequest)
	for topic, of := range leaders {
		for partition, leader := range of {
			r := requests[leader]
			if r == nil {
				r = kmsg.NewPtrDescribeProducersRequest()
				requests[leader] = r
			}
			n := len(r.Topics)
			if n == 0 || r.Topics[n-1].Topic != topic {
				r.Topics = append(r.Topics, kmsg.DescribeProducersRequestTopic{Topic: topic})
				n++
			}
			r.Topics[n-1].Partitions = append(r.Topics[n-1].Partitions, int32(partition))
		}
	}
	return requests
}

// decided is whether the transaction that hangs was committed. It is the last of its epoch. If any of its partitions has a marker,
// that says it. If none has, no consumer has seen anything of it, and it is as if it had never been: aborted.
func (p *Publisher) decided(ctx context.Context, producer *producer, hang []hanging) (bool, error) {
	client, err := p.config.reader(kgo.FetchIsolationLevel(kgo.ReadUncommitted()))
	if err != nil {
		return false, err
	}
	defer client.Close()
	at, epoch := int64(math.MaxInt64), hang[0].epoch
	for _, h := range hang {
		at = min(at, h.at)
	}
	for _, topic := range p.brokers.topics {
		from, err := kadm.NewClient(client).ListOffsetsAfterMilli(ctx, at, topic)
		if err == nil {
			err = from.Error()
		}
		if err != nil {
			return false, fmt.Errorf("offsets of %s: %w", topic, err)
		}
		to, err := spans(ctx, client, topic)
		if err != nil {
			return false, err
		}
		for i := range to {
			of := topicPartition{topic, int32(i)}
			if slices.ContainsFunc(hang, func(h hanging) bool { return h.topicPartition == of }) {
				continue
			}
			to[i].first = from[topic][int32(i)].Offset
			marker, err := findMarker(ctx, client, of, to[i], identity{producer.identity.producer, epoch}, at)
			if marker != 0 || err != nil {
				return marker == commitMarker, err
			}
		}
	}
	return false, nil
}

// The types of markers, one more than in the key of a control record; 0 is none.
const (
	abortMarker = iota + 1
	commitMarker
)

// findMarker is the type of the marker that follows records of a producer in the span which are not older than at; 0: there is none.
// Transactions of one epoch are milliseconds apart, so these records are of the last.
func findMarker(ctx context.Context, client *kgo.Client, of topicPartition, s span, id identity, at int64) (marker int, err error) {
	seen := false
	quiet := func(context.Context) error { return errQuiet } // the end of the log is emptied: nothing of ours is there
	err = readAll(ctx, client, of, s, quiet, func(r *kgo.Record) (stop bool, err error) {
		switch {
		case r.ProducerID != id.producer:
		case !r.Attrs.IsControl():
			seen = seen || r.ProducerEpoch == id.epoch && r.Timestamp.UnixMilli() >= at
		case seen && len(r.Key) >= 4:
			marker = 1 + int(binary.BigEndian.Uint16(r.Key[2:]))
			return true, nil
		}
		return false, nil
	})
	if errors.Is(err, errQuiet) {
		err = nil
	}
	return marker, err
}
