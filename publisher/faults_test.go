package publisher

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fault is what happens to one request on its way.
type fault int

const (
	passed     fault = iota
	cut              // the connection breaks before the request
	answerCut        // the broker does what was asked, and the connection breaks before its answer
	answerLate       // the same, and nothing ever comes
	swallowed        // the request never arrives, and nothing ever comes
	twice            // the broker gets the request twice
	held             // the request arrives when release is called
)

func (f fault) String() string {
	return [...]string{"passed", "cut", "answer cut", "answer late", "swallowed", "twice", "held"}[f]
}

// faults loses, delays and repeats requests and answers between a publisher and the brokers.
type faults struct {
	mu     sync.Mutex
	queued map[kmsg.Key][]fault // of the next requests of a kind
	codes  map[kmsg.Key][]int16 // error codes that the next requests of a kind are answered with, unseen by a broker
	held   []func()
	seen   map[kmsg.Key]int
	late   int    // answers that a broker gave and that never came, see answerLate
	strike func() // called when a broker has answered the next EndTxn; the answer is lost
}

func newFaults() *faults {
	return &faults{queued: make(map[kmsg.Key][]fault), codes: make(map[kmsg.Key][]int16), seen: make(map[kmsg.Key]int)}
}

func (f *faults) inject(key kmsg.Key, next ...fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queued[key] = append(f.queued[key], next...)
}

// cancel drops the injected faults that have not happened.
func (f *faults) cancel() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.queued)
}

func (f *faults) answer(key kmsg.Key, codes ...int16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.codes[key] = append(f.codes[key], codes...)
}

// left returns how many of the injected faults and codes have not happened.
func (f *faults) left() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, q := range f.queued {
		n += len(q)
	}
	for _, q := range f.codes {
		n += len(q)
	}
	return n
}

func (f *faults) count(key kmsg.Key) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[key]
}

// lateAnswers is how many answers a broker gave that never came.
func (f *faults) lateAnswers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.late
}

// release lets the held requests arrive, each on a connection of its own, and waits for the answers.
func (f *faults) release() {
	f.mu.Lock()
	held := f.held
	f.held = nil
	f.mu.Unlock()
	for _, arrive := range held {
		arrive()
	}
}

func (f *faults) next(key kmsg.Key) (fault, int16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen[key]++
	if q := f.codes[key]; len(q) > 0 {
		f.codes[key] = q[1:]
		return passed, q[0]
	}
	if q := f.queued[key]; len(q) > 0 {
		f.queued[key] = q[1:]
		return q[0], 0
	}
	return passed, 0
}

func (f *faults) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: conn, faults: f}, nil
}

// faultyConn is a connection with faults. Each Write is a whole request, and one request is in flight at a time.
type faultyConn struct {
	net.Conn
	faults *faults
	fault  fault // of the request under way
	key    kmsg.Key
	made   []byte // an answer that was made here
}

func (c *faultyConn) Write(b []byte) (int, error) {
	key := kmsg.Key(int16(binary.BigEndian.Uint16(b[4:])))
	f, code := c.faults.next(key)
	c.fault = f
	c.key = key
	if code != 0 {
		c.made = failure(b, code)
		return len(b), nil
	}
	switch f {
	case cut:
		c.Conn.Close()
		return 0, net.ErrClosed
	case swallowed:
		return len(b), nil
	case twice:
		if _, err := c.Conn.Write(b); err != nil {
			return 0, err
		}
	case held:
		request, address := append([]byte(nil), b...), c.RemoteAddr().String()
		c.faults.mu.Lock()
		c.faults.held = append(c.faults.held, func() { arrive(address, request) })
		c.faults.mu.Unlock()
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// struck calls strike, if it is set, after the answer has arrived. It reports whether it was.
func (f *faults) struck(conn net.Conn) bool {
	f.mu.Lock()
	strike := f.strike
	f.strike = nil
	f.mu.Unlock()
	if strike == nil {
		return false
	}
	if readAnswer(conn) {
		strike()
	} else { // the broker did not answer in time, and is asked again
		f.mu.Lock()
		f.strike = strike
		f.mu.Unlock()
	}
	conn.Close()
	return true
}

func arrive(address string, request []byte) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := conn.Write(request); err == nil {
		readAnswer(conn)
	}
}

func (c *faultyConn) Read(b []byte) (int, error) {
	if len(c.made) > 0 {
		n := copy(b, c.made)
		c.made = c.made[n:]
		return n, nil
	}
	if c.key == kmsg.EndTxn && c.faults.struck(c.Conn) {
		return 0, io.EOF
	}
	switch c.fault {
	case answerCut:
		readAnswer(c.Conn)
		c.Conn.Close()
		return 0, io.EOF
	case answerLate:
		c.fault = passed
		if readAnswer(c.Conn) {
			c.faults.mu.Lock()
			c.faults.late++
			c.faults.mu.Unlock()
		}
	}
	return c.Conn.Read(b) // ends at the deadline where nothing comes
}

// readAnswer reads one answer and drops it. It reports whether one came.
func readAnswer(conn net.Conn) bool {
	var size [4]byte
	_, err := io.ReadFull(conn, size[:])
	if err == nil {
		_, err = io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(size[:])))
	}
	return err == nil
}

// requestIn decodes a request of the publisher.
func requestIn(b []byte) kmsg.Request {
	asked := kmsg.RequestForKey(int16(binary.BigEndian.Uint16(b[4:])))
	asked.SetVersion(int16(binary.BigEndian.Uint16(b[6:])))
	body := b[12:]
	body = body[2+binary.BigEndian.Uint16(body):] // the client's id
	if asked.IsFlexible() {
		body = body[1:]
	}
	if err := asked.ReadFrom(body); err != nil {
		panic(err)
	}
	return asked
}

// failure makes an answer to the request that has the code for everything that was asked for.
func failure(request []byte, code int16) []byte {
	asked := requestIn(request)
	answer := asked.ResponseKind()
	fail(asked, answer, code)
	out := append(make([]byte, 4), request[8:12]...)
	if answer.IsFlexible() {
		out = append(out, 0)
	}
	out = answer.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

func fail(asked kmsg.Request, answer kmsg.Response, code int16) {
	switch a := answer.(type) {
	case *kmsg.InitProducerIDResponse:
		a.ErrorCode = code
	case *kmsg.FindCoordinatorResponse:
		a.ErrorCode = code
	case *kmsg.EndTxnResponse:
		a.ErrorCode = code
	case *kmsg.AddPartitionsToTxnResponse:
		for _, t := range asked.(*kmsg.AddPartitionsToTxnRequest).Topics {
			failed := kmsg.AddPartitionsToTxnResponseTopic{Topic: t.Topic}
			for i, p := range t.Partitions {
				c := code
				if i > 0 || len(a.Topics) > 0 {
					c = int16(codeNotAttempted) // as the broker says where one partition fails
				}
				failed.Partitions = append(failed.Partitions, kmsg.AddPartitionsToTxnResponseTopicPartition{Partition: p, ErrorCode: c})
			}
			a.Topics = append([]kmsg.AddPartitionsToTxnResponseTopic{failed}, a.Topics...)
		}
	case *kmsg.ProduceResponse:
		for _, t := range asked.(*kmsg.ProduceRequest).Topics {
			failed := kmsg.ProduceResponseTopic{Topic: t.Topic}
			for _, p := range t.Partitions {
				failed.Partitions = append(failed.Partitions, kmsg.ProduceResponseTopicPartition{Partition: p.Partition, ErrorCode: code})
			}
			a.Topics = append(a.Topics, failed)
		}
	}
}

// openFaulty opens a publisher behind faults. An attempt is short, because so long a lost answer is waited for. The other timeouts
// leave room for many attempts on a machine that is busy.
func openFaulty(t testing.TB, c Config) (*Publisher, *faults) {
	t.Helper()
	f := newFaults()
	p := openOver(t, c, f.dial)
	b := p.brokers
	b.timeouts.attempt = 300 * time.Millisecond
	b.timeouts.total = 50 * time.Second
	b.timeouts.fence = time.Minute
	b.timeouts.grace = time.Second
	b.timeouts.missing = 500 * time.Millisecond
	return p, f
}

// openOver opens a publisher that connects with dial, and initializes the state topic.
func openOver(t testing.TB, c Config, dial dialFunc) *Publisher {
	t.Helper()
	return initialized(t, openUninitialized(t, c, dial))
}

// openUninitialized is justOpen for a publisher that connects with dial.
func openUninitialized(t testing.TB, c Config, dial dialFunc) *Publisher {
	t.Helper()
	transport, err := c.Cluster.Transport()
	if err != nil {
		t.Fatal(err)
	}
	transport.Dial = dial
	p, err := open(t.Context(), c, testTopics(), newBrokers(transport, c.Cluster.Brokers, c.Topics(), newMetrics()), testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}
