package publisher

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// producer writes transactions under one transactional id, in Kafka's classic protocol, in which the epoch changes only by
// InitProducerID. It must be used by one goroutine at a time.
//
// The laws that it follows:
//
//  1. Nothing is produced to a partition before AddPartitionsToTxn has answered 0 for it. EndTxn is
//     answered before the markers are written, and a record that arrives in between would become part of the transaction
//     that was just committed.
//  2. After any error the producer writes nothing more, and a fence makes a new producer with a new epoch. Otherwise a
//     delayed produce request of an aborted transaction would be committed with the next transaction.
//  3. Every answer to InitProducerID gives the producer id and the epoch. Both may change.
//  4. fence sends the producer id −1 and the epoch −1. That fences the previous owner, and is answered by 51 until the open
//     transaction is aborted and its markers are written. What a fence leaves open is described at takeOver.
//  5. A producer never raises its own epoch by InitProducerID. If a previous owner did so, it would abort the transaction of
//     the next owner.
//  6. An EndTxn whose answer was not read spends the epoch: no transaction may begin with it any more, even if a repeated
//     EndTxn is answered. EndTxn has only the id and the epoch in it, so a copy that arrives late would end whatever
//     transaction is open then.
type producer struct {
	brokers     *brokers
	id          string // transactional id
	compression Compression

	coordinator int32 // broker id; -1 if it must be asked for
	identity    identity
	sequences   map[topicPartition]int32 // of the next record, by partition
	buffers     map[int32][]byte         // of produce requests, by broker
	spent       bool                     // an EndTxn may still arrive late, so no transaction may begin with this epoch
	breaks      uint64                   // connections that had broken when takeOver looked for open transactions
}

// fence raises the epoch of a transactional id and returns a producer with that epoch.
func (b *brokers) fence(ctx context.Context, transactionalID string, compression Compression) (*producer, error) {
	p := &producer{
		brokers:     b,
		id:          transactionalID,
		compression: compression,
		coordinator: -1,
		sequences:   make(map[topicPartition]int32),
		buffers:     make(map[int32][]byte),
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeouts.fence)
	defer cancel()
	err := p.coordinate(ctx, "fence", func(ctx context.Context, node int32) error {
		request := kmsg.NewPtrInitProducerIDRequest()
		request.Version = 4
		request.TransactionalID = &transactionalID
		request.TransactionTimeoutMillis = int32(b.timeouts.transaction.Milliseconds())
		request.ProducerID, request.ProducerEpoch = -1, -1
		m, _, err := b.send(ctx, node, request, nil)
		if err != nil {
			return err
		}
		answer := m.(*kmsg.InitProducerIDResponse)
		if err := asError(answer.ErrorCode); err != nil {
			return err
		}
		p.identity = identity{answer.ProducerID, answer.ProducerEpoch}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.metrics.fences.Inc()
	return p, nil
}

// commit writes everything in one transaction. at is the timestamp of the records. After an error the producer must not be
// used again.
//
// The error is ErrFenced, ErrUnknownOutcome, or says why nothing was committed.
func (p *producer) commit(ctx context.Context, at time.Time, out []*outgoing) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, p.brokers.timeouts.total)
	defer cancel()
	err := p.write(ctx, at, out)
	if err == nil {
		err = p.end(ctx, true)
		if err != nil && !errors.Is(err, ErrFenced) {
			err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		}
	}
	p.brokers.metrics.transactions.WithLabelValues(outcome(err)).Inc()
	if err == nil {
		p.brokers.metrics.seconds.Observe(time.Since(began).Seconds())
	}
	return err
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "committed"
	case errors.Is(err, ErrFenced):
		return "fenced"
	case errors.Is(err, ErrUnknownOutcome):
		return "unknown"
	}
	return "aborted"
}

// write writes the records in a transaction. After an error it aborts the transaction, so that consumers need not wait until
// the broker does so, unless another producer has fenced this one. The abort may fail: the fence that follows does the same.
//
// No transaction begins while one of its partitions has no leader. It could neither be committed nor be aborted until the
// partition is back, because a marker must be written there, and until then the shard could not even be fenced.
func (p *producer) write(ctx context.Context, at time.Time, out []*outgoing) error {
	partitions := make([]topicPartition, len(out))
	for i, o := range out {
		partitions[i] = o.topicPartition
	}
	switch missing, err := p.brokers.awaitLeaders(ctx, partitions); {
	case err != nil:
		return err
	case len(missing) > 0:
		return fmt.Errorf("begin a transaction of %s: %s: %w", p.id, missing[0], errNoLeader)
	}
	for _, o := range out {
		next, err := o.seal(p.identity, p.sequences[o.topicPartition], at, p.compression)
		if err != nil {
			return err
		}
		p.sequences[o.topicPartition] = next
	}
	err := p.add(ctx, out, true)
	if errors.Is(err, errBroken) {
		return err // there is nothing to abort
	}
	if err == nil {
		err = p.produce(ctx, out)
	}
	return p.drop(ctx, err)
}

// errBroken says that a connection broke before the transaction had begun.
var errBroken = errors.New("a connection to a broker broke")

// add adds partitions to the open transaction by one AddPartitionsToTxn request, and begins a transaction if none is open.
// If guarded is set and a connection has broken since takeOver, add returns errBroken instead of sending the request: a
// broker may have been started again since then and may have lost the markers of the previous transaction.
func (p *producer) add(ctx context.Context, out []*outgoing, guarded bool) error {
	request := kmsg.NewPtrAddPartitionsToTxnRequest()
	request.Version = 3
	request.TransactionalID = p.id
	request.ProducerID, request.ProducerEpoch = p.identity.producer, p.identity.epoch
	for _, o := range out {
		n := len(request.Topics)
		if n == 0 || request.Topics[n-1].Topic != o.topic {
			request.Topics = append(request.Topics, kmsg.AddPartitionsToTxnRequestTopic{Topic: o.topic})
			n++
		}
		request.Topics[n-1].Partitions = append(request.Topics[n-1].Partitions, o.partition)
	}
	return p.coordinate(ctx, "begin a transaction", func(ctx context.Context, node int32) error {
		if guarded && p.breaks != p.brokers.conns.breaks() {
			return errBroken
		}
		m, _, err := p.brokers.send(ctx, node, request, nil)
		if err != nil {
			return err
		}
		return added(m.(*kmsg.AddPartitionsToTxnResponse), len(out))
	})
}

// added returns an error unless every partition was added. A partition that the answer leaves out was not added. Error 55
// only says that another partition failed, so any other error is preferred.
func added(answer *kmsg.AddPartitionsToTxnResponse, partitions int) error {
	if err := asError(answer.ErrorCode); err != nil {
		return err
	}
	var failed error
	for _, t := range answer.Topics {
		for _, tp := range t.Partitions {
			partitions--
			err := asError(tp.ErrorCode)
			if err != nil && (failed == nil || errors.Is(failed, codeNotAttempted)) {
				failed = fmt.Errorf("add %s-%d: %w", t.Topic, tp.Partition, err)
			}
		}
	}
	if failed == nil && partitions != 0 {
		return errors.New("the answer leaves out partitions")
	}
	return failed
}

// end commits or aborts the transaction. It repeats the request until it is answered. When ctx ends it goes on for the grace,
// because an open transaction holds up every read_committed consumer.
func (p *producer) end(ctx context.Context, commit bool) error {
	ctx, cancel := detached(ctx, p.brokers.timeouts.grace)
	defer cancel()
	return p.askEnd(ctx, commit)
}

// askEnd is end without the grace.
func (p *producer) askEnd(ctx context.Context, commit bool) error {
	what := "abort"
	if commit {
		what = "commit"
	}
	request := kmsg.NewPtrEndTxnRequest()
	request.Version = 3
	request.TransactionalID = p.id
	request.ProducerID, request.ProducerEpoch = p.identity.producer, p.identity.epoch
	request.Commit = commit
	return p.coordinate(ctx, what, func(ctx context.Context, node int32) error {
		m, _, err := p.brokers.send(ctx, node, request, nil)
		if err != nil {
			p.spent = true // it may have been sent, and may arrive at any time
			return err
		}
		return asError(m.(*kmsg.EndTxnResponse).ErrorCode)
	})
}

// drop aborts a transaction that failed, within the grace, and returns why it failed.
func (p *producer) drop(ctx context.Context, failed error) error {
	if failed == nil || errors.Is(failed, ErrFenced) {
		return failed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.brokers.timeouts.grace)
	defer cancel()
	err := p.askEnd(ctx, false)
	if errors.Is(err, kafka.InvalidTransactionState) {
		err = nil // nothing was open
	}
	return errors.Join(failed, err)
}

func asError(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}
