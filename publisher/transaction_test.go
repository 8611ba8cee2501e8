package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/diff"
)

// history publishes sessions one by one, and keeps what must be in Kafka.
type history struct {
	t     *testing.T
	c     Config
	p     *Publisher
	shard *Shard
	n     int
	want  []string
}

func newHistory(t *testing.T, c Config, p *Publisher) *history {
	return &history{t: t, c: c, p: p, shard: acquire(t, p, 0)}
}

// publish publishes the start and the end of the next session, and expects them in Kafka if that succeeds.
func (h *history) publish(ctx context.Context) error {
	h.n++
	s := session(1, h.n)
	err := h.shard.Publish(ctx, []diff.Changes{changesOf(started(s), ended(s))})
	if err == nil {
		h.expect()
	}
	return err
}

// expect notes that the last session is committed.
func (h *history) expect() {
	s := session(1, h.n)
	h.want = append(h.want, eventID(started(s)), eventID(ended(s)))
}

func (h *history) must() {
	h.t.Helper()
	err := h.publish(h.t.Context())
	if errors.Is(err, errBetween) && h.p.brokers.timeouts.attempt < defaultTimeouts().attempt {
		// A fence that a busy broker answers later than in one short attempt is sent again, and its epoch is not the next one.
		h.n--
		h.shard = acquire(h.t, h.p, 0)
		err = h.publish(h.t.Context())
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// checkEvents compares what a consumer reads at once with what was published, and returns how many events that is.
func (h *history) checkEvents() int {
	h.t.Helper()
	got := ids(consume(h.t, h.c, h.c.EventsTopic()))
	slices.Sort(h.want)
	if diff := cmp.Diff(h.want, got); diff != "" {
		h.t.Errorf("events (-published +consumed):\n%s", diff)
	}
	return len(got)
}

// check compares the events with what was published, and the state with the events.
func (h *history) check() {
	h.t.Helper()
	events := h.checkEvents()
	restored := acquire(h.t, h.p, 0)
	if n := remembered(restored); 2*n != events {
		h.t.Errorf("state holds %d sessions, and there are %d events of two each", n, events)
	}
}

var transactional = []kmsg.Key{kmsg.FindCoordinator, kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn}

// If a request or its answer is lost or arrives twice, the same request is repeated, and everything is in Kafka once.
func TestFaultsOnTheWay(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := testConfig(t, addrs)
		p, faults := openFaulty(t, c)
		faultsOf := func(key kmsg.Key) []fault {
			if key == kmsg.InitProducerID {
				return []fault{cut, answerCut, answerLate, swallowed} // for twice see below
			}
			return []fault{cut, answerCut, answerLate, swallowed, twice}
		}
		for _, key := range transactional {
			for _, fault := range faultsOf(key) {
				t.Run(fmt.Sprintf("%s %s", key.Name(), fault), func(t *testing.T) {
					h := &history{t: t, c: c, p: p, n: int(key)*1000 + int(fault)*100}
					faults.inject(key, fault)
					h.shard = acquire(t, p, 0) // everything but Produce
					if key == kmsg.AddPartitionsToTxn || key == kmsg.EndTxn {
						faults.inject(key, fault)
					}
					if err := h.publish(t.Context()); err != nil {
						if (key != kmsg.AddPartitionsToTxn || fault != answerCut) && !errors.Is(err, errBetween) { // as in must
							t.Fatal(err)
						}
						// The transaction may have begun. Then the fence that ends it looks as if there had been another owner.
						h.n--
						h.shard = acquire(t, p, 0)
						h.must()
					}
					h.must()
					if faults.left() > 0 {
						t.Error("the fault did not happen")
					}
				})
			}
		}
		t.Run("everything once", func(t *testing.T) {
			h := &history{t: t, c: c, p: p}
			for _, key := range transactional {
				for _, fault := range faultsOf(key) {
					for n := 1; n <= 2; n++ {
						s := session(1, int(key)*1000+int(fault)*100+n)
						h.want = append(h.want, eventID(started(s)), eventID(ended(s)))
					}
				}
			}
			h.check()
		})
	})
}

// A fence that arrives twice fences its own shard. So a shard that is fenced need not have another owner.
func TestFenceThatArrivesTwice(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		p, faults := openFaulty(t, testConfig(t, addrs))
		p.brokers.timeouts = defaultTimeouts() // no answer is lost, and another fence would give an epoch that is valid
		faults.inject(kmsg.InitProducerID, twice)
		if _, err := p.Acquire(t.Context(), 0); !errors.Is(err, ErrFenced) {
			t.Fatalf("acquired under an epoch that is raised: %v", err)
		}
		h := newHistory(t, p.config, p)
		h.shard = acquire(t, p, 0)
		h.must()
		h.check()
	})
}

// Requests with these answers are repeated.
func TestAnswersThatAreRepeated(t *testing.T) {
	c := testConfig(t, fake(t))
	p, faults := openFaulty(t, c)
	p.brokers.timeouts = defaultTimeouts() // no answer is lost, and an attempt that is given up asks for the coordinator again
	coordinator := []int16{14, 15, 16, 51, 7}
	repeated := map[kmsg.Key][]int16{
		kmsg.FindCoordinator:    {14, 15},
		kmsg.InitProducerID:     coordinator,
		kmsg.AddPartitionsToTxn: append([]int16{3}, coordinator...),
		kmsg.EndTxn:             coordinator,
		kmsg.Produce:            {3, 5, 6, 7, 9, 13, 19, 20, 56, 74, 75},
	}
	h := newHistory(t, c, p)
	for key, codes := range repeated {
		for _, code := range codes {
			early := key == kmsg.FindCoordinator || key == kmsg.InitProducerID
			if early {
				faults.answer(key, code, code)
			}
			h.shard = acquire(t, p, 0)
			before := faults.count(kmsg.FindCoordinator)
			if !early {
				faults.answer(key, code, code)
			}
			h.must()
			if faults.left() > 0 {
				t.Fatalf("%s %d was not answered", key.Name(), code)
			}
			moved := code == 14 || code == 15 || code == 16
			if asked := faults.count(kmsg.FindCoordinator) > before; (key == kmsg.AddPartitionsToTxn || key == kmsg.EndTxn) && moved != asked && code != 7 {
				t.Errorf("%s %d: asked for the coordinator again: %t", key.Name(), code, asked)
			}
		}
	}
	h.check()
}

// Requests with these answers are not repeated. Some of the answers mean that the shard is fenced.
func TestAnswersThatEndTheShard(t *testing.T) {
	c := testConfig(t, fake(t))
	p, faults := openFaulty(t, c)
	p.brokers.timeouts = defaultTimeouts() // no answer is lost
	for _, test := range []struct {
		key     kmsg.Key
		code    int16
		want    error
		aborted bool // whether the publisher must abort the transaction itself
	}{
		{kmsg.AddPartitionsToTxn, 90, ErrFenced, false},
		{kmsg.AddPartitionsToTxn, 47, ErrFenced, false},
		{kmsg.AddPartitionsToTxn, 29, kafka.TopicAuthorizationFailed, true},
		{kmsg.AddPartitionsToTxn, 53, kafka.TransactionalIDAuthorizationFailed, true},
		{kmsg.AddPartitionsToTxn, 49, kafka.InvalidProducerIDMapping, true},
		{kmsg.Produce, 47, ErrFenced, false},
		{kmsg.Produce, 90, ErrFenced, false},
		{kmsg.Produce, 45, kafka.OutOfOrderSequenceNumber, true},
		{kmsg.Produce, 46, kafka.DuplicateSequenceNumber, true},
		{kmsg.Produce, 48, kafka.InvalidTransactionState, true},
		{kmsg.Produce, 10, kafka.MessageSizeTooLarge, true},
		{kmsg.Produce, 2, kafka.InvalidMessage, true},
		{kmsg.Produce, 29, kafka.TopicAuthorizationFailed, true},
		{kmsg.Produce, 87, kafka.Error(87), true},
		{kmsg.Produce, 120, kafka.Error(120), true},
		{kmsg.EndTxn, 90, ErrFenced, false},
		{kmsg.EndTxn, 47, ErrFenced, false},
		{kmsg.EndTxn, 48, ErrUnknownOutcome, false},
		{kmsg.EndTxn, 49, ErrUnknownOutcome, false},
	} {
		t.Run(fmt.Sprintf("%s %d", test.key.Name(), test.code), func(t *testing.T) {
			h := &history{t: t, c: c, p: p, shard: acquire(t, p, 0), n: int(test.key)*1000 + int(test.code)}
			faults.answer(test.key, test.code)
			before := faults.count(kmsg.EndTxn)
			if err := h.publish(t.Context()); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if test.key != kmsg.EndTxn {
				if aborted := faults.count(kmsg.EndTxn) > before; aborted != test.aborted {
					t.Errorf("aborted: %t", aborted)
				}
			}
			if err := h.publish(t.Context()); err == nil {
				t.Error("the shard goes on after an error")
			}
			h.shard = acquire(t, p, 0)
			h.must()
		})
	}
}

// Law 2: a produce request that arrives after its transaction was aborted must not be committed with the next one.
func TestLateProduceIsNotCommitted(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := testConfig(t, addrs)
		p, faults := openFaulty(t, c)
		h := newHistory(t, c, p)
		h.must()
		p.brokers.timeouts.total = 900 * time.Millisecond
		faults.inject(kmsg.Produce, held, held, held, held, held, held)
		if err := h.publish(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a transaction whose produce never arrived: %v", err)
		}
		faults.cancel()
		p.brokers.timeouts.total = 20 * time.Second
		h.shard = acquire(t, p, 0)
		faults.release()
		h.must()
		faults.release()
		h.must()
		h.check()
	})
}

// The outcome of a commit without an answer is unknown, and the restore shows what it was.
func TestUnansweredCommit(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		for _, lost := range []fault{answerLate, swallowed} {
			t.Run(lost.String(), func(t *testing.T) {
				c := testConfig(t, addrs)
				p, faults := openFaulty(t, c)
				h := newHistory(t, c, p)
				h.must()
				asked := faults.count(kmsg.EndTxn)
				faults.inject(kmsg.EndTxn, slices.Repeat([]fault{lost}, 50)...)
				ctx, stop := context.WithCancel(t.Context())
				published := make(chan error, 1)
				go func() { published <- h.publish(ctx) }()
				until(t, 20*time.Second, "a commit was sent, or has arrived", func() bool {
					if lost == answerLate {
						return faults.lateAnswers() > 0
					}
					return faults.count(kmsg.EndTxn) > asked
				})
				stop()
				if err := <-published; !errors.Is(err, ErrUnknownOutcome) {
					t.Fatalf("a commit without an answer: %v", err)
				}
				faults.cancel()
				h.shard = acquire(t, p, 0)
				wasCommitted := remembered(h.shard) == 2
				if wasCommitted != (lost == answerLate) {
					t.Errorf("restored as committed: %t", wasCommitted)
				}
				if wasCommitted {
					h.expect()
				}
				h.must()
				h.check()
			})
		}
	})
}

// When ctx ends in the middle of a transaction, it is aborted within the grace, so that no consumer has to wait for it.
func TestStopEndsTheTransaction(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		for _, key := range []kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn} {
			t.Run(key.Name(), func(t *testing.T) {
				c := testConfig(t, addrs)
				p, faults := openFaulty(t, c)
				h := newHistory(t, c, p)
				h.must()
				p.brokers.timeouts.grace = 10 * time.Second                   // on a busy machine the next attempt may be late
				faults.inject(key, slices.Repeat([]fault{answerLate}, 50)...) // until the stop, so that it comes before the answer
				ctx, cancel := context.WithCancel(t.Context())
				published := make(chan error, 1)
				go func() { published <- h.publish(ctx) }()
				until(t, 20*time.Second, "the broker has answered", func() bool { return faults.lateAnswers() > 0 })
				cancel()
				faults.cancel()
				err := <-published
				if committed := err == nil; committed != (key == kmsg.EndTxn) {
					t.Fatalf("stopped in %s: %v", key.Name(), err)
				}
				h.checkEvents() // no fence before this: what is open would hold the reader up
			})
		}
	})
}

// The leaders of the partitions of a transaction are sent to concurrently. (For the race detector.)
func TestSeveralLeaders(t *testing.T) {
	cluster := fakeCluster(t, 3)
	c := testConfig(t, cluster.Addrs())
	h := newHistory(t, c, testOpen(t, c))
	for range 30 {
		h.must()
	}
	h.check()
}

// Batches stay below the topic's max.message.bytes, and all of them are in the one transaction.
func TestBatchesAreSplit(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := testConfig(t, addrs)
		p := testOpen(t, c)
		h := newHistory(t, c, p)
		e := h.shard.encoder
		for _, o := range slices.Concat(e.to[:]...) {
			o.limit = 3000
		}
		var changes []diff.Changes
		for n := range 60 {
			s := session(1, n)
			changes = append(changes, changesOf(started(s), ended(s)))
			h.want = append(h.want, eventID(started(s)), eventID(ended(s)))
		}
		if err := h.shard.Publish(t.Context(), changes); err != nil {
			t.Fatal(err)
		}
		for _, o := range e.outgoing() {
			for i := range o.batches[:o.used] {
				if n := len(o.batches[i].sealed); n > o.limit {
					t.Errorf("batch %d of %s-%d has %d bytes", i, o.topic, o.partition, n)
				}
			}
		}
		if e.to[stateTopic][0].used < 5 {
			t.Errorf("the state was not split: %d batches", e.to[stateTopic][0].used)
		}
		h.check()
	})
}
