package publisher

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// witness notes what a publisher says to the coordinator: "fence" (InitProducerID −1/−1), "bump" (InitProducerID with an
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
	key := int16(binary.BigEndian.Uint16(request[4:]))
	if k := kmsg.Key(key); k != kmsg.InitProducerID && k != kmsg.EndTxn {
		return
	}
	asked := kmsg.RequestForKey(key)
	asked.SetVersion(int16(binary.BigEndian.Uint16(request[6:])))
	body := request[12:]
	body = body[2+binary.BigEndian.Uint16(body):] // the client's id
	if asked.IsFlexible() {
		body = body[1:]
	}
	if err := asked.ReadFrom(body); err != nil {
		panic(err)
	}
	said := "abort"
	switch r := asked.(type) {
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
	transport, err := c.transport()
	if err != nil {
		t.Fatal(err)
	}
	f, w := newFaults(), new(witness)
	transport.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := f.dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &witnessedConn{conn, w}, nil
	}
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := open(t.Context(), c, testTopics(), newBrokers(transport, c.Brokers, c.topics(), m), testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	// Longer than in openFaulty: what must be awaited here is a broker's own work, on a machine that may be busy.
	p.brokers.patience = patience{transaction: time.Minute, total: 20 * time.Second, fence: 20 * time.Second,
		attempt: 500 * time.Millisecond, grace: 5 * time.Second, missing: 500 * time.Millisecond}
	return p, f, w
}
