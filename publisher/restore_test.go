package publisher

import (
	"errors"
	"strconv"
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
		watch := h.shard.Watch()
		if err := h.shard.PublishCoverage(t.Context(), Coverage{Watch: &watch}); err != nil {
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
		p.brokers.timeouts.stall = 3 * time.Second
		if s, err := p.Acquire(t.Context(), 0); err == nil {
			t.Fatalf("restored %d sessions past an open transaction", remembered(s))
		} else if errors.Is(err, ErrRefused) || errors.Is(err, ErrFenced) {
			t.Errorf("got %v, want a deadline", err)
		}
		if err := foreign.end(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		p.brokers.timeouts.stall = time.Minute
		h.check()
	})
}

// A restore that makes no progress gives up its place, and others go on. It ends by itself, and its error names its partition.
func TestRestoresThatWaitStandAlone(t *testing.T) {
	t.Parallel()
	c := testConfig(t, fake(t))
	p := testOpen(t, c)
	for shard := range int32(2) {
		foreign := abandon(t, c, "foreign-"+strconv.Itoa(int(shard)), &outgoing{topicPartition: topicPartition{c.StateTopic(), shard}, limit: defaultBatchLimit})
		defer func() { _ = foreign.end(t.Context(), false) }()
	}
	p.brokers.reading = make(chan struct{}, 1)
	p.brokers.timeouts.place, p.brokers.timeouts.stall = 500*time.Millisecond, 24*time.Second
	stuck := make(chan error, 2)
	for shard := range 2 {
		go func() { _, err := p.Acquire(t.Context(), shard); stuck <- err }()
	}
	until(t, 20*time.Second, "the restores that are stuck have begun", func() bool { return len(p.brokers.reading) > 0 })
	ctx := deadline(t, 20*time.Second) // before the others end by themselves
	if _, err := p.Acquire(ctx, 2); err != nil {
		t.Errorf("held up by the restores of others: %v", err)
	}
	for range 2 {
		if err := <-stuck; err == nil || !strings.Contains(err.Error(), c.StateTopic()+"-") || !errors.Is(err, errNoProgress) {
			t.Errorf("a restore that waits: %v", err)
		}
	}
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

// Absences are committed with the changes and restored, as far as a batch of the topic can hold them, and their tombstone
// removes them.
func TestAbsencesAreRestored(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		p := testOpen(t, testConfig(t, addrs))
		s := acquire(t, p, 1)
		one, two := session(1, 1), session(1, 2)
		two.WorkerKey = one.WorkerKey
		store := func(changes ...diff.Changes) diff.Snapshot {
			t.Helper()
			if err := s.Publish(t.Context(), changes); err != nil {
				t.Fatal(err)
			}
			s = acquire(t, p, 1)
			return s.Snapshots()[one.WorkerKey]
		}
		marked := func(marks ...diff.AbsenceMark) diff.Changes {
			return diff.Changes{Worker: one.WorkerKey, Absences: &diff.Absences{Worker: one.WorkerKey, Marks: marks}}
		}
		due := func(what string, s diff.Snapshot, want time.Time) {
			t.Helper()
			if got := s.ForgetDue(); !got.Equal(want) {
				t.Errorf("%s: due %v, want %v", what, got, want)
			}
		}
		due("ended", store(changesOf(started(one), ended(one)), changesOf(started(two), ended(two))), time.Time{})
		both := diff.AbsenceMark{Since: epoch, Sessions: []string{one.SessionID, two.SessionID}}
		due("both", store(marked(both)), epoch.Add(diff.ForgetAfter))
		due("none", store(marked()), time.Time{})
		due("all", store(marked(diff.AbsenceMark{Since: epoch})), epoch.Add(diff.ForgetAfter))
		// A record that a batch cannot hold would stop the shard forever.
		s.encoder.to[stateTopic][0].limit = batchHeaderSize + maxRecordOverhead + len(event.AppendAbsencesKey(nil, one.WorkerKey)) + 120
		restored := store(marked(both))
		later := diff.Observation{Worker: one.WorkerKey, Source: diff.NoSuchWorker, Date: epoch.Add(diff.ForgetAfter)}
		if n := len(diff.Between(restored, later).Forgotten); n != 1 {
			t.Errorf("%d of two ids were stored where one has room", n)
		}
	})
}
