package publisher

import (
	"errors"
	"testing"
	"time"

	"farmwire/diff"
)

// What compaction takes away is what does not decide.
func TestRestoreAfterCompaction(t *testing.T) {
	cluster := fakeCluster(t, 1)
	c := testConfig(t, cluster.Addrs())
	p := testOpen(t, c)
	h := newHistory(t, c, p)
	for range 5 {
		h.must()
		if err := h.shard.PublishWatch(t.Context(), h.shard.Watch()); err != nil {
			t.Fatal(err)
		}
	}
	topic := c.StateTopic()
	aborted := abandon(t, c, transactionalID(topic, 0), &outgoing{topicPartition: topicPartition{topic, 0}, limit: defaultBatchLimit})
	if err := aborted.end(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	cluster.Compact()
	h.shard = acquire(t, p, 0)
	h.must()
	h.check()
}

// A foreign transaction that nobody ends holds the reader up: the restore must give up at its deadline and not
// begin with less than everything.
func TestRestoreHeldUpByAForeignTransaction(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := testConfig(t, addrs)
		p := testOpen(t, c)
		h := newHistory(t, c, p)
		topic := c.StateTopic()
		foreign := abandon(t, c, "foreign", &outgoing{topicPartition: topicPartition{topic, 0}, limit: defaultBatchLimit})
		h.must()
		p.acquireTimeout = 3 * time.Second
		if s, err := p.Acquire(t.Context(), 0); err == nil {
			t.Fatalf("restored %d sessions past an open transaction", remembered(s))
		} else if errors.Is(err, ErrRefused) || errors.Is(err, ErrFenced) {
			t.Errorf("got %v, want a deadline", err)
		}
		if err := foreign.end(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		p.acquireTimeout = time.Minute
		h.check()
	})
}

// The restored state of a session is its last event, over any number of rounds.
func TestRestoreIsTheFoldOfTheEvents(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		p := testOpen(t, testConfig(t, addrs))
		s := acquire(t, p, 0)
		for n := range 20 {
			one := session(1, n)
			if err := s.Publish(t.Context(), []diff.Changes{changesOf(started(one))}); err != nil {
				t.Fatal(err)
			}
			if n%3 == 0 {
				if err := s.Publish(t.Context(), []diff.Changes{changesOf(ended(one))}); err != nil {
					t.Fatal(err)
				}
			}
			s = acquire(t, p, 0)
			snapshot := s.Snapshots()[one.WorkerID]
			if open, all := len(snapshot.Open()), len(snapshot.Open())+snapshot.Remembered(); all != n+1 || open != n-n/3 {
				t.Fatalf("after %d sessions %d are open of %d", n+1, open, all)
			}
		}
	})
}
