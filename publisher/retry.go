package publisher

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafka "github.com/segmentio/kafka-go"

	"farmwire/cluster"
)

// The errors of Kafka's protocol that publishing judges. kafka-go names the coordinator errors after consumer groups,
// although the coordinators of transactions return them too, and has another meaning for 55.
const (
	codeCoordinatorLoading = kafka.GroupLoadInProgress          // 14
	codeNoCoordinator      = kafka.GroupCoordinatorNotAvailable // 15
	codeNotCoordinator     = kafka.NotCoordinatorForGroup       // 16
	codeInvalidEpoch       = kafka.InvalidProducerEpoch         // 47
	codeConcurrent         = kafka.ConcurrentTransactions       // 51
	codeNotAttempted       = kafka.Error(55)                    // another partition of the request failed
	codeUnknownLeaderEpoch = kafka.UnknownLeaderEpoch           // 75
	codeOffsetNotAvailable = kafka.OffsetNotAvailable           // 78: a new leader does not know its high watermark yet
	codeThrottled          = kafka.ThrottlingQuotaExceeded      // 89
	codeProducerFenced     = kafka.ProducerFenced               // 90
)

// verdict says what to do about an error. A request that is repeated is sent with the same bytes and the same sequence.
type verdict int

const (
	giveUp    verdict = iota // repeating does not help
	fenced                   // the transactional id has a newer epoch
	soon                     // the broker is finishing the previous transaction: repeat within milliseconds
	later                    // a connection broke or a leader is moving: repeat the request to the broker that leads then
	elsewhere                // like later, after asking which broker coordinates
	appears                  // the broker does not know the topic, perhaps because it is new: repeat for a while
)

// judgeCoordinator judges an error of InitProducerID, AddPartitionsToTxn, EndTxn or FindCoordinator.
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

// judgeLeader judges an error of Produce, Fetch, ListOffsets, DescribeProducers, DescribeConfigs or Metadata.
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

// backoff is how long to wait before a request is repeated: from 1 ms up to 250 ms while the markers of the previous
// transaction are pending, and from 25 ms up to 1 s in every other case. Each wait doubles the next one.
type backoff struct {
	short, long time.Duration
}

func newBackoff() backoff { return backoff{short: time.Millisecond, long: 25 * time.Millisecond} }

// wait waits as long as the verdict asks for. It returns the error of the context if that ends first.
func (p *backoff) wait(ctx context.Context, v verdict) error {
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

// detached returns a context that ends only when ctx has ended and the grace has passed. It is for work that must not be
// left half done.
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

// repeat calls ask until it succeeds. The context of ask has the deadline of one attempt. repeat gives up when repeating does
// not help, when partitions were without a leader or unknown for too long, or when ctx ends. The error wraps the last one.
func (b *brokers) repeat(ctx context.Context, what string, ask func(context.Context) error) error {
	pause, began := newBackoff(), time.Now()
	var last lastAnswer
	for {
		err := b.once(ctx, ask)
		if err == nil {
			return nil
		}
		last.take(err)
		waited, verdict := time.Since(began), judgeLeader(err)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", what, stopped(ctx, last.err))
		case verdict == giveUp, verdict == fenced, errors.Is(err, ErrRefused),
			verdict == appears && waited > b.timeouts.missing,
			errors.Is(err, errNoLeader) && waited > b.timeouts.leaderless:
			return fmt.Errorf("%s: %w", what, err)
		}
		b.metrics.retry(err)
		if pause.wait(ctx, later) != nil {
			return fmt.Errorf("%s: %w", what, stopped(ctx, last.err))
		}
	}
}

func (b *brokers) once(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeouts.attempt)
	defer cancel()
	return ask(ctx)
}

// coordinate calls call with the coordinator of the transactional id until it succeeds. The context of call has the deadline
// of one attempt.
func (p *producer) coordinate(ctx context.Context, what string, call func(ctx context.Context, node int32) error) error {
	pause := newBackoff()
	began := time.Now()
	var last lastAnswer
	for {
		err := p.attempt(ctx, call)
		if err == nil {
			return nil
		}
		last.take(err)
		if ctx.Err() != nil {
			return fmt.Errorf("%s of %s: %w", what, p.id, stopped(ctx, last.err))
		}
		v := judgeCoordinator(err)
		switch {
		case v == fenced:
			return fmt.Errorf("%s of %s: %w: %w", what, p.id, ErrFenced, err)
		case v == giveUp, v == appears && time.Since(began) > p.brokers.timeouts.missing:
			return fmt.Errorf("%s of %s: %w", what, p.id, err)
		case v == elsewhere:
			p.coordinator = -1
		}
		p.brokers.metrics.retry(err)
		if pause.wait(ctx, v) != nil {
			return fmt.Errorf("%s of %s: %w", what, p.id, stopped(ctx, last.err))
		}
	}
}

// lastAnswer is the last error of a request that is repeated. An attempt whose time ran out does not replace what was answered
// before, because that says best what was waited for.
type lastAnswer struct{ err error }

func (l *lastAnswer) take(err error) {
	if l.err == nil || !cluster.IsTimeout(err) && !errors.Is(err, context.Canceled) {
		l.err = err
	}
}

// stopped returns the error of ctx, together with the last error if that is another one.
func stopped(ctx context.Context, last error) error {
	if errors.Is(last, ctx.Err()) {
		return ctx.Err()
	}
	return fmt.Errorf("%w; last answer: %w", ctx.Err(), last)
}

func (p *producer) attempt(ctx context.Context, call func(ctx context.Context, node int32) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.brokers.timeouts.attempt)
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
