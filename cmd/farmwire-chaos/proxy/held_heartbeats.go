package proxy

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// heldHeartbeats holds back the heartbeats of one group member and delays InitProducerID requests until over is closed.
type heldHeartbeats struct {
	initDelay time.Duration
	over      chan struct{}

	mu     sync.Mutex
	member string // "": no heartbeat has come yet
	inits  int    // InitProducerID requests that had to wait
}

func newHeldHeartbeats(initDelay time.Duration) *heldHeartbeats {
	return &heldHeartbeats{initDelay: initDelay, over: make(chan struct{})}
}

// heartbeat returns when a heartbeat of the member may pass. The first member that sends one is the one that is held.
func (h *heldHeartbeats) heartbeat(member string) {
	h.mu.Lock()
	if h.member == "" {
		h.member = member
	}
	held := h.member == member && member != ""
	h.mu.Unlock()
	if held {
		<-h.over
	}
}

// initProducerID returns when an InitProducerID request may pass.
func (h *heldHeartbeats) initProducerID() {
	h.mu.Lock()
	h.inits++
	h.mu.Unlock()
	select {
	case <-h.over:
	case <-time.After(h.initDelay):
	}
}

// delayedInits is how many InitProducerID requests had to wait, or 0 if no member was held.
func (h *heldHeartbeats) delayedInits() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.member == "" {
		return 0
	}
	return h.inits
}

// memberOf is the member id of a heartbeat, or "" if it cannot be read.
func memberOf(frame []byte) string {
	request := kmsg.HeartbeatRequest{Version: versionOf(frame)}
	if !readRequest(frame, &request) {
		return ""
	}
	return request.MemberID
}
