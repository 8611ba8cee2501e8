package main

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

// answerToEnd answers an EndTxn.
func answerToEnd(body []byte, code int16) []byte {
	answer := kmsg.EndTxnResponse{Version: int16(binary.BigEndian.Uint16(body[2:])), ErrorCode: code}
	b := append(make([]byte, 4), body[4:8]...)
	if answer.IsFlexible() {
		b = append(b, 0)
	}
	b = answer.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// endFrame is an EndTxn of a transactional id.
func endFrame(id string, version int16, number int32) []byte {
	r := kmsg.NewPtrEndTxnRequest()
	r.Version, r.TransactionalID, r.ProducerID, r.ProducerEpoch, r.Commit = version, id, 7, 3, true
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, r, number)
}

// startLateEnd returns when the proxy waits for an EndTxn.
func startLateEnd(p *proxy, d time.Duration, done <-chan struct{}) <-chan fate {
	fates := make(chan fate, 1)
	go func() { fates <- p.traffic.delayEnd(newLateEnd(time.Millisecond), d, done) }()
	for !p.traffic.looksAt(keyEnd) {
		time.Sleep(time.Millisecond)
	}
	return fates
}

// passAll sends requests one after the other, each of which must be answered.
func passAll(t *testing.T, p *proxy, frames ...[]byte) {
	t.Helper()
	for _, frame := range frames {
		if !exchange(t, p, frame, ample) {
			t.Fatalf("no answer to %q", frame)
		}
	}
}

// The first copy gets no answer and reaches nobody, and its connection ends. It comes behind the first produce request of
// a later transaction of the same id, and before the second. Others pass.
func TestLateEndGoesBetweenTwoProduces(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, c := range []struct {
		code, version int16
		want          fate
	}{{0, 3, accepted}, {0, 2, accepted}, {47, 3, refused}, {90, 3, refused}, {16, 3, undelivered}} {
		broker, p := openDelaying(t)
		fates := startLateEnd(p, time.Minute, nil)
		first, repeat := endFrame("a", c.version, 1), endFrame("a", c.version, 2)
		begun := time.Now()
		if exchange(t, p, first, ample) {
			t.Error("an EndTxn that is kept was answered")
		}
		if took := time.Since(begun); took > ample/2 {
			t.Errorf("its connection ended after %s", took)
		}
		others := [][]byte{}
		for range overtaking + 1 { // repetitions of a repetition are no further transactions
			others = append(others, repeat)
		}
		others = append(others, produceFrame("b", "one", 3), produceFrame("b", "two", 4), endFrame("b", c.version, 5), repeat,
			produceFrame("a", "one", 6))
		passAll(t, p, others...)
		broker.set(c.code, false)
		second, last := produceFrame("a", "two", 7), endFrame("a", c.version, 8)
		passAll(t, p, second, last)
		if got := <-fates; got != c.want {
			t.Errorf("answered by %d: fate %d, not %d", c.code, got, c.want)
		}
		if d := cmp.Diff(append(others, first, second, last), broker.received()); d != "" {
			t.Error(d)
		}
	}
}

// Transactions with one produce request are let go, but not for ever: then it comes before the end of one.
func TestLateEndOfSmallTransactions(t *testing.T) {
	broker, p := openDelaying(t)
	fates := startLateEnd(p, time.Minute, nil)
	first, repeat := endFrame("a", 3, 1), endFrame("a", 3, 2)
	if exchange(t, p, first, ample) {
		t.Error("an EndTxn that is kept was answered")
	}
	passAll(t, p, repeat)
	want := [][]byte{repeat}
	for n := range overtaking {
		produce := produceFrame("a", "one", int32(10+n))
		passAll(t, p, produce, repeat)
		if want = append(want, produce); n == overtaking-1 {
			want = append(want, first)
		}
		want = append(want, repeat)
	}
	if <-fates != accepted {
		t.Error("it was to be delivered")
	}
	if d := cmp.Diff(want, broker.received()); d != "" {
		t.Error(d)
	}
}

// The halves of a transaction can go to two brokers; the EndTxn goes to the one that it was sent to.
func TestLateEndOfTwoBrokers(t *testing.T) {
	one, first := openDelaying(t)
	two := &answering{}
	second, err := openBrokerProxy(two.listen(t), first.traffic)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	fates := startLateEnd(first, time.Minute, nil)
	end, repeat, here, there := endFrame("a", 3, 1), endFrame("a", 3, 2), produceFrame("a", "here", 3), produceFrame("a", "there", 4)
	if exchange(t, first, end, ample) {
		t.Error("an EndTxn that is kept was answered")
	}
	passAll(t, first, repeat, here)
	passAll(t, second, there)
	if <-fates != accepted {
		t.Error("it was to be delivered")
	}
	if d := cmp.Diff([][][]byte{{repeat, here, end}, {there}}, [][][]byte{one.received(), two.received()}); d != "" {
		t.Error(d)
	}
}

// What comes too late for its time is lost, and everything passes again.
func TestLateEndThatIsNeverDue(t *testing.T) {
	broker, p := openDelaying(t)
	done := make(chan struct{})
	fates := startLateEnd(p, time.Minute, done)
	end := endFrame("a", 3, 1)
	if exchange(t, p, end, ample) {
		t.Error("an EndTxn that is kept was answered")
	}
	close(done)
	if got := <-fates; got != undelivered {
		t.Errorf("fate %d", got)
	}
	passAll(t, p, end, produceFrame("a", "one", 2), produceFrame("a", "two", 3), end)
	if n := len(broker.received()); n != 4 {
		t.Errorf("%d requests, not 4", n)
	}
	fates = startLateEnd(p, time.Minute, nil)
	exchange(t, p, end, ample)
	passAll(t, p, produceFrame("a", "one", 2))
	broker.set(0, true)
	exchange(t, p, produceFrame("a", "two", 3), short)
	if got := <-fates; got != undelivered {
		t.Errorf("not answered: fate %d", got)
	}
}

func TestEndOf(t *testing.T) {
	for _, version := range []int16{0, 2, 3, 4} { // the layout changes with 3
		frame := endFrame("some id", version, 1)
		if got := endOf(frame); got != "some id" {
			t.Errorf("version %d: %q", version, got)
		}
		for n := requestVersionAt + 2; n < len(frame)-1; n++ {
			_ = endOf(frame[:n]) // must not panic
		}
	}
}
