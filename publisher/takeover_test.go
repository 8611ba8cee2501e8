package publisher

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"farmwire/publisher/kafkatest"
)

// lone is a lone broker that loses the ends of transactions, and a shard on it.
type lone struct {
	*history
	cluster *kafkatest.Cluster
	faults  *faults
}

// patient are timeouts that are long enough for a busy machine to start a broker again.
func patient() timeouts {
	t := defaultTimeouts()
	t.transaction, t.total, t.fence, t.stall = 4*time.Minute, 3*time.Minute, 3*time.Minute, time.Minute
	return t
}

// newLone starts a broker for one test, which will kill it.
func newLone(t *testing.T, cluster *kafkatest.Cluster) *lone {
	c := testConfig(t, cluster.Addrs())
	p, faults := openFaulty(t, c)
	p.brokers.timeouts = patient()
	l := &lone{history: newHistory(t, c, p), cluster: cluster, faults: faults}
	for range 3 {
		l.must()
	}
	return l
}

// loseMarkers lets the broker answer the next commit or abort, kills it before it has written the markers, calls killed, and
// starts it again.
func (l *lone) loseMarkers(killed func()) {
	l.faults.mu.Lock()
	defer l.faults.mu.Unlock()
	l.faults.strike = func() {
		if err := l.cluster.Kill(0); err != nil {
			l.t.Error(err)
		}
		killed()
		restarted := make(chan error, 1)
		go func() { restarted <- l.cluster.Restart(context.WithoutCancel(l.t.Context()), 0) }()
		l.t.Cleanup(func() {
			if err := <-restarted; err != nil {
				l.t.Error(err)
			}
		})
	}
}

// lost reports whether the broker has lost the end of the transaction. It is killed as soon as it has answered, but it may
// have written the markers by then.
func (l *lone) lost() bool {
	l.t.Helper()
	n := counted(l.t, l.p.metrics.hanging)
	if n > 1 {
		l.t.Errorf("%d hanging transactions, and there was one", n)
	}
	l.t.Logf("the broker has lost the markers: %t", n > 0)
	return n > 0
}

// eventsWithoutState reports whether a consumer sees the events of the last session, whose state is not restored.
func (l *lone) eventsWithoutState() bool {
	return remembered(l.shard) < l.n && slices.Contains(ids(consume(l.t, l.c, l.c.EventsTopic())), eventID(started(session(1, l.n))))
}

// TestLostMarkers kills a lone broker between its answer to EndTxn and the markers. When it is back it takes the transaction
// for complete, and InitProducerID succeeds, but the markers are never written (seen on 4.3.1). TestApacheHanging tests
// transactions that hang only in some partitions.
func TestLostMarkers(t *testing.T) {
	// If broker.session.timeout.ms is shorter than the broker is away, it writes the markers.
	cluster := apacheCluster(t, kafkatest.Options{})

	t.Run("of a commit, and the shard lives on", func(t *testing.T) {
		l := newLone(t, cluster)
		l.loseMarkers(func() {})
		l.must()
		if err := l.publish(t.Context()); err != nil {
			t.Log(err)
			l.shard = acquire(t, l.p, 0)
		}
		l.lost()
		l.checkEvents()
		l.must()
		l.check()
	})
	for _, commit := range []bool{true, false} {
		t.Run(fmt.Sprintf("commit %t, and the shard is acquired again", commit), func(t *testing.T) {
			l := newLone(t, cluster)
			l.stopIn(commit)
			l.shard = acquire(t, l.p, 0)
			lost := l.lost()
			switch {
			case commit && (!lost || remembered(l.shard) == l.n): // a commit counts if its state was committed
				l.expect()
			case commit && l.eventsWithoutState():
				t.Log("the broker has written the marker of the events and lost that of the state, as only a lone broker can")
				return
			}
			l.checkEvents()
			l.must()
			l.check()
		})
	}
}

// stopIn writes a transaction and stops at the request to end it, as if this process had been killed with the broker.
func (l *lone) stopIn(commit bool) {
	l.t.Helper()
	l.n++
	s := session(1, l.n)
	e := l.shard.encoder
	e.reset(time.Now())
	e.addSession(changesOf(started(s), ended(s)).Events, nil)
	out := e.outgoing()
	if err := l.shard.producer.write(l.t.Context(), e.at, out); err != nil {
		l.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(l.t.Context())
	defer stop()
	l.loseMarkers(stop)
	l.p.brokers.timeouts.grace = 10 * time.Millisecond
	if err := l.shard.producer.end(ctx, commit); err == nil {
		l.t.Fatal("the end was answered by a broker that is dead")
	}
	l.p.brokers.timeouts = patient()
}
