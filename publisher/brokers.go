package publisher

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/cluster"
)

// brokers sends requests to the brokers of one cluster over shared connections. It is safe for concurrent use.
//
// The transport of kafka-go asks for the coordinator before every transactional call. The requests here name their broker
// themselves, and use the transport for connections, TLS, SASL and metadata.
type brokers struct {
	transport  *kafka.Transport
	seeds      *seeds
	conns      *connections
	timeouts   timeouts
	topics     []string // whose leaders are asked for
	metrics    *metrics
	requests   atomic.Uint32 // numbers the exchanges
	reading    chan struct{} // holds a value for each answer with records that is read, see takePlace
	leaderless leaderless    // the partitions that have no leader
}

// timeouts are how long each part of the work may take.
type timeouts struct {
	transaction time.Duration // after which the broker aborts the transaction by itself
	total       time.Duration // of a commit, from its first request to its last answer; less than transaction
	fence       time.Duration // of a fence, which waits for the previous owner's transaction to end
	attempt     time.Duration // of one request and its answer, including the time to connect
	grace       time.Duration // to end a transaction after its context has ended
	missing     time.Duration // how long to wait for a topic that brokers do not know
	leaderless  time.Duration // how long to wait for the leader of a partition
	stall       time.Duration // how long reading a partition may go on without progress
	place       time.Duration // how long a reader without progress keeps others waiting
}

// defaultTimeouts returns timeouts that are long enough for the death of a broker, after which its partitions and
// coordinators are not available for about twelve seconds.
func defaultTimeouts() timeouts {
	return timeouts{
		transaction: 60 * time.Second,
		total:       50 * time.Second,
		fence:       60 * time.Second,
		attempt:     6 * time.Second,
		grace:       time.Second, // a stop takes DrainTime and this, and must be short
		missing:     5 * time.Second,
		leaderless:  12 * time.Second,
		stall:       20 * time.Second,
		place:       2 * time.Second,
	}
}

// newBrokers makes brokers that own the transport. addrs are the bootstrap brokers. topics are those whose leaders will be asked for.
func newBrokers(transport *kafka.Transport, addrs, topics []string, m *metrics) *brokers {
	known := newSeeds(addrs)
	b := &brokers{
		transport: transport,
		seeds:     known,
		conns:     newConnections(transport.Dial, known),
		timeouts:  defaultTimeouts(),
		topics:    topics,
		metrics:   m,
		reading:   make(chan struct{}, readsAtOnce),
	}
	transport.Dial = b.conns.dial
	// The time to live is the deadline of a refresh too. A leader that moves must be found sooner than the default of six
	// seconds. Without topics each refresh would ask for the whole cluster.
	transport.MetadataTTL = time.Second
	transport.MetadataTopics = topics
	return b
}

// close closes all connections, also those of requests that have been given up.
func (b *brokers) close() {
	b.transport.CloseIdleConnections()
	b.conns.close()
}

// roundTrip sends a request by the transport, and learns the brokers that an answer with metadata names. ctx must have a
// deadline.
func (b *brokers) roundTrip(ctx context.Context, request kafka.Request) (kafka.Response, error) {
	addr := b.seeds.current()
	answer, err := b.transport.RoundTrip(ctx, addr, request)
	if m, ok := answer.(*metadata.Response); ok && err == nil {
		b.seeds.learn(m.Brokers)
	}
	if b.seeds.current() != addr {
		b.transport.CloseIdleConnections() // or it would go on to ask the old seeds for metadata
	}
	return answer, err
}

// findCoordinator asks any broker for the coordinator of a transactional id.
func (b *brokers) findCoordinator(ctx context.Context, transactionalID string) (node int32, err error) {
	const transactions = 1
	m, err := b.roundTrip(ctx, &findcoordinator.Request{Key: transactionalID, KeyType: transactions})
	if err != nil {
		return -1, err
	}
	answer, ok := m.(*findcoordinator.Response)
	if !ok {
		return -1, fmt.Errorf("answer of type %T", m)
	}
	if answer.ErrorCode != 0 {
		return -1, kafka.Error(answer.ErrorCode)
	}
	return answer.NodeID, nil
}

// metadata returns the transport's copy of the cluster's metadata, which is at most a second or two old.
func (b *brokers) metadata(ctx context.Context, topics ...string) (*metadata.Response, error) {
	m, err := b.roundTrip(ctx, &metadata.Request{TopicNames: topics})
	if err != nil {
		return nil, err
	}
	answer, ok := m.(*metadata.Response)
	if !ok {
		return nil, fmt.Errorf("answer of type %T", m)
	}
	return answer, nil
}

// exchange is one request to one broker, and its answer. It encodes and decodes both itself, so that the transport neither
// sends requests of its own before it nor copies the bytes. The request is sent in the version that is set in it.
//
// An exchange must not be used a second time, because the connection may still read a late answer into it.
type exchange struct {
	node   int32
	number int32  // correlation id, which the answer must repeat
	buffer []byte // the request's bytes are appended to buffer[:0]
	ask    kmsg.Request
	answer kmsg.Response
}

// send sends a request to a broker. It returns the buffer with the request's bytes, so that the next request can use it.
// After an error it returns no buffer, because a connection may still be writing from it.
func (b *brokers) send(ctx context.Context, node int32, request kmsg.Request, buffer []byte) (kmsg.Response, []byte, error) {
	const apart = 1 << 30 // sets the numbers apart from those that the transport gives its own requests
	number := int32(b.requests.Add(1)%apart) | apart
	x := &exchange{node: node, number: number, ask: request, buffer: buffer}
	if _, err := b.roundTrip(ctx, x); err != nil {
		return nil, nil, err
	}
	return x.answer, x.buffer, nil
}

// sendToAny sends a request that any broker can answer.
func (b *brokers) sendToAny(ctx context.Context, request kmsg.Request) (kmsg.Response, error) {
	found, err := b.metadata(ctx, b.topics...)
	if err != nil {
		return nil, err
	}
	if len(found.Brokers) == 0 {
		return nil, kafka.BrokerNotAvailable
	}
	answer, _, err := b.send(ctx, found.Brokers[rand.IntN(len(found.Brokers))].NodeID, request, nil)
	return answer, err
}

// ApiKey implements the transport's interface.
func (x *exchange) ApiKey() protocol.ApiKey { return protocol.ApiKey(x.ask.Key()) }

// Broker routes the exchange to the broker that it names.
func (x *exchange) Broker(members protocol.Cluster) (protocol.Broker, error) {
	broker, ok := members.Brokers[x.node]
	if !ok {
		return broker, kafka.BrokerNotAvailable
	}
	return broker, nil
}

// Required says that RawExchange is to be called on connections to brokers of every version.
func (x *exchange) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange writes the request and reads its answer. The connection carries one request at a time.
func (x *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID(cluster.ClientID))
	x.buffer = format.AppendRequest(x.buffer[:0], x.ask, x.number)
	if _, err := rw.Write(x.buffer); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, err
	}
	const headerSize, sizeLimit = 4, 64 << 20
	size := binary.BigEndian.Uint32(head[:])
	if size < headerSize || size > sizeLimit {
		return nil, fmt.Errorf("answer of %d bytes", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(rw, body); err != nil {
		return nil, err
	}
	if got := int32(binary.BigEndian.Uint32(body)); got != x.number {
		return nil, fmt.Errorf("answer to request %d", got)
	}
	body = body[headerSize:]
	answer := x.ask.ResponseKind()
	if answer.IsFlexible() {
		if len(body) == 0 || body[0] != 0 {
			return nil, errors.New("answer has a header with tags")
		}
		body = body[1:]
	}
	if err := answer.ReadFrom(body); err != nil {
		return nil, err
	}
	x.answer = answer
	return x, nil
}
