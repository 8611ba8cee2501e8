package publisher

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/diff"
)

// apacheShard is a shard on Apache Kafka, with a witness of its requests and faults that lose them.
type apacheShard struct {
	*history
	*faults
	*witness
	admin *kadm.Client
}

func newApacheShard(t *testing.T, c Config) *apacheShard {
	p, f, w := openWitnessed(t, c)
	return &apacheShard{newHistory(t, c, p), f, w, admin(t, c)}
}

func sharedApacheShard(t *testing.T) *apacheShard {
	return newApacheShard(t, testConfig(t, apache.Cluster(t).Addrs()))
}

// prepare encodes the next session's start and end, as Publish does.
func (g *apacheShard) prepare() []*outgoing {
	g.n++
	s := session(1, g.n)
	e := g.shard.encoder
	e.reset(time.Now())
	e.addSession([]diff.Change{started(s), ended(s)}, nil)
	return e.outgoing()
}

// ends returns the uncommitted ends of all partitions, and whether an open transaction holds one of them.
func (g *apacheShard) ends() (all map[topicPartition]int64, open bool) {
	g.t.Helper()
	ctx := deadline(g.t, 30*time.Second)
	high := listed(ctx, g.t, g.admin.ListEndOffsets, g.c.Topics()...)
	low := listed(ctx, g.t, g.admin.ListCommittedOffsets, g.c.Topics()...)
	all = make(map[topicPartition]int64)
	high.Each(func(o kadm.ListedOffset) {
		all[topicPartition{o.Topic, o.Partition}] = o.Offset
		if stable, ok := low.Lookup(o.Topic, o.Partition); !ok || stable.Offset != o.Offset {
			open = true
		}
	})
	return all, open
}

// settled waits until no transaction is open, for less time than after which a broker ends one by itself.
func (g *apacheShard) settled() {
	g.t.Helper()
	until(g.t, 30*time.Second, "every transaction has ended", func() bool { _, open := g.ends(); return !open })
}

// until waits until reached returns true.
func until(t testing.TB, d time.Duration, what string, reached func() bool) {
	t.Helper()
	for ctx := deadline(t, d); !reached(); {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", d, what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// retries is how many requests were sent again because of an error, by its name.
func (g *apacheShard) retries(name string) int {
	return counted(g.t, g.p.metrics.retries.WithLabelValues(name))
}

// counted is a counter's value.
func counted(t testing.TB, c prometheus.Counter) int {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return int(m.GetCounter().GetValue())
}

// witness notes the requests of a publisher to the coordinator: "fence" (InitProducerID −1/−1), "bump" (InitProducerID with an
// identity, see law 5), "commit" and "abort".
type witness struct {
	mu   sync.Mutex
	said []string
}

// takeSaid returns what was said since the last call.
func (w *witness) takeSaid() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	said := w.said
	w.said = nil
	return said
}

func (w *witness) note(request []byte) {
	if k := kmsg.Key(int16(binary.BigEndian.Uint16(request[4:]))); k != kmsg.InitProducerID && k != kmsg.EndTxn {
		return
	}
	said := "abort"
	switch r := requestIn(request).(type) {
	case *kmsg.EndTxnRequest:
		if r.Commit {
			said = "commit"
		}
	case *kmsg.InitProducerIDRequest:
		said = "bump"
		if r.ProducerID == -1 && r.ProducerEpoch == -1 {
			said = "fence"
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, said)
}

type witnessedConn struct {
	net.Conn
	witness *witness
}

func (c *witnessedConn) Write(b []byte) (int, error) {
	c.witness.note(b)
	return c.Conn.Write(b)
}

// openWitnessed is openFaulty with a witness before the faults.
func openWitnessed(t testing.TB, c Config) (*Publisher, *faults, *witness) {
	t.Helper()
	f, w := newFaults(), new(witness)
	p := openOver(t, c, func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := f.dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &witnessedConn{conn, w}, nil
	})
	// The timeouts are longer than in openFaulty, because these tests wait for the work of a real broker.
	p.brokers.timeouts = timeouts{transaction: time.Minute, total: 50 * time.Second, fence: time.Minute,
		attempt: time.Second, grace: 5 * time.Second, missing: 500 * time.Millisecond,
		leaderless: 12 * time.Second, stall: 20 * time.Second, place: time.Second}
	return p, f, w
}
