package proxy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/internal/leaks"
)

// startDelayEndTxn returns when the proxy waits for an EndTxn.
func startDelayEndTxn(i *Interceptor, d time.Duration, done <-chan struct{}) <-chan Outcome {
	outcomes := make(chan Outcome, 1)
	go func() { outcomes <- i.DelayEndTxn(time.Millisecond, d, done) }()
	for !i.wants(keyEndTxn) {
		time.Sleep(time.Millisecond)
	}
	return outcomes
}

// The first copy gets no answer and reaches nobody, and its connection ends. It comes behind the first produce request of
// a later transaction of the same id, and before the second. Others pass.
func TestLateEndTxnGoesBetweenTwoProduces(t *testing.T) {
	t.Cleanup(func() { leaks.None(t) })
	for _, c := range []struct {
		code, version int16
		want          Outcome
	}{{0, 3, Accepted}, {0, 2, Accepted}, {47, 3, Refused}, {90, 3, Refused}, {16, 3, Undelivered}} {
		broker, p, interceptor := openIntercepted(t)
		outcomes := startDelayEndTxn(interceptor, time.Minute, nil)
		first, repeat := endTxnFrame("a", c.version, 1), endTxnFrame("a", c.version, 2)
		begun := time.Now()
		if exchange(t, p, first, ample) {
			t.Error("an EndTxn that is kept was answered")
		}
		if took := time.Since(begun); took > ample/2 {
			t.Errorf("its connection ended after %s", took)
		}
		others := [][]byte{}
		for range transactionsWaited + 1 { // repetitions of a repetition are no further transactions
			others = append(others, repeat)
		}
		others = append(others, produceFrame("b", "one", 3), produceFrame("b", "two", 4), endTxnFrame("b", c.version, 5), repeat,
			produceFrame("a", "one", 6))
		passAll(t, p, others...)
		broker.set(c.code, false)
		second, last := produceFrame("a", "two", 7), endTxnFrame("a", c.version, 8)
		passAll(t, p, second, last)
		if got := <-outcomes; got != c.want {
			t.Errorf("answered by %d: outcome %d, not %d", c.code, got, c.want)
		}
		if d := cmp.Diff(append(others, first, second, last), broker.received()); d != "" {
			t.Error(d)
		}
	}
}

// The held EndTxn waits for a transaction with several produce requests. If none comes for long, it arrives before the end
// of a transaction with one.
func TestLateEndTxnOfSmallTransactions(t *testing.T) {
	broker, p, interceptor := openIntercepted(t)
	outcomes := startDelayEndTxn(interceptor, time.Minute, nil)
	first, repeat := endTxnFrame("a", 3, 1), endTxnFrame("a", 3, 2)
	if exchange(t, p, first, ample) {
		t.Error("an EndTxn that is kept was answered")
	}
	passAll(t, p, repeat)
	want := [][]byte{repeat}
	for n := range transactionsWaited {
		produce := produceFrame("a", "one", int32(10+n))
		passAll(t, p, produce, repeat)
		if want = append(want, produce); n == transactionsWaited-1 {
			want = append(want, first)
		}
		want = append(want, repeat)
	}
	if <-outcomes != Accepted {
		t.Error("it was to be delivered")
	}
	if d := cmp.Diff(want, broker.received()); d != "" {
		t.Error(d)
	}
}

// The halves of a transaction can go to two brokers; the EndTxn goes to the one that it was sent to.
func TestLateEndTxnOfTwoBrokers(t *testing.T) {
	one, first, interceptor := openIntercepted(t)
	two := &answering{}
	second, err := interceptor.Open(two.listen(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	outcomes := startDelayEndTxn(interceptor, time.Minute, nil)
	end, repeat, here, there := endTxnFrame("a", 3, 1), endTxnFrame("a", 3, 2), produceFrame("a", "here", 3), produceFrame("a", "there", 4)
	if exchange(t, first, end, ample) {
		t.Error("an EndTxn that is kept was answered")
	}
	passAll(t, first, repeat, here)
	passAll(t, second, there)
	if <-outcomes != Accepted {
		t.Error("it was to be delivered")
	}
	if d := cmp.Diff([][][]byte{{repeat, here, end}, {there}}, [][][]byte{one.received(), two.received()}); d != "" {
		t.Error(d)
	}
}

// What comes too late for its time is lost, and everything passes again.
func TestLateEndTxnThatIsNeverDue(t *testing.T) {
	broker, p, interceptor := openIntercepted(t)
	done := make(chan struct{})
	outcomes := startDelayEndTxn(interceptor, time.Minute, done)
	end := endTxnFrame("a", 3, 1)
	if exchange(t, p, end, ample) {
		t.Error("an EndTxn that is kept was answered")
	}
	close(done)
	if got := <-outcomes; got != Undelivered {
		t.Errorf("outcome %d", got)
	}
	passAll(t, p, end, produceFrame("a", "one", 2), produceFrame("a", "two", 3), end)
	if n := len(broker.received()); n != 4 {
		t.Errorf("%d requests, not 4", n)
	}
	outcomes = startDelayEndTxn(interceptor, time.Minute, nil)
	exchange(t, p, end, ample)
	passAll(t, p, produceFrame("a", "one", 2))
	broker.set(0, true)
	unanswered(t, p, produceFrame("a", "two", 3))
	if got := <-outcomes; got != Undelivered {
		t.Errorf("not answered: outcome %d", got)
	}
}

func TestTransactionalIDOfEndTxn(t *testing.T) {
	for _, version := range []int16{0, 2, 3, 4} { // the layout changes with 3
		frame := endTxnFrame("some id", version, 1)
		if got := transactionalIDOfEndTxn(frame); got != "some id" {
			t.Errorf("version %d: %q", version, got)
		}
		for n := offsetOfVersion + 2; n < len(frame)-1; n++ {
			_ = transactionalIDOfEndTxn(frame[:n]) // must not panic
		}
	}
}
