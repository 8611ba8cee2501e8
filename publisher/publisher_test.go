package publisher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
	"farmwire/event"
	"farmwire/publisher/kafkatest"
)

// listed is [kafkatest.ListOffsets] for a test.
func listed(ctx context.Context, t testing.TB, list func(context.Context, ...string) (kadm.ListedOffsets, error), topics ...string) kadm.ListedOffsets {
	t.Helper()
	offsets, err := kafkatest.ListOffsets(ctx, list, topics...)
	if err != nil {
		t.Fatalf("the offsets of %v: %v", topics, err)
	}
	return offsets
}

// consume returns the records of a topic that a read_committed consumer sees.
func consume(t testing.TB, c Config, topic string) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second) // less than after which a broker ends an open transaction by itself
	defer cancel()
	client, err := c.reader()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	listed(ctx, t, kadm.NewClient(client).ListEndOffsets, topic).Each(func(end kadm.ListedOffset) {
		if end.Offset == 0 {
			return
		}
		client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {end.Partition: kgo.NewOffset().AtStart()}})
		defer client.RemoveConsumePartitions(map[string][]int32{topic: {end.Partition}})
		var failed error                           // of the last fetch that failed; the client fetches again
		for next := int64(0); next < end.Offset; { // the last record before the end is a marker
			fetches := client.PollFetches(ctx)
			if ctx.Err() != nil {
				t.Fatalf("%s-%d from offset %d of %d: %v", topic, end.Partition, next, end.Offset, errors.Join(ctx.Err(), failed))
			}
			if err := fetches.Err(); err != nil {
				failed = err
			}
			fetches.EachRecord(func(r *kgo.Record) {
				if next = r.Offset + 1; !r.Attrs.IsControl() {
					records = append(records, r)
				}
			})
		}
	})
	return records
}

// reader is a client of franz-go that reads what is committed, with the markers.
func (c Config) reader(more ...kgo.Opt) (*kgo.Client, error) {
	opts, err := c.Cluster.ClientOptions()
	if err != nil {
		return nil, err
	}
	opts = append(opts,
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.MetadataMinAge(250*time.Millisecond),
	)
	return kgo.NewClient(append(opts, more...)...)
}

// ids returns the ce_id headers of records, sorted.
func ids(records []*kgo.Record) []string {
	var ids []string
	for _, r := range records {
		for _, h := range r.Headers {
			if h.Key == "ce_id" {
				ids = append(ids, string(h.Value))
			}
		}
	}
	slices.Sort(ids)
	return ids
}

func eventID(c diff.Change) string {
	for _, h := range event.Encode(&c, event.Envelope{}).Headers {
		if h.Key == "ce_id" {
			return string(h.Value)
		}
	}
	return ""
}

func TestPublishAndRestore(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		for _, compression := range []Compression{CompressionNone, CompressionGzip} {
			t.Run(string(compression), func(t *testing.T) { publishAndRestore(t, addrs, compression) })
		}
	})
}

func publishAndRestore(t *testing.T, addrs []string, compression Compression) {
	c := testConfig(t, addrs)
	c.Compression = compression
	p := testOpen(t, c)
	first := acquire(t, p, 1)
	if len(first.Snapshots()) != 0 {
		t.Fatalf("a new shard has snapshots: %v", first.Snapshots())
	}
	watch := first.Watch()
	watch.Farms["farm-1"] = event.FarmWatch{Listed: epoch}
	watch.Fleets["fleet-1"] = event.FleetWatch{Since: epoch}
	if err := first.PublishCoverage(t.Context(), Coverage{Watch: &watch}); err != nil {
		t.Fatal(err)
	}

	open, gone, lost, old := session(1, 1), session(1, 2), session(2, 1), session(2, 2)
	vanished := diff.Change{Kind: diff.Vanished, Sequence: 2, Session: lost, Previous: &lost, Seen: epoch}
	silent := ended(old).Session
	publish := func(s *Shard, changes ...diff.Changes) {
		t.Helper()
		if err := s.Publish(t.Context(), changes); err != nil {
			t.Fatal(err)
		}
	}
	publish(first, changesOf(started(open), started(gone)), changesOf(started(lost)))
	publish(first)
	publish(first, changesOf(ended(gone)), changesOf(vanished),
		diff.Changes{Worker: old.WorkerKey, Remembered: []diff.Record{{Session: silent, Seen: epoch}}})

	second := acquire(t, p, 1)
	if diff := cmp.Diff(watch, second.Watch()); diff != "" {
		t.Errorf("watch after the restore (-published +restored):\n%s", diff)
	}
	one, two := second.Snapshots()[open.WorkerKey], second.Snapshots()[lost.WorkerKey]
	if diff := cmp.Diff([]diff.Session{open}, one.Open()); diff != "" {
		t.Errorf("open sessions (-published +restored):\n%s", diff)
	}
	if got := []int{one.Remembered(), len(two.Open()), two.Remembered()}; !slices.Equal(got, []int{1, 0, 2}) {
		t.Errorf("remembered of worker 1, open of worker 2, remembered of worker 2: %v", got)
	}

	publish(second, diff.Changes{Worker: old.WorkerKey, Forgotten: []string{old.SessionID}})
	if third := acquire(t, p, 1); third.Snapshots()[lost.WorkerKey].Remembered() != 1 {
		t.Error("a forgotten session was restored")
	}

	want := []string{eventID(started(open)), eventID(started(gone)), eventID(started(lost)), eventID(ended(gone)), eventID(vanished)}
	slices.Sort(want)
	events := consume(t, c, c.EventsTopic())
	if diff := cmp.Diff(want, ids(events)); diff != "" {
		t.Errorf("events (-published +consumed):\n%s", diff)
	}
	for _, r := range events {
		if int(r.Partition) != ShardOf(string(r.Key), testPartitions) {
			t.Errorf("event of %s in partition %d", r.Key, r.Partition)
		}
	}
	if diff := cmp.Diff([]string{eventID(ended(gone))}, ids(consume(t, c, c.EndedTopic()))); diff != "" {
		t.Errorf("ended (-published +consumed):\n%s", diff)
	}
}

func TestFence(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		p := testOpen(t, testConfig(t, addrs))
		zombie := acquire(t, p, 0)
		if err := zombie.Publish(t.Context(), []diff.Changes{changesOf(started(session(1, 1)))}); err != nil {
			t.Fatal(err)
		}
		owner := acquire(t, p, 0)
		err := zombie.Publish(t.Context(), []diff.Changes{changesOf(started(session(1, 2)))})
		if !errors.Is(err, ErrFenced) {
			t.Errorf("a zombie published: %v", err)
		}
		if err := zombie.Publish(t.Context(), []diff.Changes{changesOf(started(session(1, 3)))}); !errors.Is(err, ErrFenced) {
			t.Errorf("a dead shard published: %v", err)
		}
		if err := owner.Publish(t.Context(), []diff.Changes{changesOf(started(session(1, 4)))}); err != nil {
			t.Errorf("the owner after the zombie's attempt: %v", err)
		}
	})
}

func TestPublishManyInSeveralTransactions(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := testConfig(t, addrs)
		p := testOpen(t, c)
		s := acquire(t, p, 0)
		var changes []diff.Changes
		var want []string
		for w := range 500 {
			var events []diff.Change
			for n := range 5 {
				events = append(events, started(session(w, n)))
				if n > 2 {
					events = append(events, ended(session(w, n)))
				}
			}
			for _, e := range events {
				want = append(want, eventID(e))
			}
			changes = append(changes, changesOf(events...))
		}
		if err := s.Publish(t.Context(), changes); err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, ids(consume(t, c, c.EventsTopic()))); diff != "" {
			t.Errorf("events (-published +consumed):\n%s", diff)
		}
		again := acquire(t, p, 0)
		open, remembered := 0, 0
		for _, snapshot := range again.Snapshots() {
			open += len(snapshot.Open())
			remembered += snapshot.Remembered()
		}
		if open != 1500 || remembered != 1000 {
			t.Errorf("restored %d open and %d remembered, want 1500 and 1000", open, remembered)
		}
	})
}

// An event is not recorded before it was observed, which is rounded up to the millisecond, even if the clock was set
// back meanwhile.
func TestRecordedAfterObserved(t *testing.T) {
	c := testConfig(t, fake(t))
	s := acquire(t, testOpen(t, c), 0)
	for n, before := range []time.Time{time.Now(), time.Now().Add(time.Minute), time.Now()} {
		e := started(session(1, n))
		e.Observed.Before = before.Truncate(time.Millisecond).Add(time.Millisecond)
		if err := s.Publish(t.Context(), []diff.Changes{changesOf(e)}); err != nil {
			t.Fatal(err)
		}
	}
	last := time.Time{}
	for _, r := range consume(t, c, c.EventsTopic()) {
		var value struct{ Observed struct{ Before time.Time } }
		if err := json.Unmarshal(r.Value, &value); err != nil {
			t.Fatal(err)
		}
		for _, h := range r.Headers {
			if h.Key != "ce_recordedtime" {
				continue
			}
			at, err := time.Parse(time.RFC3339, string(h.Value))
			if err != nil || at.Before(value.Observed.Before) || !at.Equal(r.Timestamp) {
				t.Errorf("recorded at %s, %v; observed before %v; the record is of %v", h.Value, err, value.Observed.Before, r.Timestamp)
			}
			last = at
		}
	}
	if last.IsZero() {
		t.Error("no event says when it was recorded")
	}
}

// A broker that does not know a new leader epoch yet may know it soon. The next code in the protocol, 76, is final.
func TestUnknownLeaderEpochIsRepeated(t *testing.T) {
	if v := judgeLeader(asError(kerr.UnknownLeaderEpoch.Code)); v != later {
		t.Errorf("UNKNOWN_LEADER_EPOCH is judged %d", v)
	}
	if v := judgeLeader(asError(kerr.UnsupportedCompressionType.Code)); v != giveUp {
		t.Errorf("UNSUPPORTED_COMPRESSION_TYPE is judged %d", v)
	}
}

// Errors of either client and of the network have labels by the names of Kafka's protocol.
func TestErrorLabels(t *testing.T) {
	for want, err := range map[string]error{
		"NOT_LEADER_OR_FOLLOWER":  fmt.Errorf("produce: %w", asError(6)),
		"LEADER_NOT_AVAILABLE":    fmt.Errorf("produce: %w", errNoLeader),
		"CONCURRENT_TRANSACTIONS": kerr.ConcurrentTransactions,
		"UNKNOWN_SERVER_ERROR":    asError(32000),
		"network":                 io.EOF,
	} {
		if got := errorLabel(err); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}
