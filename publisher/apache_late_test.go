package publisher

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/publisher/kafkatest"
)

// In the tests of this file requests arrive at Apache Kafka when their transaction has long ended.

// mustAround publishes a session by several produce requests, and calls between between two of them.
func (g *apacheShard) mustAround(between func()) {
	g.t.Helper()
	e := g.shard.encoder
	for _, o := range slices.Concat(e.to[:]...) {
		o.limit = 1500 // one event in a batch, and one batch of a partition in a request
		defer func() { o.limit = defaultBatchLimit }()
	}
	before := g.count(kmsg.Produce)
	g.inject(kmsg.Produce, passed, swallowed)
	published := make(chan error, 1)
	go func() { published <- g.publish(g.t.Context()) }()
	until(g.t, 30*time.Second, "a second produce request was sent", func() bool { return g.count(kmsg.Produce) >= before+2 })
	between()
	if err := <-published; err != nil {
		g.t.Fatal(err)
	}
}

// An EndTxn whose answer was not read may arrive in the middle of a later transaction, even if its repetition was answered.
// It must not end that transaction, whether it is a commit or an abort and whichever producer sent it.
func TestApacheLateEndTxn(t *testing.T) {
	t.Run("commit", func(t *testing.T) {
		g := sharedApacheShard(t)
		g.must()
		g.inject(kmsg.EndTxn, held)
		g.must()
		g.mustAround(g.release)
		g.must()
		g.check()
	})
	t.Run("commit, and the wait was ended by a stop", func(t *testing.T) {
		g := sharedApacheShard(t)
		g.must()
		g.p.brokers.timeouts.grace = 100 * time.Millisecond
		g.inject(kmsg.EndTxn, held)
		g.p.brokers.timeouts.total = 50 * time.Millisecond
		if err := g.publish(t.Context()); err == nil {
			t.Fatal("nobody has answered")
		}
		g.p.brokers.timeouts.total, g.p.brokers.timeouts.grace = 20*time.Second, 5*time.Second
		g.shard = acquire(t, g.p, 0)
		g.mustAround(g.release)
		g.check()
	})
	t.Run("abort of the take-over", func(t *testing.T) {
		g := sharedApacheShard(t)
		g.inject(kmsg.EndTxn, held)
		g.shard = acquire(t, g.p, 0)
		g.mustAround(g.release)
		g.must()
		g.check()
	})
	t.Run("abort of a failed transaction", func(t *testing.T) {
		g := sharedApacheShard(t)
		g.must()
		g.inject(kmsg.EndTxn, held)
		g.shard.producer.sequences[g.shard.encoder.to[stateTopic][0].topicPartition] += 3
		if err := g.publish(t.Context()); err == nil {
			t.Fatal("the broker has taken a gap")
		}
		g.shard = acquire(t, g.p, 0)
		g.mustAround(g.release)
		g.must()
		g.check()
	})
}

// Brokers that do not verify transactions accept a produce request of an aborted transaction after the fence,
// unless a marker has taught the leader the new epoch.
func TestApacheWithoutVerification(t *testing.T) {
	for _, test := range []struct {
		name    string
		options kafkatest.Options
		want    Inspection
	}{
		{"switched off", kafkatest.Options{Properties: map[string]string{"transaction.partition.verification.enable": "false"}},
			Inspection{Version: "v4.3", Supported: true, Verification: VerificationOff}},
		{"3.5.2", kafkatest.Options{Version: "3.5.2"}, Inspection{Version: "v3.5", Verification: VerificationOff}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cluster := apacheCluster(t, test.options)
			g := newApacheShard(t, testConfig(t, cluster.Addrs()))
			var found Inspection
			until(t, time.Minute, "the brokers say what they are", func() bool { // which takes several requests in one attempt
				all, err := g.p.brokers.inspect(t.Context())
				found = all
				return err == nil
			})
			if found != test.want || found.Warning() == "" {
				t.Errorf("inspected %+v; want %+v and a warning", found, test.want)
			}
			g.must()
			for range 3 {
				g.p.brokers.timeouts.total = 900 * time.Millisecond
				g.inject(kmsg.Produce, held, held, held, held)
				if err := g.publish(t.Context()); err == nil {
					t.Fatal("a transaction whose produce never arrived was committed")
				}
				g.cancel()
				g.p.brokers.timeouts.total = 20 * time.Second
				g.shard = acquire(t, g.p, 0)
				g.mustAround(g.release)
			}
			g.must()
			g.check()
		})
	}
}
