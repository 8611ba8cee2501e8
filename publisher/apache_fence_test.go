package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// In the tests of this file Apache Kafka refuses a producer whose transactional id another producer has taken over, or whose
// transaction has timed out.

// during publishes while all requests of one kind are lost. It calls meanwhile as soon as one was lost, and lets all pass
// afterwards. It returns the error of publishing.
func (g *apacheShard) during(key kmsg.Key, meanwhile func()) error {
	g.t.Helper()
	before := g.count(key)
	g.inject(key, slices.Repeat([]fault{swallowed}, 200)...)
	published := make(chan error, 1)
	go func() { published <- g.publish(g.t.Context()) }()
	until(g.t, 30*time.Second, key.Name()+" was sent", func() bool { return g.count(key) > before })
	meanwhile()
	g.cancel()
	select {
	case err := <-published:
		return err
	case <-time.After(time.Minute):
		g.t.Fatal("publishing does not end")
		return nil
	}
}

// zombie checks that a producer was fenced by the answer to its last request of a kind, and that it sent the coordinator
// nothing else: neither an abort nor a request for a new epoch.
func (g *apacheShard) zombie(err error, key kmsg.Key, answer kafka.Error) {
	g.t.Helper()
	if !errors.Is(err, ErrFenced) || errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, answer) {
		g.t.Errorf("got %v, want ErrFenced by %d", err, int(answer))
	}
	g.dead()
	said := slices.DeleteFunc(g.takeSaid(), func(what string) bool { return key == kmsg.EndTxn && what == "commit" })
	if len(said) > 0 {
		g.t.Errorf("a zombie said %q", said)
	}
}

// Laws 5 and 6: whatever a previous owner was doing when the shard was taken over, it is refused, stops, and does not disturb
// the transaction of the new owner.
func TestApacheFencesAZombie(t *testing.T) {
	for _, test := range []struct {
		key    kmsg.Key
		answer kafka.Error
	}{
		{kmsg.AddPartitionsToTxn, codeProducerFenced},
		{kmsg.Produce, codeInvalidEpoch},
		{kmsg.EndTxn, codeProducerFenced},
	} {
		t.Run(test.key.Name(), func(t *testing.T) {
			g := sharedApacheShard(t)
			g.must()
			owner := newApacheShard(t, g.c)
			g.shard = acquire(t, g.p, 0)
			g.takeSaid()
			err := g.during(test.key, func() {
				owner.n, owner.shard = g.n, acquire(t, owner.p, 0)
				if err := owner.shard.producer.write(t.Context(), time.Now(), owner.prepare()); err != nil {
					t.Error(err)
				}
			})
			g.zombie(err, test.key, test.answer)
			if err := owner.shard.producer.end(t.Context(), true); err != nil {
				t.Errorf("the owner's commit after the zombie's attempt: %v", err)
			}
			owner.expect()
			owner.want = append(owner.want, g.want...)
			owner.must()
			owner.check()
		})
	}
}

// Law 5: a request to raise an old epoch is refused, but aborts the owner's open transaction. This package never sends such a
// request. The owner acquires the shard again, by law 6.
func TestApacheAbortsTheOwnerForAnOldEpoch(t *testing.T) {
	g := sharedApacheShard(t)
	g.must()
	old := g.shard.producer.identity
	g.shard = acquire(t, g.p, 0)
	if said := g.takeSaid(); !slices.Contains(said, "fence") || slices.Contains(said, "bump") {
		t.Errorf("acquired by %q", said)
	}
	p := g.shard.producer
	if err := p.write(t.Context(), time.Now(), g.prepare()); err != nil {
		t.Fatal(err)
	}
	if err := g.init(p.id, old, time.Minute); !errors.Is(err, codeProducerFenced) {
		t.Errorf("raised an old epoch: %v", err)
	}
	if said := g.takeSaid(); !slices.Contains(said, "bump") {
		t.Errorf("the witness saw %q", said)
	}
	err := p.end(t.Context(), true)
	if !errors.Is(err, ErrFenced) || !errors.Is(err, codeProducerFenced) {
		t.Errorf("the owner's commit after another raised an old epoch: %v", err)
	}
	g.shard = acquire(t, g.p, 0)
	g.must()
	g.check()
}

// init asks for a producer id until the coordinator is not busy with another transaction of the id.
func (g *apacheShard) init(id string, as identity, timeout time.Duration) error {
	g.t.Helper()
	b := g.p.brokers
	node, err := b.findCoordinator(g.t.Context(), id)
	if err != nil {
		g.t.Fatal(err)
	}
	for ctx := deadline(g.t, time.Minute); ; {
		request := kmsg.NewPtrInitProducerIDRequest()
		request.Version = 4
		request.TransactionalID, request.TransactionTimeoutMillis = &id, int32(timeout.Milliseconds())
		request.ProducerID, request.ProducerEpoch = as.producer, as.epoch
		m, _, err := b.send(ctx, node, request, nil)
		if err == nil {
			err = asError(m.(*kmsg.InitProducerIDResponse).ErrorCode)
		}
		if !errors.Is(err, codeConcurrent) || ctx.Err() != nil {
			return err
		}
	}
}

// Law 6: an operator who takes the id over once costs the shard one transaction and nothing else.
func TestApacheAbortFromOutside(t *testing.T) {
	for key, answer := range map[kmsg.Key]kafka.Error{kmsg.Produce: codeInvalidEpoch, kmsg.EndTxn: codeProducerFenced} {
		t.Run(key.Name(), func(t *testing.T) {
			g := sharedApacheShard(t)
			g.must()
			outside := newApacheShard(t, g.c)
			g.shard = acquire(t, g.p, 0)
			g.takeSaid()
			err := g.during(key, func() {
				if err := outside.init(g.shard.producer.id, identity{-1, -1}, time.Minute); err != nil {
					t.Error(err)
				}
			})
			g.zombie(err, key, answer)
			g.shard = acquire(t, g.p, 0)
			g.must()
			g.check()
		})
	}
}

// Law 4: a fence raises the epoch, by two if it had to abort a transaction. Afterwards no transaction of an earlier epoch
// holds a partition, so the end of the log is final.
func TestApacheFenceIsFinal(t *testing.T) {
	g := sharedApacheShard(t)
	g.p.brokers.timeouts = defaultTimeouts()
	g.p.brokers.timeouts.attempt = 30 * time.Second // a fence that is sent again raises the epoch once more
	for range 3 {
		g.must()
		was := g.shard.producer.identity
		g.shard = acquire(t, g.p, 0)
		if is := g.shard.producer.identity; is.producer != was.producer || is.epoch != was.epoch+1 {
			t.Errorf("fenced from %v to %v", was, is)
		}
		old, was := g.shard.producer, g.shard.producer.identity
		if err := old.write(t.Context(), time.Now(), g.prepare()); err != nil {
			t.Fatal(err)
		}
		fresh, err := g.p.brokers.fence(t.Context(), old.id, CompressionNone)
		if err != nil {
			t.Fatal(err)
		}
		if _, open := g.ends(); open {
			t.Error("something is open after the fence")
		}
		if is := fresh.identity; is.producer != was.producer || is.epoch != was.epoch+2 {
			t.Errorf("fenced from %v, with a transaction open, to %v", was, is)
		}
		g.shard = acquire(t, g.p, 0)
	}
	g.check()
}

// Law 7: the transactional id belongs to the partition, so that two deployments on one state topic fence each other.
func TestApacheTwoDeploymentsFenceEachOther(t *testing.T) {
	g := sharedApacheShard(t)
	g.must()
	other := g.c
	other.Group.ID = "another-group"
	two := newApacheShard(t, other)
	g.takeSaid()
	g.zombie(g.publish(t.Context()), kmsg.AddPartitionsToTxn, codeProducerFenced)
	two.n, two.want = 10, g.want
	two.must()
	two.check()
}

// A transaction timeout that the broker does not accept is refused at once, and the error names it.
func TestApacheRefusesATimeout(t *testing.T) {
	g := sharedApacheShard(t)
	for _, timeout := range []time.Duration{0, 16 * time.Minute} {
		g.p.brokers.timeouts.transaction = timeout
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := g.p.Acquire(ctx, 0)
		cancel()
		if !errors.Is(err, kafka.InvalidTransactionTimeout) || errors.Is(err, context.DeadlineExceeded) ||
			!strings.Contains(fmt.Sprint(err), "transaction.max.timeout.ms to 60000") || strings.Contains(err.Error(), "\n") {
			t.Errorf("a transaction timeout of %v: %v", timeout, err)
		}
		t.Log(err)
	}
	if g.retries("INVALID_TRANSACTION_TIMEOUT") > 0 {
		t.Error("asked again with the same timeout")
	}
	g.p.brokers.timeouts.transaction = 15 * time.Minute
	g.shard = acquire(t, g.p, 0)
	g.must()
	g.check()
}
