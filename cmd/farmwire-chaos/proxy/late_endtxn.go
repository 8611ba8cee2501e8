package proxy

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// lateEndTxn is an EndTxn request whose first copy arrives too late. The proxy keeps the first copy and cuts its
// connection after a while, so that the publisher repeats the request. The repetition passes. The proxy delivers the kept
// copy in the middle of a later transaction of the same transactional id, between its first and its second produce
// request. If the publisher still uses the same epoch, the copy ends one half of that transaction. Not every transaction
// has a second produce request: after a few transactions without one, the proxy delivers the copy before the EndTxn of
// the last of them.
type lateEndTxn struct {
	cutAfter time.Duration // what is observed meanwhile goes into the next transaction

	// The following fields are guarded by the mutex of lateEndTxns.
	frame    []byte // nil: no request has come yet
	id       string // transactional id
	to       *Proxy // of the broker that the request is for
	produced bool   // the present transaction has sent a produce request
	left     int    // how many more transactions it may be kept for
	outcome  chan Outcome
}

// transactionsWaited is how many transactions a kept EndTxn waits for one with two produce requests.
const transactionsWaited = 4

func newLateEndTxn(cutAfter time.Duration) *lateEndTxn {
	return &lateEndTxn{cutAfter: cutAfter, left: transactionsWaited, outcome: make(chan Outcome, 1)}
}

// deliver sends the kept request to its broker and reports the outcome.
func (l *lateEndTxn) deliver() { l.outcome <- outcomeOfEndTxn(l.to, l.frame) }

// lateEndTxns are those that are kept or still awaited.
type lateEndTxns struct{ lateList[lateEndTxn] }

// delay keeps the next EndTxn to any broker for up to d.
func (l *lateEndTxns) delay(one *lateEndTxn, d time.Duration, done <-chan struct{}) Outcome {
	l.add(one)
	defer l.remove(one)
	return outcomeWithin(d, one.outcome, done)
}

// decide says whether an EndTxn request is passed on. If a late one is due before it, that one is delivered.
func (l *lateEndTxns) decide(to *Proxy, frame []byte) decision {
	id := transactionalIDOfEndTxn(frame)
	if id == "" {
		return forward
	}
	kept, due := l.note(to, id, frame)
	switch {
	case kept != nil:
		time.Sleep(kept.cutAfter)
		return cut
	case due != nil:
		due.deliver()
	}
	return forward
}

// note takes an EndTxn into account. It returns kept if the request is the one to keep, due if a late one has to be
// delivered before it, and otherwise neither.
func (l *lateEndTxns) note(to *Proxy, id string, frame []byte) (kept, due *lateEndTxn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var awaited *lateEndTxn
	for i, one := range l.late {
		switch {
		case one.id == id && !one.produced: // a repetition, or a transaction without records
			return nil, nil
		case one.id == id:
			one.produced = false
			if one.left--; one.left > 0 {
				return nil, nil
			}
			l.late = slices.Delete(l.late, i, i+1)
			return nil, one
		case one.frame == nil && awaited == nil:
			awaited = one
		}
	}
	if awaited != nil {
		awaited.to, awaited.id, awaited.frame = to, id, frame
	}
	return awaited, nil
}

// beforeProduce takes into account that a produce request of a transactional id is about to be passed on. If it is the
// second one of its transaction, a late EndTxn is delivered first.
func (l *lateEndTxns) beforeProduce(id string) {
	const written = 100 * time.Millisecond // for the first produce request, which may be on its way to another broker
	if due := l.dueBeforeProduce(id); due != nil {
		time.Sleep(written)
		due.deliver()
	}
}

func (l *lateEndTxns) dueBeforeProduce(id string) *lateEndTxn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, one := range l.late {
		switch {
		case one.frame == nil || one.id != id:
		case one.produced:
			l.late = slices.Delete(l.late, i, i+1)
			return one
		default:
			one.produced = true
			return nil
		}
	}
	return nil
}

// outcomeOfEndTxn delivers a late request and reads the answer.
func outcomeOfEndTxn(to *Proxy, frame []byte) Outcome {
	const invalidProducerEpoch, invalidTxnState, invalidProducerIDMapping, producerFenced = 47, 48, 49, 90
	response := kmsg.EndTxnResponse{Version: versionOf(frame)}
	head := 4 // correlation id
	if response.IsFlexible() {
		head++ // the number of tags
	}
	answer, ok := to.exchange(frame)
	if !ok || len(answer) < head || response.ReadFrom(answer[head:]) != nil {
		return Undelivered
	}
	switch response.ErrorCode {
	case 0:
		return Accepted
	case invalidProducerEpoch, invalidTxnState, invalidProducerIDMapping, producerFenced:
		return Refused
	}
	return Undelivered
}

// transactionalIDOfEndTxn is "" if the request cannot be read.
func transactionalIDOfEndTxn(frame []byte) string {
	request := kmsg.EndTxnRequest{Version: versionOf(frame)}
	if !readRequest(frame, &request) {
		return ""
	}
	return request.TransactionalID
}
