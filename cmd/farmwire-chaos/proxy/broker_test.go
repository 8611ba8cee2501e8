package proxy

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// answering is a broker that notes what it gets, in its order, and answers produce requests with a code.
type answering struct {
	mu     sync.Mutex
	got    [][]byte
	code   int16
	silent bool // it does not answer
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
		answer, silent := answerTo(body, a.code), a.silent
		if binary.BigEndian.Uint16(body) == keyEndTxn {
			answer = answerToEndTxn(body, a.code)
		}
		a.mu.Unlock()
		if silent {
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

func (a *answering) set(code int16, silent bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.code, a.silent = code, silent
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
func exchange(t *testing.T, p *Proxy, frame []byte, wait time.Duration) bool {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
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

// unanswered sends a request through the proxy that must get no answer, and returns when the proxy has read it, so that whatever is
// sent next comes later. It returns false if there was an answer.
func unanswered(t *testing.T, p *Proxy, frame []byte) bool {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(frame); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(short)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 8)); err == nil {
		return false
	}
	_ = c.(*net.TCPConn).CloseWrite() // it fails if the connection was cut
	if err := c.SetReadDeadline(time.Now().Add(ample)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) { // else the proxy has read to the end
		t.Fatalf("the proxy does not read %q", frame)
	}
	return true
}

const (
	ample = 20 * time.Second
	short = 50 * time.Millisecond
)

func openIntercepted(t *testing.T) (*answering, *Proxy, *Interceptor) {
	t.Helper()
	broker := &answering{}
	i := &Interceptor{}
	p, err := i.Open(broker.listen(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return broker, p, i
}

// answerToEndTxn answers an EndTxn.
func answerToEndTxn(body []byte, code int16) []byte {
	answer := kmsg.EndTxnResponse{Version: int16(binary.BigEndian.Uint16(body[2:])), ErrorCode: code}
	b := append(make([]byte, 4), body[4:8]...)
	if answer.IsFlexible() {
		b = append(b, 0)
	}
	b = answer.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// endTxnFrame is an EndTxn of a transactional id.
func endTxnFrame(id string, version int16, number int32) []byte {
	r := kmsg.NewPtrEndTxnRequest()
	r.Version, r.TransactionalID, r.ProducerID, r.ProducerEpoch, r.Commit = version, id, 7, 3, true
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, r, number)
}

func groupFrame(r kmsg.Request) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, r, 1)
}

func heartbeatFrame(member string, version int16) []byte {
	return groupFrame(&kmsg.HeartbeatRequest{Version: version, Group: "g", MemberID: member})
}

// passAll sends requests one after the other, each of which must be answered.
func passAll(t *testing.T, p *Proxy, frames ...[]byte) {
	t.Helper()
	for _, frame := range frames {
		if !exchange(t, p, frame, ample) {
			t.Fatalf("no answer to %q", frame)
		}
	}
}
