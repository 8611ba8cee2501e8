package main

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// late is a produce request that arrives too late: the proxy holds it back, and every repeat of it, until the same
// transactional id produces something else, which belongs to another transaction. Then the broker gets the late
// request first. So the transaction that it belongs to cannot be committed, however patient the publisher is,
// and the request reaches the broker at the worst moment: when the next transaction has begun.
type late struct {
	frame []byte // nil: none has come yet
	id    string // transactional id
	at    *proxy // of the broker that it was sent to
	over  chan fate
}

// fate is what became of a late request.
type fate int

const (
	undelivered fate = iota // no later transaction came in time, or the broker did not answer
	refused                 // the broker answered with an error; for a produce request, with one for every partition
	accepted                // the broker answered without an error; for a produce request, for one partition at least
)

// delay holds back the next produce request that comes, to whatever broker, for up to d, and says what became of it.
func (t *traffic) delay(d time.Duration, done <-chan struct{}) fate {
	l := &late{over: make(chan fate, 1)}
	t.mu.Lock()
	t.lates = append(t.lates, l)
	t.mu.Unlock()
	defer t.drop(l)
	return fateWithin(d, l.over, done)
}

// fateWithin waits for what becomes of a request that is held back.
func fateWithin(d time.Duration, over <-chan fate, done <-chan struct{}) fate {
	select {
	case f := <-over:
		return f
	case <-time.After(d):
	case <-done:
	}
	return undelivered
}

func (t *traffic) drop(l *late) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lates = slices.DeleteFunc(t.lates, func(other *late) bool { return other == l })
}

// meetProduce reports whether a produce request is to be held back. If a late one must go first, it is delivered.
func (p *proxy) meetProduce(id string, frame []byte) (hold bool) {
	l := p.traffic.lateOf(p, id, frame)
	if l == nil || sameRequest(l.frame, frame) {
		return l != nil
	}
	p.traffic.drop(l)
	l.over <- p.deliver(l.frame, fateOfProduce)
	return false
}

// lateOf is the late produce of the transactional id to the broker. If there is none, it is this one if one is waited
// for, and else nil.
func (t *traffic) lateOf(to *proxy, id string, frame []byte) *late {
	t.mu.Lock()
	defer t.mu.Unlock()
	var free *late
	for _, l := range t.lates {
		switch {
		case l.at == to && l.id == id:
			return l
		case l.at == nil && free == nil:
			free = l
		}
	}
	if free != nil {
		free.at, free.id, free.frame = to, id, frame
	}
	return free
}

// deliver sends a request over a connection of its own and waits for the answer, so that whatever is passed on
// next arrives later.
func (p *proxy) deliver(frame []byte, fateOf func(answer []byte, version int16) fate) fate {
	const patience = 2 * time.Second
	server, err := net.DialTimeout("tcp", p.upstream, patience)
	if err != nil {
		return undelivered
	}
	defer p.forget(server)
	if !p.remember(server) || server.SetDeadline(time.Now().Add(patience)) != nil {
		return undelivered
	}
	if _, err := server.Write(frame); err != nil {
		return undelivered
	}
	size := make([]byte, 4)
	if _, err := io.ReadFull(server, size); err != nil {
		return undelivered
	}
	answer, err := io.ReadAll(io.LimitReader(server, int64(binary.BigEndian.Uint32(size))))
	if err != nil {
		return undelivered
	}
	return fateOf(answer, int16(binary.BigEndian.Uint16(frame[requestVersionAt:])))
}

// fateOfProduce reads the answer to a produce request.
func fateOfProduce(answer []byte, version int16) fate {
	const correlation = 4
	response := kmsg.ProduceResponse{Version: version}
	if len(answer) < correlation || response.ReadFrom(answer[correlation:]) != nil {
		return undelivered
	}
	for _, t := range response.Topics {
		for _, tp := range t.Partitions {
			if tp.ErrorCode == 0 {
				return accepted
			}
		}
	}
	return refused
}

// transactionOf is the transactional id of a produce request; "": it has none, or is of a version with
// another layout than the publisher's.
func transactionOf(frame []byte) string {
	const oldest, newest = 3, 8
	if len(frame) < requestClientIDAt {
		return ""
	}
	version := binary.BigEndian.Uint16(frame[requestVersionAt:])
	if version < oldest || version > newest {
		return ""
	}
	_, rest := cutString(frame[requestClientIDAt:])
	id, _ := cutString(rest)
	return string(id)
}
