package publisher

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/diff"
	"farmwire/event"
	"farmwire/publisher/kafkatest"
)

// TestApacheHanging reproduces what a lone broker leaves behind that is killed before it has written all markers. It uses a
// broker that does not verify transactions: records in partitions that were not added to the transaction stay open there.
func TestApacheHanging(t *testing.T) {
	cluster := apacheCluster(t, kafkatest.Options{Properties: map[string]string{"transaction.partition.verification.enable": "false"}})
	t.Run("it is ended as the state was", func(t *testing.T) {
		g := newApacheShard(t, testConfig(t, cluster.Addrs()))
		g.must()
		g.hang()
		g.shard = acquire(t, g.p, 0)
		g.must()
		g.check()
	})
	t.Run("a stop meanwhile", func(t *testing.T) { testStopWhileHanging(t, cluster) })
	t.Run("the initialization", func(t *testing.T) { testHangingInitialization(t, cluster) })
	t.Run("a break that is seen when the next transaction begins", func(t *testing.T) { testBreakAtTheBeginning(t, cluster) })
}

// hang publishes the next session so that its state is committed, and the partitions of its events hold the transaction open.
func (g *apacheShard) hang() {
	g.t.Helper()
	g.awaitState("CompleteCommit") // or the records would be part of the transaction before
	p, ctx := g.shard.producer, g.t.Context()
	out := g.prepare()
	for _, o := range out {
		next, err := o.seal(p.identity, p.sequences[o.topicPartition], time.Now(), CompressionNone)
		if err != nil {
			g.t.Fatal(err)
		}
		p.sequences[o.topicPartition] = next
	}
	added := slices.DeleteFunc(slices.Clone(out), func(o *outgoing) bool { return o.topic != g.c.StateTopic() })
	if err := p.add(ctx, added, false); err != nil {
		g.t.Fatal(err)
	}
	if err := p.produce(ctx, out); err != nil {
		g.t.Fatal(err)
	}
	if err := p.end(ctx, true); err != nil {
		g.t.Fatal(err)
	}
	g.awaitState("CompleteCommit")
	g.expect()
}

// If an acquisition is cancelled while it commits a hanging transaction, the commit is still sent.
func testStopWhileHanging(t *testing.T, cluster *kafkatest.Cluster) {
	g := newApacheShard(t, testConfig(t, cluster.Addrs()))
	g.must()
	g.hang()
	before := g.count(kmsg.AddPartitionsToTxn)
	g.inject(kmsg.AddPartitionsToTxn, answerLate)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := g.p.Acquire(ctx, 0); done <- err }()
	until(t, 30*time.Second, "the partitions were added", func() bool { return g.count(kmsg.AddPartitionsToTxn) > before })
	stop()
	if err := <-done; err == nil {
		t.Error("acquired after the stop")
	}
	g.shard = acquire(t, g.p, 0)
	g.must()
	g.check()
}

// The state topic is initialized in some partitions, and the transaction hangs in the others.
func testHangingInitialization(t *testing.T, cluster *kafkatest.Cluster) {
	c := testConfig(t, cluster.Addrs())
	producer, err := testBrokers(t, c).fence(t.Context(), c.StateTopic(), CompressionNone)
	if err != nil {
		t.Fatal(err)
	}
	value := event.AppendWatch(nil, event.WatchRecord{Schema: event.Schema, Region: c.Region, Partitions: testPartitions, Initial: c.Initial})
	var out []*outgoing
	for _, at := range partitionsOf(c.StateTopic(), testPartitions) {
		o := &outgoing{topicPartition: at, limit: defaultBatchLimit}
		o.append([]byte(event.WatchKey), value, nil)
		if _, err := o.seal(producer.identity, 0, time.Now(), CompressionNone); err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	if err := producer.add(t.Context(), out[testPartitions-1:], false); err != nil {
		t.Fatal(err)
	}
	if err := producer.produce(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	if err := producer.end(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	p := testOpen(t, c)
	for shard := range testPartitions {
		acquire(t, p, shard)
	}
}

// trap delays the next AddPartitionsToTxn once it is set.
type trap struct {
	mu            sync.Mutex
	set           bool
	holding, free chan struct{}
}

type trappedConn struct {
	net.Conn
	trap *trap
}

func (c *trappedConn) Write(b []byte) (int, error) {
	c.trap.mu.Lock()
	caught := c.trap.set && kmsg.Key(int16(b[4])<<8|int16(b[5])) == kmsg.AddPartitionsToTxn
	c.trap.set = c.trap.set && !caught
	c.trap.mu.Unlock()
	if caught {
		close(c.trap.holding)
		<-c.trap.free
	}
	return c.Conn.Write(b)
}

// The broker dies between the answer to a commit and the markers, and the next transaction begins before any connection
// was seen to break. When the broker is back it must not go on with the same epoch, because its abort would also abort the
// hanging transaction.
func testBreakAtTheBeginning(t *testing.T, cluster *kafkatest.Cluster) {
	c := testConfig(t, cluster.Addrs())
	x := &trap{holding: make(chan struct{}), free: make(chan struct{})}
	p := openOver(t, c, func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &trappedConn{conn, x}, err
	})
	g := &apacheShard{newHistory(t, c, p), newFaults(), new(witness), admin(t, c)}
	g.must()
	g.hang()
	x.mu.Lock()
	x.set = true
	x.mu.Unlock()
	g.shard.producer.sequences[g.shard.encoder.to[stateTopic][0].topicPartition] += 3 // the next transaction fails, by whatever
	next := make(chan error, 1)
	go func() {
		s := session(1, g.n+1)
		next <- g.shard.Publish(t.Context(), []diff.Changes{changesOf(started(s), ended(s))})
	}()
	<-x.holding
	if err := cluster.Kill(0); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Restart(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	close(x.free)
	if g.n++; <-next == nil { // it was renewed, and the sequence with it
		g.expect()
	}
	g.shard = acquire(t, p, 0)
	g.check()
}
