package proxy

import (
	"io"
	"sync/atomic"
	"time"
)

// Interceptor holds back single requests from the clients of one Kafka cluster, on all the proxies before its brokers.
// The zero value is ready and holds nothing back.
type Interceptor struct {
	produces   lateProduces
	endTxns    lateEndTxns
	heartbeats atomic.Pointer[heldHeartbeats] // nil: heartbeats pass
}

// Open starts a proxy for a broker of the cluster.
func (i *Interceptor) Open(broker string) (*Proxy, error) {
	return open(broker, func(p *Proxy, client io.Reader) io.Reader {
		return newRequestReader(client, i.wants, func(frame []byte) decision { return i.decide(p, frame) })
	})
}

// DelayProduce holds back the next produce request of a transaction, and every repetition of it, for up to d. The broker
// receives it immediately before the same transactional id's next different produce request, which belongs to a later
// transaction: the transaction of the late request cannot be committed without it. Closing done ends the wait.
func (i *Interceptor) DelayProduce(d time.Duration, done <-chan struct{}) Outcome {
	return i.produces.delay(d, done)
}

// DelayEndTxn keeps the next EndTxn request for up to d, and cuts its connection after the time cutAfter, so that the
// publisher repeats it. The repetition passes. The broker receives the kept request in the middle of a later transaction
// of the same transactional id. Closing done ends the wait.
func (i *Interceptor) DelayEndTxn(cutAfter, d time.Duration, done <-chan struct{}) Outcome {
	return i.endTxns.delay(newLateEndTxn(cutAfter), d, done)
}

// HoldHeartbeats holds back the heartbeats of one member of the consumer group for d: of the member whose heartbeat comes
// first. Everything else that the member sends passes, so that it goes on publishing while the group gives its shards to
// others. Each InitProducerID request meanwhile is delayed by initDelay, to widen the gap for owners that read before
// they fence. It returns how many were delayed, or 0 if no heartbeat came. Closing done ends the wait.
func (i *Interceptor) HoldHeartbeats(d, initDelay time.Duration, done <-chan struct{}) (delayedInits int) {
	h := newHeldHeartbeats(initDelay)
	i.heartbeats.Store(h)
	select {
	case <-time.After(d):
	case <-done:
	}
	i.heartbeats.Store(nil)
	close(h.over)
	return h.delayedInits()
}

// wants reports whether requests of a kind must be decided at present.
func (i *Interceptor) wants(key uint16) bool {
	switch key {
	case keyProduce:
		return i.produces.any() || i.endTxns.any()
	case keyEndTxn:
		return i.endTxns.any()
	case keyHeartbeat, keyInitProducerID:
		return i.heartbeats.Load() != nil
	}
	return false
}

// decide says what becomes of a request to the broker behind a proxy. It blocks while the request has to wait.
func (i *Interceptor) decide(to *Proxy, frame []byte) decision {
	held := i.heartbeats.Load()
	switch key := keyOf(frame); {
	case key == keyProduce:
		id := transactionalIDOfProduce(frame)
		if id != "" && i.produces.mustWait(to, id, frame) {
			return drop
		}
		i.endTxns.beforeProduce(id)
	case key == keyEndTxn:
		return i.endTxns.decide(to, frame)
	case held == nil: // it ended since wants was asked
	case key == keyHeartbeat:
		held.heartbeat(memberOf(frame))
	case key == keyInitProducerID:
		held.initProducerID()
	}
	return forward
}
