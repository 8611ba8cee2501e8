package publisher

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A shard whose connection broke is fenced again before its next transaction, and no other is.
func TestShardIsRenewedAfterABreak(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := testConfig(t, addrs)
		p, faults := openFaulty(t, c)
		p.brokers.timeouts = defaultTimeouts() // nothing but what breaks here may take an answer away
		h := newHistory(t, c, p)
		h.must()
		fences := func() int { return counted(t, p.metrics.fences) }
		before := fences()
		h.must()
		if n := fences() - before; n != 0 {
			t.Errorf("%d fences though nothing broke", n)
		}
		for _, broken := range []struct {
			key kmsg.Key
			how fault
		}{{kmsg.AddPartitionsToTxn, cut}, {kmsg.Produce, cut}, {kmsg.Produce, answerCut}} {
			before = fences()
			faults.inject(broken.key, broken.how)
			h.must()
			h.must()
			if n := fences() - before; n < 1 || n > 3 {
				t.Errorf("%s, %s: %d fences", broken.key.Name(), broken.how, n)
			}
		}
		h.check()
	})
}

// If the fence of a renewal does not return the next epoch, another owner may have had the shard, and its restored state may
// be out of date.
func TestShardIsNotRenewedAfterAnotherOwner(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := testConfig(t, addrs)
		h := newHistory(t, c, testOpen(t, c))
		h.must()
		other := newHistory(t, c, testOpen(t, c))
		other.n = 10
		other.must()
		h.shard.producer.spent = true
		if err := h.publish(t.Context()); !errors.Is(err, errBetween) {
			t.Errorf("published from a state that may be old: %v", err)
		}
		h.want = append(h.want, other.want...)
		h.shard = acquire(t, h.p, 0)
		h.must()
		h.check()
	})
}

// A shard that waits for the end of another's transaction does not hold up the acquisition of others.
func TestShardsAreTakenOverSideBySide(t *testing.T) {
	cluster := fakeCluster(t, 1)
	c := testConfig(t, cluster.Addrs())
	p := testOpen(t, c)
	p.brokers.reading = make(chan struct{}, 1)
	asked := make(chan struct{})
	var once sync.Once
	cluster.Fake().ControlKey(int16(kmsg.InitProducerID), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.Fake().KeepControl()
		id := r.(*kmsg.InitProducerIDRequest).TransactionalID
		if id == nil || *id != transactionalID(c.StateTopic(), 0) {
			return nil, nil, false
		}
		once.Do(func() { close(asked) })
		answer := r.ResponseKind().(*kmsg.InitProducerIDResponse)
		answer.ErrorCode = int16(codeConcurrent)
		return answer, nil, true
	})
	stuck := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { _, err := p.Acquire(ctx, 0); stuck <- err }()
	<-asked
	if _, err := p.Acquire(deadline(t, 40*time.Second), 1); err != nil { // the other is stuck for longer
		t.Error(err)
	}
	select {
	case err := <-stuck:
		t.Errorf("the shard that was to be stuck: %v", err)
	default:
	}
	stop()
	if err := <-stuck; err == nil {
		t.Error("acquired a shard whose fence was never answered")
	}
}

// A stop while no broker answers takes one grace, in which the transaction could be aborted.
func TestStopTakesOneGrace(t *testing.T) {
	c := testConfig(t, fake(t))
	p, faults := openFaulty(t, c)
	p.brokers.timeouts.grace = 8 * time.Second // long, so that a busy machine does not make two of one
	h := newHistory(t, c, p)
	h.must()
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.EndTxn} {
		faults.inject(key, slices.Repeat([]fault{swallowed}, 50)...)
	}
	before := faults.count(kmsg.Produce) // of the initialization and of the transaction before
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.publish(ctx) }()
	until(t, 20*time.Second, "a produce was sent", func() bool { return faults.count(kmsg.Produce) > before })
	stop()
	began := time.Now()
	if err := <-done; err == nil {
		t.Error("published though nobody answered")
	}
	if took, grace := time.Since(began), p.brokers.timeouts.grace; took > grace*19/10 {
		t.Errorf("the stop took %v, and the grace is %v", took, grace)
	}
}
