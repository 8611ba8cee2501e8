package publisher

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/diff"
)

// In the tests of this file Apache Kafka itself gives the answers that [TestAnswersThatAreRepeated] and
// [TestAnswersThatEndTheShard] make up. The network works, and nothing else owns the shard.

// refused checks that publishing failed with an error, that an abort ended the transaction, and that the shard can no longer
// be used. It acquires the shard again.
func (g *apacheShard) refused(err, want error) {
	g.t.Helper()
	if !errors.Is(err, want) || errors.Is(err, ErrFenced) || errors.Is(err, ErrUnknownOutcome) {
		g.t.Fatalf("got %v, want %v", err, want)
	}
	if got := g.takeSaid(); !slices.Contains(got, "abort") {
		g.t.Errorf("said %q: no abort", got)
	}
	g.settled()
	g.dead()
	g.shard = acquire(g.t, g.p, 0)
	g.must()
}

// dead checks that the shard sends no more requests, because its epoch may be spent.
func (g *apacheShard) dead() {
	g.t.Helper()
	before := g.count(kmsg.AddPartitionsToTxn)
	if err := g.publish(g.t.Context()); err == nil || g.count(kmsg.AddPartitionsToTxn) != before {
		g.t.Errorf("the shard goes on after an error: %v", err)
	}
}

// A batch whose answer was lost is sent again with the same bytes, and is in the log once. Brokers remember the last five
// batches, and refuse an older one.
func TestApacheKnowsARepeatedBatch(t *testing.T) {
	g := sharedApacheShard(t)
	g.p.brokers.timeouts = defaultTimeouts() // the test itself repeats what is not answered
	g.inject(kmsg.Produce, answerCut, answerCut, answerCut)
	g.must()
	if g.left() > 0 {
		t.Error("no answer was lost")
	}
	g.must() // under a new epoch, since connections broke
	p := g.shard.producer
	out := g.prepare()
	if err := p.write(t.Context(), time.Now(), out); err != nil {
		t.Fatal(err)
	}
	g.expect()
	old := outgoing{topicPartition: g.shard.encoder.to[stateTopic][0].topicPartition, used: 1, batches: []batch{{
		sealed: slices.Clone(g.shard.encoder.to[stateTopic][0].batches[0].sealed)}}}
	before, _ := g.ends()
	for range 3 {
		for _, o := range out {
			o.sent = 0
		}
		if err := errors.Join(p.round(t.Context(), out)...); err != nil {
			t.Errorf("the same batches again: %v", err)
		}
	}
	if after, _ := g.ends(); !maps.Equal(before, after) {
		t.Errorf("the log grew from %v to %v", before, after)
	}
	if err := p.end(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		g.must()
	}
	out = g.prepare()
	if err := p.write(t.Context(), time.Now(), out); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.round(t.Context(), []*outgoing{&old})...); !errors.Is(err, kafka.OutOfOrderSequenceNumber) {
		t.Errorf("a batch from seven batches ago: %v", err)
	}
	if err := p.end(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	g.expect()
	g.check()
}

// A gap in the sequence cannot be closed by repeating. The transaction is aborted, and the shard must be acquired again.
func TestApacheRefusesAGap(t *testing.T) {
	g := sharedApacheShard(t)
	g.must()
	g.shard.producer.sequences[g.shard.encoder.to[stateTopic][0].topicPartition] += 3
	g.refused(g.publish(t.Context()), kafka.OutOfOrderSequenceNumber)
	g.check()
}

// Law 1: a produce request to a partition that is not in the transaction is refused, and there is nothing to end.
func TestApacheRefusesWhatWasNotAdded(t *testing.T) {
	g := sharedApacheShard(t)
	g.must()
	g.settled()
	before, _ := g.ends()
	p := g.shard.producer
	out := g.prepare()
	for _, o := range out {
		if _, err := o.seal(p.identity, p.sequences[o.topicPartition], time.Now(), CompressionNone); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.produce(t.Context(), out); !errors.Is(err, kafka.InvalidTransactionState) {
		t.Errorf("produced without AddPartitionsToTxn: %v", err)
	}
	if after, open := g.ends(); open || !maps.Equal(before, after) {
		t.Errorf("the log grew from %v to %v", before, after)
	}
	if err := p.end(t.Context(), false); !errors.Is(err, kafka.InvalidTransactionState) {
		t.Errorf("ended what never began: %v", err)
	}
	failed := errors.New("failed before anything was open")
	if err := p.drop(t.Context(), failed); !errors.Is(err, failed) || errors.Is(err, kafka.InvalidTransactionState) {
		t.Errorf("an abort where nothing is open: %v", err)
	}
	g.must()
	g.check()
}

// A batch above max.message.bytes is refused if the setting was lowered since the shard was acquired. The shard that is
// acquired next splits it.
func TestApacheRefusesALargeBatch(t *testing.T) {
	g := sharedApacheShard(t)
	g.must()
	limit := "3000"
	_, err := g.admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &limit}}, g.c.Topics()...)
	if err != nil {
		t.Fatal(err)
	}
	many := func() (changes []diff.Changes, events []string) {
		for range 60 {
			g.n++
			s := session(1, g.n)
			changes = append(changes, changesOf(started(s), ended(s)))
			events = append(events, eventID(started(s)), eventID(ended(s)))
		}
		return changes, events
	}
	changes, events := many()
	until(t, time.Minute, "the broker keeps to the new limit", func() bool {
		if err = g.shard.Publish(t.Context(), changes); err == nil {
			g.want = append(g.want, events...)
			changes, events = many()
		}
		return err != nil
	})
	g.refused(err, kafka.MessageSizeTooLarge)
	if err := g.shard.Publish(t.Context(), changes); err != nil {
		t.Fatalf("after the limit was read again: %v", err)
	}
	g.want = append(g.want, events...)
	g.check()
}

// A compacted topic refuses a record without a key, and nothing else of its transaction is committed.
func TestApacheRefusesARecordWithoutKey(t *testing.T) {
	g := sharedApacheShard(t)
	g.must()
	g.prepare()
	g.shard.encoder.to[stateTopic][0].append(nil, []byte(`{"schema":1}`), nil)
	const invalidRecord = kafka.Error(87)
	g.refused(g.shard.commit(t.Context()), invalidRecord)
	g.check()
}

// A missing topic is waited for briefly, and then the error names it.
func TestApacheMissesATopic(t *testing.T) {
	g := sharedApacheShard(t)
	g.must()
	if _, err := g.admin.DeleteTopics(t.Context(), g.c.EndedTopic()); err != nil {
		t.Fatal(err)
	}
	until(t, time.Minute, "the topic is gone", func() bool {
		details, err := g.admin.ListTopics(t.Context(), g.c.EndedTopic())
		return err == nil && !details.Has(g.c.EndedTopic())
	})
	began := time.Now()
	err := g.publish(t.Context())
	// A publisher that does not give up by itself takes all of the time that a commit has.
	if took, limits := time.Since(began), g.p.brokers.timeouts; took < limits.missing || took > limits.total-10*time.Second {
		t.Errorf("gave up after %v, and waits %v for a topic", took, limits.missing)
	}
	if !errors.Is(err, kafka.UnknownTopicOrPartition) || !strings.Contains(err.Error(), g.c.EndedTopic()) || errors.Is(err, kafka.InvalidTransactionState) {
		t.Errorf("got %v, want an error that names %s", err, g.c.EndedTopic())
	}
	if _, err := CreateTopics(t.Context(), g.c, testTopics()); err != nil {
		t.Fatal(err)
	}
	g.shard = acquire(t, g.p, 0)
	g.must()
	g.check()
}

// While the markers of the transaction before are still pending, brokers answer 51, and the request is repeated. A commit that
// is repeated is answered in the same way.
func TestApachePendingMarkers(t *testing.T) {
	g := sharedApacheShard(t)
	const enough = 5
	for ctx := deadline(t, time.Minute); (g.n < 100 || g.retries("CONCURRENT_TRANSACTIONS") < enough) && ctx.Err() == nil; {
		g.must()
	}
	begun := g.retries("CONCURRENT_TRANSACTIONS")
	t.Logf("%d transactions back to back, %d requests sent again", g.n, begun)
	p, repeated := g.shard.producer, 0
	for ctx := deadline(t, time.Minute); repeated < enough && ctx.Err() == nil; {
		out := g.prepare()
		if err := p.write(t.Context(), time.Now(), out); err != nil {
			t.Fatal(err)
		}
		before := g.retries("CONCURRENT_TRANSACTIONS")
		for range 2 {
			if err := p.end(t.Context(), true); err != nil {
				t.Fatal(err)
			}
		}
		g.expect()
		repeated += g.retries("CONCURRENT_TRANSACTIONS") - before
	}
	if begun < enough || repeated < enough {
		t.Errorf("the broker never had markers pending: %d begins and %d commits sent again", begun, repeated)
	}
	g.check()
}
