package publisher

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// takeOver fences the previous owner of a transactional id, and returns a producer with a new epoch. When the producer
// begins its first transaction, no request of an older epoch can write or end anything any more:
//
//  1. The fence ends the transaction of the previous owner.
//  2. The leaders say which partitions still hold a transaction of the transactional id open. A lone broker that is killed
//     after it has answered EndTxn and before it has written the markers never writes them, and the fence succeeds all the
//     same. read_committed consumers stop at such a partition, and the next marker of the transactional id there would
//     commit or abort its records, whatever was decided before. So takeOver writes the missing markers first.
//  3. If no partition holds anything open, takeOver aborts an empty transaction over all partitions. Its markers teach every
//     leader the new epoch. A broker that does not verify transactions (before Kafka 3.6, or switched off) otherwise
//     accepts a delayed produce request of an older epoch, and the next transaction commits it.
//
// The order matters: the markers of step 3 would abort what step 2 looks for.
//
// scope is every partition that producers with the id write to. Each transaction with records writes to the last of them.
// last is the identity of a producer whose last commit was confirmed to this process, or noIdentity().
func (p *Publisher) takeOver(ctx context.Context, id string, scope []topicPartition, last identity) (*producer, error) {
	ctx, cancel := context.WithTimeout(ctx, p.brokers.timeouts.fence)
	defer cancel()
	pause := newBackoff()
	for {
		fresh, err := p.brokers.fence(ctx, id, p.config.Compression)
		if err != nil {
			return nil, p.brokers.unended(ctx, scope, err)
		}
		fresh.breaks = p.brokers.conns.breaks()
		settled, err := p.settle(ctx, fresh, scope, last)
		if err != nil {
			return nil, err
		}
		if settled && !fresh.spent {
			return fresh, nil
		}
		if pause.wait(ctx, later) != nil {
			return nil, fmt.Errorf("take %s over: %w", id, ctx.Err())
		}
	}
}

// settle does step 2, or step 3 if there is nothing to do in step 2. It reports whether it did step 3.
func (p *Publisher) settle(ctx context.Context, fresh *producer, scope []topicPartition, last identity) (settled bool, err error) {
	own := scope[len(scope)-1]
	scope, err = p.brokers.led(ctx, scope)
	if err != nil {
		return false, err
	}
	hanging, err := fresh.findHanging(ctx, scope)
	if err != nil {
		return false, err
	}
	if len(hanging) == 0 {
		return true, fresh.mark(ctx, scope, false)
	}
	commit := last == hanging[0].identity
	if !commit {
		if commit, err = p.brokers.decided(ctx, own, hanging); err != nil {
			return false, err
		}
	}
	p.metrics.hanging.Inc()
	p.log.Warn("some partitions still hold a transaction open that has ended elsewhere; it is ended there in the same way",
		zap.String("transactionalId", fresh.id), zap.Int("partitions", len(hanging)), zap.Bool("commit", commit))
	ends := make([]topicPartition, len(hanging))
	for i, h := range hanging {
		ends[i] = h.topicPartition
	}
	return false, fresh.mark(ctx, ends, commit)
}

// led waits for leaders, and returns the scope when all of its partitions have one. If some still have none after
// timeouts.leaderless, led leaves them out if the brokers verify transactions, because such brokers refuse delayed requests
// by themselves. Otherwise it returns an error that names one of them. It never leaves out the last partition of the scope.
func (b *brokers) led(ctx context.Context, scope []topicPartition) ([]topicPartition, error) {
	missing, err := b.awaitLeaders(ctx, scope)
	if err != nil || len(missing) == 0 {
		return scope, err
	}
	own := scope[len(scope)-1]
	if slices.Contains(missing, own) {
		return nil, fmt.Errorf("find the leaders: %s: %w", own, errNoLeader)
	}
	err = fmt.Errorf("find the leaders: %s: %w", missing[0], errNoLeader)
	switch found, inspectErr := b.inspect(ctx); {
	case inspectErr != nil:
		return nil, fmt.Errorf("%w (whether the brokers verify transactions, and so can do without it, is not known: %w)", err, inspectErr)
	case found.Verification == VerificationOff:
		return nil, err
	case found.Verification == VerificationUnknown:
		return nil, fmt.Errorf("%w (whether the brokers verify transactions, and so can do without it, is not known: grant DescribeConfigs on the cluster)", err)
	}
	return slices.DeleteFunc(slices.Clone(scope), func(at topicPartition) bool { return slices.Contains(missing, at) }), nil
}

// unended adds to the error of a fence which partition has no leader, if the previous transaction could not be ended for that
// reason: its marker cannot be written there.
func (b *brokers) unended(ctx context.Context, scope []topicPartition, err error) error {
	if !errors.Is(err, codeConcurrent) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.timeouts.grace) // ctx has most often ended
	defer cancel()
	missing, lookErr := b.withoutLeader(ctx, scope)
	if lookErr != nil || len(missing) == 0 {
		return err
	}
	return fmt.Errorf("the previous transaction cannot be ended in %s: %w: %w", missing[0], errNoLeader, err)
}

// hanging is a partition that holds a transaction open which its coordinator has ended.
type hanging struct {
	topicPartition
	identity identity
}

// findHanging asks the leaders which partitions hold a transaction of the producer's id open. They all belong to one
// epoch, because takeOver ends them before the next epoch is used.
func (p *producer) findHanging(ctx context.Context, scope []topicPartition) (found []hanging, err error) {
	err = p.brokers.repeat(ctx, "look for open transactions of "+p.id, func(ctx context.Context) (err error) {
		found, err = p.askHanging(ctx, scope)
		return err
	})
	return found, err
}

func (p *producer) askHanging(ctx context.Context, scope []topicPartition) ([]hanging, error) {
	open := make(map[topicPartition]identity)
	named := 0
	requests, err := p.brokers.describeRequests(ctx, scope)
	if err != nil {
		return nil, err
	}
	for leader, request := range requests {
		m, _, err := p.brokers.send(ctx, leader, request, nil)
		if err != nil {
			first := topicPartition{request.Topics[0].Topic, request.Topics[0].Partitions[0]}
			return nil, fmt.Errorf("ask broker %d, which leads %s: %w", leader, first, err)
		}
		for _, t := range m.(*kmsg.DescribeProducersResponse).Topics {
			for _, tp := range t.Partitions {
				at := topicPartition{t.Topic, tp.Partition}
				if err := asError(tp.ErrorCode); err != nil {
					return nil, fmt.Errorf("%s: %w", at, err)
				}
				named++
				for _, a := range tp.ActiveProducers {
					ours := a.ProducerID == p.identity.producer && a.ProducerEpoch <= int32(p.identity.epoch) // else a successor's
					if ours && a.CurrentTxnStartOffset >= 0 {
						open[at] = identity{a.ProducerID, int16(a.ProducerEpoch)}
					}
				}
			}
		}
	}
	if named != len(scope) {
		return nil, errNotNamed
	}
	var found []hanging
	for _, at := range scope { // in the order in which they are added to a transaction
		if id, ok := open[at]; ok {
			found = append(found, hanging{at, id})
		}
	}
	return found, nil
}

// describeRequests are the requests to each leader about its partitions.
func (b *brokers) describeRequests(ctx context.Context, scope []topicPartition) (map[int32]*kmsg.DescribeProducersRequest, error) {
	requests := make(map[int32]*kmsg.DescribeProducersRequest)
	for _, at := range scope {
		leader, err := b.leader(ctx, at)
		if err != nil {
			return nil, err
		}
		r := requests[leader]
		if r == nil {
			r = kmsg.NewPtrDescribeProducersRequest()
			requests[leader] = r
		}
		n := len(r.Topics)
		if n == 0 || r.Topics[n-1].Topic != at.topic {
			r.Topics = append(r.Topics, kmsg.DescribeProducersRequestTopic{Topic: at.topic})
			n++
		}
		r.Topics[n-1].Partitions = append(r.Topics[n-1].Partitions, at.partition)
	}
	return requests, nil
}

// mark begins and ends a transaction without records, which writes a marker to each of the partitions. If ctx ends during
// a commit, mark goes on for the grace, because the next fence would abort the transaction that it has begun.
func (p *producer) mark(ctx context.Context, partitions []topicPartition, commit bool) error {
	if commit {
		var cancel context.CancelFunc
		ctx, cancel = detached(ctx, p.brokers.timeouts.grace)
		defer cancel()
	}
	out := make([]*outgoing, len(partitions))
	for i, at := range partitions {
		out[i] = &outgoing{topicPartition: at}
	}
	if err := p.add(ctx, out, false); err != nil {
		return err
	}
	if commit {
		return p.askEnd(ctx, true) // ctx has the grace already
	}
	return p.end(ctx, false)
}

// decided reports whether a transaction was committed that some partitions still hold open. Each transaction with records
// writes to own, the shard's partition of the state topic, and no transaction follows one that is still open somewhere. So
// the last marker in own is the marker of that transaction. It has the transaction's epoch, or the next epoch if the
// coordinator aborted it for a fence. If own holds the transaction open too, no consumer has seen its state records, and
// it counts as aborted: the next observation finds its changes again.
func (b *brokers) decided(ctx context.Context, own topicPartition, all []hanging) (commit bool, err error) {
	if slices.ContainsFunc(all, func(h hanging) bool { return h.topicPartition == own }) {
		return false, nil
	}
	s, err := b.span(ctx, own, uncommitted)
	if err != nil {
		return false, err
	}
	of, found := all[0].identity, false
	err = b.read(ctx, own, uncommitted, s, func(r *kgo.Record) (bool, error) {
		const typeAt, commitMarker = 2, 1
		if r.Attrs.IsControl() && r.ProducerID == of.producer && r.ProducerEpoch >= of.epoch && len(r.Key) >= typeAt+2 {
			found, commit = true, binary.BigEndian.Uint16(r.Key[typeAt:]) == commitMarker
		}
		return false, nil
	})
	if err == nil && !found {
		err = fmt.Errorf("a transaction hangs in %s, and %s does not show how it ended: check whether its sessions are in the state topic; "+
			"if they are not, end it by kafka-transactions.sh abort", all[0].topicPartition, own)
	}
	return commit, err
}
