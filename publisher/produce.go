package publisher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// produce sends all batches, in rounds. A round sends the next batch of every partition, with one request to each leader. The
// requests of a round are concurrent. So at most one batch of a partition is in flight. A batch that failed is sent again
// with the same bytes, to the broker that leads the partition then.
func (p *producer) produce(ctx context.Context, out []*outgoing) error {
	pause := newBackoff()
	began := time.Now()
	var pending []*outgoing
	for _, o := range out {
		if o.used > 0 {
			pending = append(pending, o)
		}
	}
	for len(pending) > 0 {
		errs := p.round(ctx, pending)
		var repeat error
		kept := pending[:0]
		for i, o := range pending {
			if err := errs[i]; err != nil {
				if errors.Is(err, kafka.MessageSizeTooLarge) {
					return o.refused(&o.batches[o.sent], err)
				}
				err = fmt.Errorf("produce to %s-%d: %w", o.topic, o.partition, err)
				if err := p.final(ctx, err, began); err != nil {
					return err
				}
				p.brokers.metrics.retry(err)
				repeat = err
			} else {
				o.sent++
			}
			if o.sent < o.used {
				kept = append(kept, o)
			}
		}
		pending = kept
		if repeat != nil && pause.wait(ctx, later) != nil {
			return stopped(ctx, repeat)
		}
	}
	return nil
}

// final returns err if repeating does not help, and nil if it may. It adds ErrFenced to the answers that mean that.
func (p *producer) final(ctx context.Context, err error, began time.Time) error {
	if ctx.Err() != nil {
		return stopped(ctx, err)
	}
	switch v := judgeLeader(err); {
	case v == fenced:
		return fmt.Errorf("%w: %w", ErrFenced, err)
	case v == giveUp, v == appears && time.Since(began) > p.brokers.timeouts.missing:
		return err
	}
	return nil
}

// round sends the next batch of every partition and returns an error or nil for each.
func (p *producer) round(ctx context.Context, pending []*outgoing) []error {
	ctx, cancel := context.WithTimeout(ctx, p.brokers.timeouts.attempt)
	defer cancel()
	errs := make([]error, len(pending))
	shares, err := p.share(ctx, pending)
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for leader, share := range shares {
		mu.Lock()
		buffer := p.buffers[leader]
		delete(p.buffers, leader) // until the answer shows that the connection has read it
		mu.Unlock()
		wg.Go(func() {
			buffer = p.sendShare(ctx, leader, buffer, pending, share, errs)
			if buffer != nil {
				mu.Lock()
				p.buffers[leader] = buffer
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errs
}

// share returns for each leader the indexes of its partitions in pending.
func (p *producer) share(ctx context.Context, pending []*outgoing) (map[int32][]int, error) {
	var topics []string
	for _, o := range pending {
		if len(topics) == 0 || topics[len(topics)-1] != o.topic {
			topics = append(topics, o.topic)
		}
	}
	leaders, err := p.brokers.leaders(ctx, topics...)
	if err != nil {
		return nil, err
	}
	shares := make(map[int32][]int)
	for i, o := range pending {
		leader := int32(noLeader)
		if of := leaders[o.topic]; int(o.partition) < len(of) {
			leader = of[o.partition]
		}
		shares[leader] = append(shares[leader], i)
	}
	return shares, nil
}

// sendShare sends one produce request, and sets the error or nil of each partition in errs. It returns the buffer if it may
// be used again.
func (p *producer) sendShare(ctx context.Context, leader int32, buffer []byte, pending []*outgoing, share []int, errs []error) []byte {
	fail := func(err error) []byte {
		for _, i := range share {
			errs[i] = err
		}
		return nil
	}
	if leader < 0 {
		return fail(errNoLeader)
	}
	size := 256
	for _, i := range share {
		size += 128 + len(pending[i].batches[pending[i].sent].sealed)
	}
	if cap(buffer) < size {
		buffer = make([]byte, 0, size)
	}
	m, buffer, err := p.brokers.send(ctx, leader, p.produceRequest(pending, share), buffer)
	if err != nil {
		return fail(err)
	}
	codes := make(map[topicPartition]int16, len(share))
	for _, t := range m.(*kmsg.ProduceResponse).Topics {
		for _, tp := range t.Partitions {
			codes[topicPartition{t.Topic, tp.Partition}] = tp.ErrorCode
		}
	}
	for _, i := range share {
		code, ok := codes[pending[i].topicPartition]
		if errs[i] = asError(code); !ok {
			errs[i] = errNotNamed
		}
	}
	return buffer
}

func (p *producer) produceRequest(pending []*outgoing, share []int) *kmsg.ProduceRequest {
	const allReplicas = -1
	request := kmsg.NewPtrProduceRequest()
	request.Version = 8
	request.TransactionID = &p.id
	request.Acks = allReplicas
	// The broker gives up a little earlier than this client, so that its answer still arrives.
	request.TimeoutMillis = int32((p.brokers.timeouts.attempt * 4 / 5).Milliseconds())
	for _, i := range share {
		o := pending[i]
		n := len(request.Topics)
		if n == 0 || request.Topics[n-1].Topic != o.topic {
			request.Topics = append(request.Topics, kmsg.ProduceRequestTopic{Topic: o.topic})
			n++
		}
		request.Topics[n-1].Partitions = append(request.Topics[n-1].Partitions, kmsg.ProduceRequestTopicPartition{
			Partition: o.partition,
			Records:   o.batches[o.sent].sealed,
		})
	}
	return request
}
