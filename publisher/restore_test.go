package publisher

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
	"farmwire/event"
)

// Compaction removes only records that do not matter.
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

// A transaction of another program that stays open holds up the reader. The restore must fail at its deadline, and must not
// return a part of the state.
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
			snapshot := s.Snapshots()[one.WorkerKey]
			if open, all := len(snapshot.Open()), len(snapshot.Open())+snapshot.Remembered(); all != n+1 || open != n-n/3 {
				t.Fatalf("after %d sessions %d are open of %d", n+1, open, all)
			}
		}
	})
}

func record(key, value string) *kgo.Record {
	r := &kgo.Record{Key: []byte(key)}
	if value != "" {
		r.Value = []byte(value)
	}
	return r
}

// Another JSON form of a record means the same, and a newer schema is refused, whatever else it says.
func TestFold(t *testing.T) {
	s := session(1, 1)
	value := string(event.AppendSession(nil, &diff.Record{Session: s, Sequence: 1, Seen: epoch}))
	f := newFold("topic")
	if err := f.add(record(s.SessionID, strings.ReplaceAll(value, ":", ": "))); err == nil {
		t.Error("a broken time was read") // the spaces are in the times too
	}
	f = newFold("topic")
	if err := f.add(record(s.SessionID, strings.ReplaceAll(value, `,"`, `, "more": 1, "`))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]diff.Session{s}, f.result().snapshots[s.WorkerKey].Open()); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	for _, newer := range []*kgo.Record{
		record(s.SessionID, `{"schema":2,"session":17}`),
	} {
		if err := newFold("topic").add(newer); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", newer.Value, err)
		}
	}
	if err := newFold("topic").add(record(s.SessionID, `{"schema":1`)); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("a broken record: %v", err)
	}
}
