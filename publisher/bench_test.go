package publisher

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
)

// BenchmarkPublish publishes rounds of transactions of some events with their state back to back, in turns with
// franz-go's transactional producer, which gets the same records encoded beforehand. It reports how many times as
// fast this package is.
func BenchmarkPublish(b *testing.B) {
	for _, events := range []int{1, 10, 100, 1000} {
		b.Run(strconv.Itoa(events), func(b *testing.B) { benchmarkPublish(b, events) })
	}
}

func benchmarkPublish(b *testing.B, events int) {
	c := benchConfig(b)
	p := benchOpen(b, c)
	shard := acquire(b, p, 0)
	var changes []diff.Changes
	for n := range events {
		changes = append(changes, changesOf(started(session(1, n))))
	}
	franz := newFranz(b, c)
	records := franzRecords(c, changes)

	var ours, theirs time.Duration
	for b.Loop() {
		ours += repeat(b, func() error { return shard.Publish(b.Context(), changes) })
		theirs += repeat(b, func() error { return franz.publish(b.Context(), records) })
	}
	perTransaction := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(b.N*roundSize) }
	b.ReportMetric(perTransaction(ours), "ours-ms/tx")
	b.ReportMetric(perTransaction(theirs), "franz-ms/tx")
	b.ReportMetric(float64(theirs)/float64(ours), "times-franz")
}

// roundSize is how many transactions follow each other before it is the other's turn.
const roundSize = 25

func repeat(b *testing.B, publish func() error) time.Duration {
	began := time.Now()
	for range roundSize {
		if err := publish(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}

func benchConfig(b *testing.B) Config {
	c := Config{
		Brokers:     apache.Cluster(b).Addrs(),
		TopicPrefix: "bench-" + strconv.FormatInt(time.Now().UnixNano(), 36),
		Region:      "eu-west-1",
		Initial:     "open",
	}
	if err := CreateTopics(b.Context(), c, benchTopics()); err != nil {
		b.Fatal(err)
	}
	return c
}

func benchTopics() TopicSpec { return TopicSpec{Partitions: 12, ReplicationFactor: 1} }

func benchOpen(b *testing.B, c Config) *Publisher {
	p, err := Open(b.Context(), c, benchTopics(), testLog(b), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	return p
}

// franz is the transactional producer of franz-go.
type franz struct{ client *kgo.Client }

func newFranz(b *testing.B, c Config) franz {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(c.Brokers...),
		kgo.TransactionalID(c.TopicPrefix+"-franz"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(0),
	)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	return franz{client}
}

func (f franz) publish(ctx context.Context, records []*kgo.Record) error {
	if err := f.client.BeginTransaction(); err != nil {
		return err
	}
	if err := f.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	return f.client.EndTransaction(ctx, kgo.TryCommit)
}

// franzRecords are the records that Publish writes for the changes.
func franzRecords(c Config, changes []diff.Changes) []*kgo.Record {
	var records []*kgo.Record
	for _, ch := range changes {
		for i := range ch.Events {
			event := &ch.Events[i]
			e := EncodeEvent(event, Envelope{Region: c.Region, Status: ch.Status, Recorded: time.Now()})
			r := &kgo.Record{Topic: c.EventsTopic(), Key: e.Key, Value: e.Value, Partition: int32(ShardOf(string(e.Key), 12))}
			for _, h := range e.Headers {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
			}
			state := appendState(nil, &diff.Record{Session: event.Session, Sequence: event.Sequence, Seen: event.Seen})
			records = append(records, r, &kgo.Record{Topic: c.StateTopic(), Key: e.Key, Value: state, Partition: 1})
		}
	}
	return records
}

// BenchmarkOneEvent publishes one event with its state, with a pause before each, in turns with a bare transaction of
// two records through franz-go.
func BenchmarkOneEvent(b *testing.B) {
	c := benchConfig(b)
	p := benchOpen(b, c)
	shard := acquire(b, p, 0)
	changes := []diff.Changes{changesOf(started(session(1, 1)))}
	franz := newFranz(b, c)
	records := franzRecords(c, changes)
	var ours, theirs time.Duration
	for b.Loop() {
		time.Sleep(20 * time.Millisecond)
		began := time.Now()
		if err := shard.Publish(b.Context(), changes); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(began)
		time.Sleep(20 * time.Millisecond)
		began = time.Now()
		if err := franz.publish(b.Context(), records); err != nil {
			b.Fatal(err)
		}
		theirs += time.Since(began)
	}
	b.ReportMetric(float64(ours.Microseconds())/1000/float64(b.N), "ours-ms/tx")
	b.ReportMetric(float64(ours)/float64(theirs), "times-bare")
}

// BenchmarkRestore acquires a shard of many ended sessions and a few open ones, in turns with a raw
// consume of the same partition. FARMWIRE_BENCH_RECORDS says how many; default 1,000,000.
func BenchmarkRestore(b *testing.B) {
	total := 1_000_000
	if said := os.Getenv("FARMWIRE_BENCH_RECORDS"); said != "" {
		var err error
		if total, err = strconv.Atoi(said); err != nil {
			b.Fatal(err)
		}
	}
	c := benchConfig(b)
	p := benchOpen(b, c)
	fill(b, acquire(b, p, 0), total)

	var ours, raw time.Duration
	for b.Loop() {
		began := time.Now()
		shard := acquire(b, p, 0)
		between := time.Now()
		if got := remembered(shard); got != total {
			b.Fatalf("restored %d sessions, want %d", got, total)
		}
		rawBegan := time.Now()
		if n := rawConsume(b, c); n <= total {
			b.Fatalf("consumed %d records", n)
		}
		ours += between.Sub(began)
		raw += time.Since(rawBegan)
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "restore-s")
	b.ReportMetric(raw.Seconds()/float64(b.N), "raw-s")
	b.ReportMetric(float64(raw)/float64(ours), "times-raw")
}

func remembered(s *Shard) int {
	n := 0
	for _, snapshot := range s.Snapshots() {
		n += snapshot.Remembered() + len(snapshot.Open())
	}
	return n
}

// fill writes a record for each of total sessions: one in a hundred is open.
func fill(b *testing.B, s *Shard, total int) {
	const perWorker = 1000
	for from := 0; from < total; from += perWorker {
		w := from / perWorker
		var records []diff.Record
		for n := range min(perWorker, total-from) {
			r := diff.Record{Session: session(w, n), Sequence: 2, Seen: epoch}
			if n%100 != 0 {
				r.Session = ended(r.Session).Session
			}
			records = append(records, r)
		}
		if err := s.Publish(b.Context(), []diff.Changes{{Worker: session(w, 0).WorkerKey, Remembered: records}}); err != nil {
			b.Fatal(err)
		}
	}
}

// rawConsume reads the shard's partition with franz-go and does nothing with it.
func rawConsume(b *testing.B, c Config) int {
	client, err := c.reader()
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	all, err := spans(b.Context(), client, c.StateTopic())
	if err != nil {
		b.Fatal(err)
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{c.StateTopic(): {0: kgo.NewOffset().At(all[0].first)}})
	n := 0
	for {
		fetches := client.PollFetches(b.Context())
		if err := fetches.Err(); err != nil {
			b.Fatal(err)
		}
		last := int64(0)
		fetches.EachRecord(func(r *kgo.Record) { n++; last = r.Offset })
		if last >= all[0].end-1 {
			return n
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	c := started(session(1, 1))
	var e eventEncoder
	env := Envelope{Region: "eu-west-1", Status: &diff.WorkerStatus{Status: "RUNNING", HostName: "render-1"}, Recorded: epoch}
	b.ReportAllocs()
	for b.Loop() {
		e.encode(&c, env)
	}
}

func BenchmarkScanState(b *testing.B) {
	value := appendState(nil, &diff.Record{Session: ended(session(1, 1)).Session, Sequence: 2, Seen: epoch})
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	var r stateRecord
	for b.Loop() {
		if !scanState(value, &r) {
			b.Fatal(fmt.Errorf("not scanned: %s", value))
		}
	}
}
