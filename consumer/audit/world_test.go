package audit

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/mod/sumdb/note"

	"farmwire/cluster"
	"farmwire/consumer"
	"farmwire/consumer/audit/audittest"
	"farmwire/event"
	"farmwire/publisher/kafkatest"
)

// brokers are shared by the tests of this package that run on Apache Kafka.
var brokers kafkatest.Shared

func TestMain(m *testing.M) { os.Exit(brokers.Main(m)) }

const prefix = audittest.Prefix

// keyPair returns a key pair for signatures.
func keyPair(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

// fake starts brokers in the same process.
func fake(t testing.TB) consumer.Config {
	t.Helper()
	b, err := kafkatest.StartFake(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return consumer.Config{Cluster: cluster.Config{Brokers: b.Addrs()}, TopicPrefix: prefix}
}

// readTopics reads what a real Farmwire, or a world, has written.
func readTopics(t testing.TB, c consumer.Config) audittest.Topics {
	t.Helper()
	r, err := openReader(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	all := make(audittest.Topics)
	for _, topic := range r.topics() {
		spans, err := r.spans(t.Context(), topic, committed)
		if err != nil {
			t.Fatal(err)
		}
		all[topic] = make([][]*kgo.Record, len(spans))
		keep := make([]*keeper, len(spans))
		for p := range keep {
			keep[p] = new(keeper)
		}
		if err := readTopic(t.Context(), r, topic, spans, keep); err != nil {
			t.Fatal(err)
		}
		for p := range keep {
			all[topic][p] = keep[p].records
		}
	}
	return all
}

// apache returns a function that returns brokers of Apache Kafka that have none of the topics.
func apache(t testing.TB) func(testing.TB) consumer.Config {
	c := consumer.Config{Cluster: cluster.Config{Brokers: brokers.Cluster(t).Addrs()}, TopicPrefix: prefix}
	return func(t testing.TB) consumer.Config {
		deleteTopics(t, c)
		return c
	}
}

// onBrokers runs a test on kfake and on Apache Kafka. start returns brokers that have none of the topics.
func onBrokers(t *testing.T, test func(t *testing.T, start func(testing.TB) consumer.Config)) {
	t.Run("kfake", func(t *testing.T) { test(t, fake) })
	t.Run("apache", func(t *testing.T) { test(t, apache(t)) })
}

// deleteTopics deletes the topics, and waits until brokers do not have them any more.
func deleteTopics(t testing.TB, c consumer.Config) {
	t.Helper()
	r, err := openReader(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for isThere := true; isThere; {
		if _, err := r.admin.DeleteTopics(t.Context(), r.topics()...); err != nil {
			t.Fatal(err)
		}
		details, err := r.admin.ListTopics(t.Context(), r.topics()...)
		if err != nil {
			t.Fatal(err)
		}
		isThere = false
		for _, topic := range r.topics() {
			isThere = isThere || details.Has(topic)
		}
	}
}

// run audits topics that are written to brokers of their own.
func run(t testing.TB, start func(testing.TB) consumer.Config, all audittest.Topics, c Config) *Report {
	t.Helper()
	c.Consumer = start(t)
	write(t, c.Consumer, all)
	r, err := openReader(t.Context(), c.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	a := &audit{config: c, seed: maphash.MakeSeed(), found: newFindings(), reader: r, settles: 200 * time.Millisecond}
	report, err := a.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// newestCheckpoints are what somebody keeps elsewhere.
func newestCheckpoints(t testing.TB, c consumer.Config) []event.Checkpoint {
	t.Helper()
	notes, err := Checkpoints(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	anchors, err := ParseAnchors(strings.Join(notes, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return anchors
}

// write writes topics.
func write(t testing.TB, c consumer.Config, all audittest.Topics) {
	t.Helper()
	if err := audittest.Write(t.Context(), c.Cluster.Brokers, all); err != nil {
		t.Fatal(err)
	}
}

// keeper keeps the records of a partition.
type keeper struct{ records []*kgo.Record }

func (k *keeper) visit(r *kgo.Record) { k.records = append(k.records, r) }

func (*keeper) forget() {}
