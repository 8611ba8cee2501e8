package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
)

// Requests to a broker that the proxy may look at, by Kafka's numbers.
const (
	keyProduce   = 0
	keyHeartbeat = 12
	keyFence     = 22 // InitProducerID
	keyEnd       = 26 // EndTxn
)

// Where the fields of a request are: size, key, version, correlation id, client id.
const (
	requestKeyAt      = 4
	requestVersionAt  = 6
	requestNumberAt   = 8
	requestClientIDAt = 12
)

// traffic is what clients send to the brokers of one cluster, as far as harm is done to single requests.
type traffic struct {
	mu    sync.Mutex
	lates []*late    // produce requests that are held back, or will be
	ends  []*lateEnd // EndTxns that are held back, or will be
	hush  *hush      // nil: heartbeats are passed on
}

// requests reads what a client sends to a broker and leaves out what is held back. What nobody needs to look at is
// passed on as it comes, so that a cut can hit the middle of a request.
type requests struct {
	proxy *proxy
	from  *bufio.Reader
	whole []byte // what is left of a request that was read whole
	left  int    // bytes of the present request that are still to come
}

func newRequests(p *proxy, from io.Reader) *requests {
	return &requests{proxy: p, from: bufio.NewReaderSize(from, 32<<10)}
}

func (r *requests) Read(b []byte) (int, error) {
	for r.left == 0 && len(r.whole) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	if len(r.whole) > 0 {
		n := copy(b, r.whole)
		r.whole = r.whole[n:]
		return n, nil
	}
	n, err := r.from.Read(b[:min(len(b), r.left)])
	r.left -= n
	return n, err
}

// next begins a request.
func (r *requests) next() error {
	const most = 100 << 20 // brokers take no more
	head, err := r.from.Peek(requestVersionAt)
	if err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint32(head)) + requestKeyAt
	if size < requestClientIDAt || size > most {
		return errors.New("this is no request to a broker")
	}
	if !r.proxy.traffic.looksAt(binary.BigEndian.Uint16(head[requestKeyAt:])) {
		r.left = int(size)
		return nil
	}
	frame := make([]byte, size)
	if _, err := io.ReadFull(r.from, frame); err != nil {
		return err
	}
	switch r.proxy.meet(frame) {
	case pass:
		r.whole = frame
	case cut:
		return errCut
	}
	return nil
}

// errCut ends a connection whose request is kept, so that the client soon sends it again.
var errCut = errors.New("the connection is cut")

// meeting is what the proxy does with a request that it has read.
type meeting int

const (
	pass meeting = iota
	hold         // it is not passed on, and no answer comes
	cut          // it is not passed on, and its connection is closed
)

// looksAt reports whether requests of a kind are looked at now.
func (t *traffic) looksAt(key uint16) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch key {
	case keyProduce:
		return len(t.lates) > 0 || len(t.ends) > 0
	case keyEnd:
		return len(t.ends) > 0
	case keyHeartbeat, keyFence:
		return t.hush != nil
	}
	return false
}

// meet decides whether a request is passed on. It may block.
func (p *proxy) meet(frame []byte) meeting {
	p.traffic.mu.Lock()
	hush := p.traffic.hush
	p.traffic.mu.Unlock()
	switch key := binary.BigEndian.Uint16(frame[requestKeyAt:]); {
	case key == keyProduce:
		id := transactionOf(frame)
		if id != "" && p.meetProduce(id, frame) {
			return hold
		}
		p.traffic.produced(id)
	case key == keyEnd:
		return p.meetEnd(endOf(frame), frame)
	case hush == nil: // it is over just now
	case key == keyHeartbeat:
		hush.heartbeat(memberOf(frame))
	case key == keyFence:
		hush.fence()
	}
	return pass
}

// sameRequest reports whether two requests differ by nothing but their correlation ids.
func sameRequest(a, b []byte) bool {
	return bytes.Equal(a[:requestNumberAt], b[:requestNumberAt]) && bytes.Equal(a[requestClientIDAt:], b[requestClientIDAt:])
}

// cutString cuts a nullable string off. What does not hold one is empty.
func cutString(b []byte) (text, rest []byte) {
	if len(b) < 2 {
		return nil, nil
	}
	n := max(int(int16(binary.BigEndian.Uint16(b))), 0)
	if b = b[2:]; len(b) < n {
		return nil, nil
	}
	return b[:n], b[n:]
}
