package consumer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cluster"
	"farmwire/diff"
	"farmwire/event"
	"farmwire/publisher/kafkatest"
)

// apache is shared by the tests of this package.
var apache kafkatest.Shared

func TestMain(m *testing.M) { os.Exit(apache.Main(m)) }

// onBrokers runs a test on kfake and on Apache Kafka, each with topics of its own.
func onBrokers(t *testing.T, test func(t *testing.T, k *kafka)) {
	t.Run("kfake", func(t *testing.T) {
		brokers, err := kafkatest.StartFake(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { brokers.Close() })
		test(t, newKafka(t, brokers.Addrs()))
	})
	t.Run("apache", func(t *testing.T) { test(t, newKafka(t, apache.Cluster(t).Addrs())) })
}

const partitions = 3

var prefixes atomic.Int64 // makes the topics of each test its own

// kafka is a cluster with the topics of a test, and an administrator.
type kafka struct {
	t      *testing.T
	config Config
	admin  *kadm.Client
}

func newKafka(t *testing.T, addrs []string) *kafka {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	k := &kafka{t: t, admin: kadm.NewClient(client), config: Config{
		Cluster:     cluster.Config{Brokers: addrs},
		TopicPrefix: "test-" + strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.FormatInt(prefixes.Add(1), 10),
	}}
	c := k.config
	answers, err := k.admin.CreateTopics(t.Context(), partitions, 1, nil, c.EventsTopic(), c.EndedTopic(), c.StateTopic())
	if err := errors.Join(err, answers.Error()); err != nil {
		t.Fatal(err)
	}
	// A broker may not know at once what the controller has created.
	for Exist(t.Context(), k.admin, c.EventsTopic(), c.EndedTopic(), c.StateTopic()) != nil {
		time.Sleep(10 * time.Millisecond)
	}
	return k
}

// open opens a reader of the events topic. It waits for the rest of a partition as long as it takes: if brokers on a busy machine
// are slow, the records would come out of order, which is what a reader does then.
func (k *kafka) open(from Position) *Reader {
	k.t.Helper()
	r, err := Open(k.t.Context(), k.config, from, k.config.EventsTopic())
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(r.Close)
	r.backlog.waits = time.Hour
	return r
}

// writer writes transactions.
type writer struct {
	t      *testing.T
	client *kgo.Client
	id     string // of its transactions
}

func (k *kafka) writer(id string) *writer {
	k.t.Helper()
	id = k.config.TopicPrefix + id
	client, err := kgo.NewClient(kgo.SeedBrokers(k.config.Cluster.Brokers...), kgo.TransactionalID(id),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.TransactionTimeout(10*time.Minute)) // on a busy machine one that stays open must not be aborted by the brokers
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(client.Close)
	return &writer{k.t, client, id}
}

// begin writes records in a transaction that stays open.
func (w *writer) begin(records ...*kgo.Record) {
	w.t.Helper()
	if err := w.client.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.client.ProduceSync(w.t.Context(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// end ends a transaction. Apache Kafka confirms that before it has written the markers into the partitions, and only then the
// records are there for readers. So end waits for that too.
func (w *writer) end(as kgo.TransactionEndTry) {
	w.t.Helper()
	if err := w.client.EndTransaction(w.t.Context(), as); err != nil {
		w.t.Fatal(err)
	}
	underWay := []string{"Ongoing", "PrepareCommit", "PrepareAbort"}
	for admin, state := kadm.NewClient(w.client), "Ongoing"; slices.Contains(underWay, state); {
		described, err := admin.DescribeTransactions(w.t.Context(), w.id)
		if err == nil {
			err = described[w.id].Err
		}
		if err != nil {
			w.t.Fatal(err)
		}
		state = described[w.id].State
	}
}

func (w *writer) commit(records ...*kgo.Record) {
	w.t.Helper()
	w.begin(records...)
	w.end(kgo.TryCommit)
}

func (w *writer) abort(records ...*kgo.Record) {
	w.t.Helper()
	w.begin(records...)
	w.end(kgo.TryAbort)
}

// noon is the time of the first example. It is not so long ago that brokers would delete its records.
var noon = time.Now().UTC().Truncate(time.Second).Add(-12 * time.Hour)

// example is a change of session n.
func example(n int) diff.Change {
	at := noon.Add(time.Duration(n) * time.Second)
	return diff.Change{
		Kind: diff.Ended, Sequence: 2,
		Session: diff.Session{
			WorkerKey: diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: "worker-1"},
			QueueID:   "queue-1", JobID: "job-1", SessionID: fmt.Sprintf("session-%06d", n),
			LifecycleStatus: diff.StatusEnded, TargetLifecycleStatus: diff.StatusEnded, StartedAt: noon.Add(-time.Hour), EndedAt: at,
		},
		Previous: &diff.Session{LifecycleStatus: diff.StatusStarted},
		Observed: diff.Bounds{After: at.Add(-time.Second), Before: at.Add(time.Second), Exact: true},
	}
}

// written is the record of example n, handed to Kafka n seconds after noon.
func (k *kafka) written(n int, partition int32) *kgo.Record {
	c, at := example(n), noon.Add(time.Duration(n)*time.Second)
	encoded := event.Encode(&c, event.Envelope{Region: "eu-west-1", Recorded: at})
	r := &kgo.Record{Topic: k.config.EventsTopic(), Partition: partition, Timestamp: at, Key: encoded.Key, Value: encoded.Value}
	for _, h := range encoded.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return r
}

// read reads n records. It gives up after a while, which is longer than anything that it has to wait for.
func read(t *testing.T, r *Reader, n int) (records []Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(records) < n {
		more, err := r.Read(ctx)
		if err != nil {
			t.Fatalf("%v after %v", err, sessions(records))
		}
		records = append(records, more...)
	}
	return records
}

// nothing fails if a record can be read within a moment.
func nothing(t *testing.T, r *Reader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if records, err := r.Read(ctx); !errors.Is(err, context.DeadlineExceeded) || len(records) > 0 {
		t.Errorf("read %v, %v", sessions(records), err)
	}
}

// sessions are the keys of records.
func sessions(records []Record) (ids []string) {
	for _, r := range records {
		ids = append(ids, string(r.Key))
	}
	return ids
}

// examples are the keys of examples.
func examples(numbers ...int) (ids []string) {
	for _, n := range numbers {
		ids = append(ids, example(n).Session.SessionID)
	}
	return ids
}

// kindOf is the kind of the problem in an error, if it has one.
func kindOf(err error) cluster.Kind {
	if problem, ok := errors.AsType[*cluster.Error](err); ok {
		return problem.Kind
	}
	return ""
}
