package publisher

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafka "github.com/segmentio/kafka-go"
)

// What brokers answer in transactions, by the numbers of Kafka's protocol where kafka-go's name misleads.
const (
	codeCoordinatorLoading = kafka.GroupLoadInProgress          // 14
	codeNoCoordinator      = kafka.GroupCoordinatorNotAvailable // 15
	codeNotCoordinator     = kafka.NotCoordinatorForGroup       // 16
	codeInvalidEpoch       = kafka.InvalidProducerEpoch         // 47
	codeConcurrent         = kafka.ConcurrentTransactions       // 51
	codeNotAttempted       = kafka.Error(55)                    // another partition of the request failed
	codeUnknownLeaderEpoch = kafka.Error(76)
	codeProducerFenced     = kafka.Error(90)
	codeOffsetNotAvailable = kafka.Error(78) // a new leader does not know its high watermark yet
	codeThrottled          = kafka.Error(89)
)

// verdict says what to do about the answer to a request. The same request, with the same bytes
// and the same sequence, is sent again, or nothing is.
type verdict int

const (
	giveUp    verdict = iota // repeating does not help
	fenced                   // another incarnation has the transactional id
	soon                     // the broker is finishing the previous transaction: repeat within milliseconds
	later                    // the network or a leader is gone: repeat, to whoever has the part then
	elsewhere                // as later, and ask for the coordinator again
	appears                  // the brokers do not know the topic, or not yet
)

// judgeCoordinator is for InitProducerID, AddPartitionsToTxn, EndTxn and FindCoordinator.
func judgeCoordinator(err error) verdict {
	var code kafka.Error
	if errors.Is(err, errBroken) {
		return giveUp
	}
	if !errors.As(err, &code) {
		return elsewhere
	}
	switch code {
	case codeConcurrent:
		return soon
	case codeCoordinatorLoading, codeNoCoordinator, codeNotCoordinator, kafka.BrokerNotAvailable, kafka.RequestTimedOut, kafka.NetworkException, codeThrottled:
		return elsewhere
	case kafka.UnknownTopicOrPartition:
		return appears
	case codeInvalidEpoch, codeProducerFenced:
		return fenced
	}
	return giveUp
}

// judgeLeader is for Produce, Fetch, ListOffsets, DescribeProducers and Metadata.
func judgeLeader(err error) verdict {
	var code kafka.Error
	if !errors.As(err, &code) {
		return later
	}
	switch code {
	case kafka.LeaderNotAvailable, kafka.NotLeaderForPartition, kafka.RequestTimedOut, kafka.BrokerNotAvailable,
		kafka.ReplicaNotAvailable, kafka.NetworkException, kafka.NotEnoughReplicas, kafka.NotEnoughReplicasAfterAppend,
		kafka.KafkaStorageError, kafka.FencedLeaderEpoch, codeUnknownLeaderEpoch, codeOffsetNotAvailable, codeThrottled:
		return later
	case kafka.UnknownTopicOrPartition:
		return appears
	case codeInvalidEpoch, codeProducerFenced:
		return fenced
	}
	return giveUp
}

// pauses are the times to wait between repeats: 1, 2, 4 … up to 250 ms while the markers of the
// previous transaction are pending, from 25 ms up to 1 s for everything else.
type pauses struct {
	short, long time.Duration
}

func newPauses() pauses { return pauses{short: time.Millisecond, long: 25 * time.Millisecond} }

// wait waits as the verdict asks. Its error is the context's.
func (p *pauses) wait(ctx context.Context, v verdict) error {
	next, most := &p.long, time.Second
	if v == soon {
		next, most = &p.short, 250*time.Millisecond
	}
	timer := time.NewTimer(*next)
	defer timer.Stop()
	*next = min(2**next, most)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// detached gives work that must not be left half done a grace after ctx has ended.
func detached(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-out.Done():
		}
	})
	return out, func() { stop(); cancel() }
}

// repeat asks the leaders until they answer. ask gets a context with the deadline of one attempt. The error is the last
// answer, once asking again does not help, or partitions are without a leader or unknown for too long, or ctx has ended.
func (b *brokers) repeat(ctx context.Context, what string, ask func(context.Context) error) error {
	pause, began := newPauses(), time.Now()
	for {
		err := b.once(ctx, ask)
		if err == nil {
			return nil
		}
		waited, verdict := time.Since(began), judgeLeader(err)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", what, stopped(ctx, err))
		case verdict == giveUp, verdict == fenced, errors.Is(err, ErrRefused),
			verdict == appears && waited > b.patience.missing,
			errors.Is(err, errNoLeader) && waited > b.patience.leaderless:
			return fmt.Errorf("%s: %w", what, err)
		}
		b.metrics.retry(err)
		if pause.wait(ctx, later) != nil {
			return fmt.Errorf("%s: %w", what, stopped(ctx, err))
		}
	}
}

func (b *brokers) once(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, b.patience.attempt)
	defer cancel()
	return ask(ctx)
}

// coordinate sends a request to the coordinator of the transactional id until it is answered. call
// gets a context with the deadline of one attempt.
func (p *producer) coordinate(ctx context.Context, what string, call func(ctx context.Context, node int32) error) error {
	pause := newPauses()
	began := time.Now()
	for {
		err := p.attempt(ctx, call)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s of %s: %w", what, p.id, stopped(ctx, err))
		}
		v := judgeCoordinator(err)
		switch {
		case v == fenced:
			return fmt.Errorf("%s of %s: %w: %w", what, p.id, ErrFenced, err)
		case v == giveUp, v == appears && time.Since(began) > p.brokers.patience.missing:
			return fmt.Errorf("%s of %s: %w", what, p.id, err)
		case v == elsewhere:
			p.coordinator = -1
		}
		p.brokers.metrics.retry(err)
		if pause.wait(ctx, v) != nil {
			return fmt.Errorf("%s of %s: %w", what, p.id, stopped(ctx, err))
		}
	}
}

// stopped is the end of ctx, with the last answer if there was one.
func stopped(ctx context.Context, last error) error {
	if errors.Is(last, ctx.Err()) {
		return ctx.Err()
	}
	return fmt.Errorf("%w; last answer: %w", ctx.Err(), last)
}

func (p *producer) attempt(ctx context.Context, call func(ctx context.Context, node int32) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.brokers.patience.attempt)
	defer cancel()
	if p.coordinator < 0 {
		node, err := p.brokers.findCoordinator(ctx, p.id)
		if err != nil {
			return err
		}
		p.coordinator = node
	}
	return call(ctx, p.coordinator)
}
