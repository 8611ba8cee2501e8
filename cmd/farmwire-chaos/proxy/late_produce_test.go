package proxy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/internal/leaks"
)

// startDelayProduce returns when the proxy holds the next produce request back.
func startDelayProduce(i *Interceptor, d time.Duration, done <-chan struct{}) <-chan Outcome {
	waiting := func() int {
		i.produces.mu.Lock()
		defer i.produces.mu.Unlock()
		return len(i.produces.late)
	}
	before := waiting()
	outcomes := make(chan Outcome, 1)
	go func() { outcomes <- i.DelayProduce(d, done) }()
	for waiting() == before {
		time.Sleep(time.Millisecond)
	}
	return outcomes
}

// A held request and its repeats reach nobody until the same transactional id produces something else; then the broker
// gets it first, once, as it was. Others pass.
func TestLateProduceGoesBeforeTheNext(t *testing.T) {
	t.Cleanup(func() { leaks.None(t) })
	for _, c := range []struct {
		code int16
		want Outcome
	}{{0, Accepted}, {47, Refused}} {
		broker, p, interceptor := openIntercepted(t)
		broker.set(c.code, false)
		outcomes := startDelayProduce(interceptor, time.Minute, nil)
		plain := produceFrame("", "one", 5)
		if !exchange(t, p, plain, ample) {
			t.Error("what is in no transaction does not pass")
		}
		first, repeat, next := produceFrame("a", "one", 1), produceFrame("a", "one", 2), produceFrame("a", "two", 3)
		if !unanswered(t, p, first) || !unanswered(t, p, repeat) {
			t.Error("a request that is held back was answered")
		}
		other := produceFrame("b", "one", 4)
		metadata := kmsg.NewRequestFormatter().AppendRequest(nil, kmsg.NewPtrMetadataRequest(), 6)
		for _, frame := range [][]byte{other, metadata, next, repeat} {
			if !exchange(t, p, frame, ample) {
				t.Fatalf("no answer to %q", frame)
			}
		}
		if got := <-outcomes; got != c.want {
			t.Errorf("answered by %d: outcome %d, not %d", c.code, got, c.want)
		}
		if d := cmp.Diff([][]byte{plain, other, metadata, first, next, repeat}, broker.received()); d != "" {
			t.Error(d)
		}
	}
}

// Two may be late at once, each of a transactional id of its own.
func TestTwoLateProduces(t *testing.T) {
	broker, p, interceptor := openIntercepted(t)
	one := startDelayProduce(interceptor, time.Minute, nil)
	two := startDelayProduce(interceptor, time.Minute, nil)
	a, b := produceFrame("a", "one", 1), produceFrame("b", "one", 2)
	if !unanswered(t, p, a) || !unanswered(t, p, b) || !unanswered(t, p, a) {
		t.Error("a request that is held back was answered")
	}
	nextB, nextA := produceFrame("b", "two", 3), produceFrame("a", "two", 4)
	if !exchange(t, p, nextB, ample) || !exchange(t, p, nextA, ample) {
		t.Fatal("no answer")
	}
	if <-one != Accepted || <-two != Accepted {
		t.Error("both were to be delivered")
	}
	if d := cmp.Diff([][]byte{b, nextB, a, nextA}, broker.received()); d != "" {
		t.Error(d)
	}
}

// What a transaction sends to another broker passes.
func TestLateProduceOfTwoBrokers(t *testing.T) {
	one, first, interceptor := openIntercepted(t)
	two := &answering{}
	second, err := interceptor.Open(two.listen(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	outcomes := startDelayProduce(interceptor, time.Minute, nil)
	here, there, next := produceFrame("a", "here", 1), produceFrame("a", "there", 2), produceFrame("a", "next", 3)
	if !unanswered(t, first, here) || !exchange(t, second, there, ample) || !exchange(t, first, next, ample) {
		t.Error("one was to be held back, and two were to pass")
	}
	if <-outcomes != Accepted {
		t.Error("it was to be delivered")
	}
	if d := cmp.Diff([][][]byte{{here, next}, {there}}, [][][]byte{one.received(), two.received()}); d != "" {
		t.Error(d)
	}
}

// What nothing overtakes in time is lost, and everything passes again.
func TestLateProduceThatIsNotOvertaken(t *testing.T) {
	broker, p, interceptor := openIntercepted(t)
	done := make(chan struct{})
	outcomes := startDelayProduce(interceptor, time.Minute, done)
	held := produceFrame("a", "one", 1)
	if !unanswered(t, p, held) {
		t.Error("a request that is held back was answered")
	}
	close(done)
	if got := <-outcomes; got != Undelivered {
		t.Errorf("outcome %d", got)
	}
	if interceptor.DelayProduce(time.Millisecond, nil) != Undelivered {
		t.Error("the time is over")
	}
	if !exchange(t, p, held, ample) || len(broker.received()) != 1 {
		t.Error("the repeat does not pass")
	}
	outcomes = startDelayProduce(interceptor, time.Minute, nil)
	unanswered(t, p, held)
	broker.set(0, true)
	unanswered(t, p, produceFrame("a", "two", 2))
	if got := <-outcomes; got != Undelivered {
		t.Errorf("not answered: outcome %d", got)
	}
}

func TestTransactionalIDOfProduce(t *testing.T) {
	frame := produceFrame("some id", "x", 1)
	if got := transactionalIDOfProduce(frame); got != "some id" {
		t.Errorf("%q", got)
	}
	for n := range 30 {
		_ = transactionalIDOfProduce(frame[:n]) // must not panic
	}
	frame[offsetOfVersion+1] = 9
	if got := transactionalIDOfProduce(frame); got != "" {
		t.Errorf("of another layout: %q", got)
	}
}
