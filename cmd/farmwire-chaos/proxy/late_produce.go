package proxy

import (
	"encoding/binary"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// lateProduce is a produce request that arrives too late. The proxy holds it and its repetitions back until the same
// transactional id produces something else, which belongs to another transaction. Then it delivers the late request
// first. However patient the publisher is, it cannot commit the transaction of the late request, and the request reaches
// the broker at the worst moment, when the next transaction has begun.
type lateProduce struct {
	frame   []byte // nil: no request has come yet
	id      string // transactional id
	to      *Proxy // of the broker that the request is for
	outcome chan Outcome
}

// lateProduces are those that are held back or still awaited.
type lateProduces struct{ lateList[lateProduce] }

// delay holds back the next produce request to any broker for up to d.
func (l *lateProduces) delay(d time.Duration, done <-chan struct{}) Outcome {
	one := &lateProduce{outcome: make(chan Outcome, 1)}
	l.add(one)
	defer l.remove(one)
	return outcomeWithin(d, one.outcome, done)
}

// mustWait reports whether a produce request is held back. If a late request has to go first, it is delivered.
func (l *lateProduces) mustWait(to *Proxy, id string, frame []byte) bool {
	one := l.lateOf(to, id, frame)
	if one == nil || sameRequest(one.frame, frame) {
		return one != nil
	}
	l.remove(one)
	one.outcome <- outcomeOfProduce(to, one.frame)
	return false
}

// lateOf returns the late request of a transactional id to a broker. If there is none and one is awaited, the given
// request becomes it. Otherwise lateOf returns nil.
func (l *lateProduces) lateOf(to *Proxy, id string, frame []byte) *lateProduce {
	l.mu.Lock()
	defer l.mu.Unlock()
	var awaited *lateProduce
	for _, one := range l.late {
		switch {
		case one.to == to && one.id == id:
			return one
		case one.to == nil && awaited == nil:
			awaited = one
		}
	}
	if awaited != nil {
		awaited.to, awaited.id, awaited.frame = to, id, frame
	}
	return awaited
}

// outcomeOfProduce delivers a late request and reads the answer. It waits for the answer, so that whatever is passed on
// next arrives later.
func outcomeOfProduce(to *Proxy, frame []byte) Outcome {
	const correlationID = 4
	response := kmsg.ProduceResponse{Version: versionOf(frame)}
	answer, ok := to.exchange(frame)
	if !ok || len(answer) < correlationID || response.ReadFrom(answer[correlationID:]) != nil {
		return Undelivered
	}
	for _, t := range response.Topics {
		for _, tp := range t.Partitions {
			if tp.ErrorCode == 0 {
				return Accepted
			}
		}
	}
	return Refused
}

// transactionalIDOfProduce is "" if a produce request has no transactional id, or has a version whose layout differs from
// that of the publisher's version. It does not decode the records, which come after the id.
func transactionalIDOfProduce(frame []byte) string {
	const oldest, newest = 3, 8
	if len(frame) < offsetOfClientID {
		return ""
	}
	version := binary.BigEndian.Uint16(frame[offsetOfVersion:])
	if version < oldest || version > newest {
		return ""
	}
	_, rest := cutString(frame[offsetOfClientID:])
	id, _ := cutString(rest)
	return string(id)
}
