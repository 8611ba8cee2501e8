package main

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// lateEnd is an EndTxn request whose first copy arrives too late. The proxy keeps the first copy and cuts the connection
// after a while, so that the publisher repeats the request. The repetition goes through. The proxy delivers the kept copy
// in the middle of a later transaction of the same transactional id, between its first and its second produce request.
// There it ends one half of the transaction if the publisher still uses the same epoch. Not every transaction has a second
// produce request. After a few transactions without one, the proxy delivers the copy before the EndTxn of the last of them.
type lateEnd struct {
	wait time.Duration // before the connection is cut; what is observed meanwhile is in the next transaction

	// Below is under the mutex of traffic.
	frame []byte // nil: none has come yet
	id    string // transactional id
	at    *proxy // of the broker that it was sent to
	begun bool   // the transaction that is open now has produced something
	left  int    // transactions that it may still be held back for
	over  chan fate
}

// overtaking is how many transactions a kept EndTxn waits for one that has two produce requests.
const overtaking = 4

func newLateEnd(wait time.Duration) *lateEnd {
	return &lateEnd{wait: wait, left: overtaking, over: make(chan fate, 1)}
}

// delayEnd keeps the next EndTxn that comes, to whatever broker, for up to d, and says what became of it.
func (t *traffic) delayEnd(l *lateEnd, d time.Duration, done <-chan struct{}) fate {
	t.mu.Lock()
	t.ends = append(t.ends, l)
	t.mu.Unlock()
	defer t.dropEnd(l)
	return fateWithin(d, l.over, done)
}

func (t *traffic) dropEnd(l *lateEnd) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ends = slices.DeleteFunc(t.ends, func(other *lateEnd) bool { return other == l })
}

// meetEnd decides whether an EndTxn request is passed on. It delivers a kept one first if that is due.
func (p *proxy) meetEnd(id string, frame []byte) meeting {
	if id == "" {
		return pass
	}
	kept, due := p.traffic.noteEnd(p, id, frame)
	switch {
	case kept != nil:
		time.Sleep(kept.wait)
		return cut
	case due != nil:
		due.over <- due.at.deliver(due.frame, fateOfEnd)
	}
	return pass
}

// noteEnd takes note of an EndTxn: it is the one that is kept, or one that a late one is due before, or neither.
func (t *traffic) noteEnd(to *proxy, id string, frame []byte) (kept, due *lateEnd) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var free *lateEnd
	for i, l := range t.ends {
		switch {
		case l.id == id && !l.begun: // a repetition, or a transaction without records
			return nil, nil
		case l.id == id:
			l.begun = false
			if l.left--; l.left > 0 {
				return nil, nil
			}
			t.ends = slices.Delete(t.ends, i, i+1)
			return nil, l
		case l.frame == nil && free == nil:
			free = l
		}
	}
	if free != nil {
		free.at, free.id, free.frame = to, id, frame
	}
	return free, nil
}

// produced takes note of a produce request that is about to be passed on. It is the second of its transaction if one has
// gone before; then a late EndTxn goes first.
func (t *traffic) produced(id string) {
	const written = 100 * time.Millisecond // the first one, which may have gone to another broker just now
	if l := t.second(id); l != nil {
		time.Sleep(written)
		l.over <- l.at.deliver(l.frame, fateOfEnd)
	}
}

// second is the late EndTxn that is due before a produce request of the transactional id.
func (t *traffic) second(id string) *lateEnd {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, l := range t.ends {
		switch {
		case l.frame == nil || l.id != id:
		case l.begun:
			t.ends = slices.Delete(t.ends, i, i+1)
			return l
		default:
			l.begun = true
			return nil
		}
	}
	return nil
}

// fateOfEnd reads the answer to an EndTxn.
func fateOfEnd(answer []byte, version int16) fate {
	const invalidEpoch, invalidState, invalidMapping, fenced = 47, 48, 49, 90
	response := kmsg.EndTxnResponse{Version: version}
	head := 4 // correlation id
	if response.IsFlexible() {
		head++ // no tags
	}
	if len(answer) < head || response.ReadFrom(answer[head:]) != nil {
		return undelivered
	}
	switch response.ErrorCode {
	case 0:
		return accepted
	case invalidEpoch, invalidState, invalidMapping, fenced:
		return refused
	}
	return undelivered
}

// endOf is the transactional id of an EndTxn; "": it cannot be read.
func endOf(frame []byte) string {
	request := kmsg.EndTxnRequest{Version: int16(binary.BigEndian.Uint16(frame[requestVersionAt:]))}
	if !readRequest(frame, &request) {
		return ""
	}
	return request.TransactionalID
}

// readRequest reads the body of a request; false: it has another layout.
func readRequest(frame []byte, request kmsg.Request) bool {
	if len(frame) < requestClientIDAt {
		return false
	}
	_, body := cutString(frame[requestClientIDAt:])
	if request.IsFlexible() {
		if len(body) == 0 || body[0] != 0 {
			return false // tags in the header
		}
		body = body[1:]
	}
	return request.ReadFrom(body) == nil
}
