package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

// answering is a broker that notes what it gets, in its order, and answers produce requests with a code.
type answering struct {
	mu   sync.Mutex
	got  [][]byte
	code int16
	hush bool // it does not answer
}

// listen serves until the test ends.
func (a *answering) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { defer c.Close(); a.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

func (a *answering) serve(c net.Conn) {
	for {
		size := make([]byte, 4)
		if _, err := io.ReadFull(c, size); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(size))
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		a.mu.Lock()
		a.got = append(a.got, append(size, body...))
		answer, hush := answerTo(body, a.code), a.hush
		if binary.BigEndian.Uint16(body) == keyEnd {
			answer = answerToEnd(body, a.code)
		}
		a.mu.Unlock()
		if hush {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// answerTo answers every request as if it were a produce request.
func answerTo(body []byte, code int16) []byte {
	answer := kmsg.ProduceResponse{Version: 8, Topics: []kmsg.ProduceResponseTopic{
		{Topic: "events", Partitions: []kmsg.ProduceResponseTopicPartition{{ErrorCode: code}}}}}
	b := answer.AppendTo(append(make([]byte, 4), body[4:8]...))
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func (a *answering) set(code int16, hush bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.code, a.hush = code, hush
}

func (a *answering) received() [][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.got)
}

// produceFrame is a produce request of a transactional id; the records stand for what it produces.
func produceFrame(id, records string, number int32) []byte {
	r := kmsg.NewPtrProduceRequest()
	r.Version = 8
	if id != "" {
		r.TransactionID = &id
	}
	r.Topics = []kmsg.ProduceRequestTopic{{Topic: "events", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: []byte(records)}}}}
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, r, number)
}

// exchange sends a request through the proxy and waits for the answer. false: none came.
func exchange(t *testing.T, p *proxy, frame []byte, wait time.Duration) bool {
	t.Helper()
	c, err := net.Dial("tcp", p.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(frame); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadFull(c, make([]byte, 8))
	return err == nil
}

const (
	ample = 5 * time.Second
	short = 50 * time.Millisecond
)

func openDelaying(t *testing.T) (*answering, *proxy) {
	t.Helper()
	broker := &answering{}
	p, err := openBrokerProxy(broker.listen(t), &traffic{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return broker, p
}

// startDelay returns when the proxy holds the next produce back.
func startDelay(t *testing.T, p *proxy, d time.Duration, done <-chan struct{}) <-chan fate {
	t.Helper()
	before := p.traffic.waiting()
	fates := make(chan fate, 1)
	go func() { fates <- p.traffic.delay(d, done) }()
	for p.traffic.waiting() == before {
		time.Sleep(time.Millisecond)
	}
	return fates
}

func (t *traffic) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.lates)
}

// A held request and its repeats reach nobody until the same transactional id produces something else; then the broker
// gets it first, once, as it was. Others pass.
func TestLateProduceGoesBeforeTheNext(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, c := range []struct {
		code int16
		want fate
	}{{0, accepted}, {47, refused}} {
		broker, p := openDelaying(t)
		broker.set(c.code, false)
		fates := startDelay(t, p, time.Minute, nil)
		plain := produceFrame("", "one", 5)
		if !exchange(t, p, plain, ample) {
			t.Error("what is in no transaction does not pass")
		}
		first, repeat, next := produceFrame("a", "one", 1), produceFrame("a", "one", 2), produceFrame("a", "two", 3)
		if exchange(t, p, first, short) || exchange(t, p, repeat, short) {
			t.Error("a request that is held back was answered")
		}
		other := produceFrame("b", "one", 4)
		metadata := kmsg.NewRequestFormatter().AppendRequest(nil, kmsg.NewPtrMetadataRequest(), 6)
		for _, frame := range [][]byte{other, metadata, next, repeat} {
			if !exchange(t, p, frame, ample) {
				t.Fatalf("no answer to %q", frame)
			}
		}
		if got := <-fates; got != c.want {
			t.Errorf("answered by %d: fate %d, not %d", c.code, got, c.want)
		}
		if d := cmp.Diff([][]byte{plain, other, metadata, first, next, repeat}, broker.received()); d != "" {
			t.Error(d)
		}
	}
}

// Two may be late at once, each of a transactional id of its own.
func TestTwoLateProduces(t *testing.T) {
	broker, p := openDelaying(t)
	one := startDelay(t, p, time.Minute, nil)
	two := startDelay(t, p, time.Minute, nil)
	a, b := produceFrame("a", "one", 1), produceFrame("b", "one", 2)
	if exchange(t, p, a, short) || exchange(t, p, b, short) || exchange(t, p, a, short) {
		t.Error("a request that is held back was answered")
	}
	nextB, nextA := produceFrame("b", "two", 3), produceFrame("a", "two", 4)
	if !exchange(t, p, nextB, ample) || !exchange(t, p, nextA, ample) {
		t.Fatal("no answer")
	}
	if <-one != accepted || <-two != accepted {
		t.Error("both were to be delivered")
	}
	if d := cmp.Diff([][]byte{b, nextB, a, nextA}, broker.received()); d != "" {
		t.Error(d)
	}
}

// What a transaction sends to another broker passes.
func TestLateProduceOfTwoBrokers(t *testing.T) {
	one, first := openDelaying(t)
	two := &answering{}
	second, err := openBrokerProxy(two.listen(t), first.traffic)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	fates := startDelay(t, first, time.Minute, nil)
	here, there, next := produceFrame("a", "here", 1), produceFrame("a", "there", 2), produceFrame("a", "next", 3)
	if exchange(t, first, here, short) || !exchange(t, second, there, ample) || !exchange(t, first, next, ample) {
		t.Error("one was to be held back, and two were to pass")
	}
	if <-fates != accepted {
		t.Error("it was to be delivered")
	}
	if d := cmp.Diff([][][]byte{{here, next}, {there}}, [][][]byte{one.received(), two.received()}); d != "" {
		t.Error(d)
	}
}

// What nothing overtakes in time is lost, and everything passes again.
func TestLateProduceThatIsNotOvertaken(t *testing.T) {
	broker, p := openDelaying(t)
	done := make(chan struct{})
	fates := startDelay(t, p, time.Minute, done)
	held := produceFrame("a", "one", 1)
	if exchange(t, p, held, short) {
		t.Error("a request that is held back was answered")
	}
	close(done)
	if got := <-fates; got != undelivered {
		t.Errorf("fate %d", got)
	}
	if p.traffic.delay(time.Millisecond, nil) != undelivered {
		t.Error("the time is over")
	}
	if !exchange(t, p, held, ample) || len(broker.received()) != 1 {
		t.Error("the repeat does not pass")
	}
	fates = startDelay(t, p, time.Minute, nil)
	exchange(t, p, held, short)
	broker.set(0, true)
	exchange(t, p, produceFrame("a", "two", 2), short)
	if got := <-fates; got != undelivered {
		t.Errorf("not answered: fate %d", got)
	}
}

// Requests pass as they came, however they are cut into packets.
func TestRequestsPassWhole(t *testing.T) {
	big := produceFrame("a", string(bytes.Repeat([]byte("x"), 100<<10)), 1)
	two := slices.Concat(big, produceFrame("a", "two", 2))
	broken := slices.Concat(two, big[:50<<10])
	held := []*late{{at: &proxy{}, id: "b", frame: produceFrame("b", "held", 1)}}
	for _, c := range []struct {
		what        string
		lates       []*late
		sent, wants []byte
	}{
		{"as it comes", nil, two, two},
		{"as it comes, broken off", nil, broken, broken},
		{"looked at", held, two, two},
		{"looked at, broken off", held, broken, two},
		{"less than a head", nil, two[:5], nil},
	} {
		got, _ := io.ReadAll(newRequests(delaying(c.lates...), &drops{c.sent}))
		if !bytes.Equal(got, c.wants) {
			t.Errorf("%s: %d bytes, want %d", c.what, len(got), len(c.wants))
		}
	}
	if _, err := io.ReadAll(newRequests(delaying(), &drops{[]byte("GET / HTTP/1.1\r\n\r\n")})); err == nil {
		t.Error("no error for what is no request")
	}
}

func delaying(lates ...*late) *proxy { return &proxy{traffic: &traffic{lates: lates}} }

// drops gives a few bytes at a time.
type drops struct{ left []byte }

func (d *drops) Read(b []byte) (int, error) {
	if len(d.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), 777)], d.left)
	d.left = d.left[n:]
	return n, nil
}

func TestTransactionOf(t *testing.T) {
	frame := produceFrame("some id", "x", 1)
	if got := transactionOf(frame); got != "some id" {
		t.Errorf("%q", got)
	}
	for n := range 30 {
		_ = transactionOf(frame[:n]) // must not panic
	}
	frame[requestVersionAt+1] = 9
	if got := transactionOf(frame); got != "" {
		t.Errorf("of another layout: %q", got)
	}
}
