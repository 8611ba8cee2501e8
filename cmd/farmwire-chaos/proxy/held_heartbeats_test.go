package proxy

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The member that is heard of first is unheard until it is over, others are heard, and a fence waits a while.
func TestHush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeldHeartbeats(time.Second)
		begun := time.Now()
		h.initProducerID()
		if took := time.Since(begun); took != time.Second {
			t.Errorf("the fence waited %s", took)
		}
		if h.delayedInits() != 0 {
			t.Error("nobody was unheard")
		}
		var heard time.Duration
		go func() { h.heartbeat("a"); heard = time.Since(begun) }()
		synctest.Wait()
		h.heartbeat("b")
		h.heartbeat("")
		h.initProducerID()
		if took := time.Since(begun); took != 2*time.Second || heard != 0 {
			t.Errorf("after %s: a was heard after %s", took, heard)
		}
		close(h.over)
		h.heartbeat("a")
		h.initProducerID()
		synctest.Wait()
		if heard != 2*time.Second || time.Since(begun) != heard {
			t.Errorf("a was heard after %s", heard)
		}
		if h.delayedInits() != 3 {
			t.Errorf("%d fences, not 3", h.delayedInits())
		}
	})
}

func TestMemberOf(t *testing.T) {
	for _, version := range []int16{0, 3, 4} { // the layout changes with 4
		frame := heartbeatFrame("member-1", version)
		if got := memberOf(frame); got != "member-1" {
			t.Errorf("version %d: %q", version, got)
		}
		for n := offsetOfClientID; n < len(frame)-1; n++ {
			_ = memberOf(frame[:n]) // must not panic
		}
	}
}

// A proxy holds back the heartbeats of one member on their connection, and nothing else.
func TestProxyHushes(t *testing.T) {
	broker, p, interceptor := openIntercepted(t)
	h := newHeldHeartbeats(time.Millisecond)
	interceptor.heartbeats.Store(h)
	one, two := heartbeatFrame("one", 4), heartbeatFrame("two", 4)
	fence := groupFrame(&kmsg.InitProducerIDRequest{Version: 4})
	if exchange(t, p, one, short) {
		t.Error("the first member is heard")
	}
	isHeld := func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.member == "one"
	}
	for deadline := time.Now().Add(ample); !isHeld(); time.Sleep(time.Millisecond) { // else the other member may be the first
		if time.Now().After(deadline) {
			t.Fatal("no heartbeat of the first member comes")
		}
	}
	if !exchange(t, p, two, ample) || !exchange(t, p, fence, ample) || !exchange(t, p, produceFrame("a", "one", 1), ample) {
		t.Error("what is not of the unheard member does not pass")
	}
	if h.delayedInits() != 1 {
		t.Errorf("%d fences, not 1", h.delayedInits())
	}
	interceptor.heartbeats.Store(nil)
	close(h.over)
	if !exchange(t, p, one, ample) {
		t.Error("nobody is hushed any more")
	}
	if got := len(broker.received()); got < 4 {
		t.Errorf("the broker got %d requests", got)
	}
}
