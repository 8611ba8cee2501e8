package main

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// hush lets one member of the group go unheard: its heartbeats hang until it is over, while all else that it sends
// goes through. So the group gives its shards to others while it goes on publishing. Whoever asks for a fence
// meanwhile is heard some time later, so that there is something to miss for one who looks before he fences.
type hush struct {
	wait time.Duration // of a fence
	over chan struct{}

	mu     sync.Mutex
	member string // "": nobody's heartbeat has come yet
	fences int    // that had to wait
}

func newHush(wait time.Duration) *hush { return &hush{wait: wait, over: make(chan struct{})} }

// heartbeat returns when the member may be heard. The first one that comes is the one that is not.
func (h *hush) heartbeat(member string) {
	h.mu.Lock()
	if h.member == "" {
		h.member = member
	}
	unheard := h.member == member && member != ""
	h.mu.Unlock()
	if unheard {
		<-h.over
	}
}

// fence returns when a fence has waited long enough.
func (h *hush) fence() {
	h.mu.Lock()
	h.fences++
	h.mu.Unlock()
	select {
	case <-h.over:
	case <-time.After(h.wait):
	}
}

// delayed is how many fences had to wait for as long as somebody was unheard.
func (h *hush) delayed() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.member == "" {
		return 0
	}
	return h.fences
}

func (t *traffic) set(h *hush) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hush = h
}

// memberOf is the id of the member that a heartbeat is of; "": it cannot be read.
func memberOf(frame []byte) string {
	request := kmsg.HeartbeatRequest{Version: int16(binary.BigEndian.Uint16(frame[requestVersionAt:]))}
	if !readRequest(frame, &request) {
		return ""
	}
	return request.MemberID
}
