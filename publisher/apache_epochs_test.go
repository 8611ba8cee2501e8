package publisher

import (
	"strconv"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/publisher/kafkatest"
)

// transactionLog is where coordinators keep the transactional ids.
const (
	transactionLog           = "__transaction_state"
	transactionLogPartitions = 6 // as kafkatest sets it
)

// nearExhaustion makes a shard whose epoch is one before the last. 32,765 fences would take minutes, so the
// transaction's record is written by hand; the coordinator reads it when the partition moves to it, and the id is made
// such that its partition moves with the one of another id.
func nearExhaustion(t *testing.T, cluster *kafkatest.Cluster, with string) *apacheShard {
	t.Helper()
	partition := transactionPartition(with)
	prefix := ""
	for n := 0; prefix == "" || transactionPartition(transactionalID(prefix+".state", 0)) != partition; n++ {
		prefix = "exhausted-" + strconv.Itoa(n)
	}
	g := newApacheShard(t, replicated(t, cluster, prefix))
	g.must()
	p := g.shard.producer
	g.awaitState("CompleteCommit") // and nothing is written to the log after the record
	key := kmsg.TxnMetadataKey{TransactionalID: p.id}
	value := kmsg.NewTxnMetadataValue()
	const completeCommit = 4
	value.ProducerID, value.ProducerEpoch, value.State = p.identity.producer, lastEpoch-1, completeCommit
	value.TimeoutMillis, value.LastUpdateTimestamp, value.StartTimestamp = 60_000, time.Now().UnixMilli(), -1
	value.Topics = []kmsg.TxnMetadataValueTopic{} // an absent list is no empty one
	// Brokers let only this client write to their own topics.
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.ClientID("__admin_client"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	record := &kgo.Record{Topic: transactionLog, Partition: partition, Key: key.AppendTo(nil), Value: value.AppendTo(nil)}
	if err := client.ProduceSync(deadline(t, time.Minute), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return g
}

// lastEpoch is the last that a producer is given.
const lastEpoch = 32766

// transactionPartition is where the coordinators keep an id: by Java's hash of it.
func transactionPartition(id string) int32 {
	var hash int32
	for _, unit := range utf16.Encode([]rune(id)) {
		hash = 31*hash + int32(unit)
	}
	return hash & 0x7fffffff % transactionLogPartitions
}

// Law 3: when the epochs are exhausted, the broker gives a new producer id, without an error, and begins again with its
// epochs; here in the fence that aborts what the last epoch left open.
func testExhaustion(t *testing.T, g *apacheShard) {
	old := g.shard.producer.identity.producer
	g.p.brokers.timeouts = defaultTimeouts()
	g.p.brokers.timeouts.attempt = 30 * time.Second // a fence that is sent again uses up the last epoch
	g.shard = acquire(t, g.p, 0)
	if is := g.shard.producer.identity; is != (identity{old, lastEpoch}) {
		t.Fatalf("the record written by hand was not read: %v", is)
	}
	g.must()
	if err := g.shard.producer.write(t.Context(), time.Now(), g.prepare()); err != nil {
		t.Fatal(err)
	}
	g.shard = acquire(t, g.p, 0)
	if is := g.shard.producer.identity; is.producer == old || is.epoch > 5 {
		t.Errorf("after %v came %v", identity{old, lastEpoch}, is)
	} else {
		t.Logf("after %v came %v", identity{old, lastEpoch}, is)
	}
	g.must()
	g.must()
	g.check()
}
