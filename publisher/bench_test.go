package publisher

import (
	"context"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
	"farmwire/event"
	"farmwire/publisher/kafkatest"
)

// BenchmarkPublish publishes transactions of some events with their state, in turns with franz-go's transactional
// producer, which gets the same records encoded beforehand. It reports how many times as fast this package is, by the
// medians: back to back (rounds of 25 transactions at a time) and with a pause before each transaction; on one broker
// and on three.
//
//	FARMWIRE_TEST_KAFKA=apache go test ./publisher -run '^$' -bench 'Publish$' -benchtime 40x -timeout 30m
func BenchmarkPublish(b *testing.B) {
	for _, brokers := range []int{1, 3} {
		b.Run("brokers="+strconv.Itoa(brokers), func(b *testing.B) {
			addrs := benchCluster(b, brokers)
			for _, events := range []int{1, 10, 100, 1000} {
				b.Run("events="+strconv.Itoa(events), func(b *testing.B) {
					b.Run("back-to-back", func(b *testing.B) { benchmarkPublish(b, addrs, brokers, events, 0, 25) })
					b.Run("pauses", func(b *testing.B) { benchmarkPublish(b, addrs, brokers, events, 20*time.Millisecond, 1) })
				})
			}
		})
	}
}

// benchCluster is the cluster that the tests share, or one of three brokers for this benchmark alone.
func benchCluster(b *testing.B, brokers int) []string {
	if brokers == 1 {
		return apache.Cluster(b).Addrs()
	}
	three := &kafkatest.Shared{Options: kafkatest.Options{Brokers: brokers}}
	b.Cleanup(func() {
		if err := three.Close(); err != nil {
			b.Error(err)
		}
	})
	c := three.Cluster(b)
	if c.Size() != brokers {
		b.Skipf("needs %d brokers of its own", brokers)
	}
	return c.Addrs()
}

// benchmarkPublish publishes rounds of transactions, each after a pause.
func benchmarkPublish(b *testing.B, addrs []string, replicas, events int, pause time.Duration, round int) {
	c := benchConfig(b, addrs, replicas)
	shard := acquire(b, benchOpen(b, c, replicas), 0)
	var changes []diff.Changes
	for n := range events {
		changes = append(changes, changesOf(started(session(1, n))))
	}
	franz := newFranz(b, c)
	records := franzRecords(c, changes)

	var ours, theirs []time.Duration
	for b.Loop() {
		time.Sleep(pause)
		ours = append(ours, repeat(b, round, func() error { return shard.Publish(b.Context(), changes) }))
		time.Sleep(pause)
		theirs = append(theirs, repeat(b, round, func() error { return franz.publish(b.Context(), records) }))
	}
	perTransaction := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(round) }
	b.ReportMetric(perTransaction(median(ours)), "ours-ms/tx")
	b.ReportMetric(perTransaction(median(theirs)), "franz-ms/tx")
	b.ReportMetric(float64(median(theirs))/float64(median(ours)), "times-franz")
}

func repeat(b *testing.B, times int, publish func() error) time.Duration {
	began := time.Now()
	for range times {
		if err := publish(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func benchConfig(b *testing.B, addrs []string, replicas int) Config {
	c := Config{
		Cluster:     clusterAt(addrs),
		TopicPrefix: "bench-" + strconv.FormatInt(time.Now().UnixNano(), 36),
		Region:      "eu-west-1",
		Initial:     "open",
	}
	if _, err := CreateTopics(b.Context(), c, benchTopics(replicas)); err != nil {
		b.Fatal(err)
	}
	return c
}

func benchTopics(replicas int) TopicSpec {
	return TopicSpec{Partitions: 12, ReplicationFactor: replicas}
}

func benchOpen(b *testing.B, c Config, replicas int) *Publisher {
	p, err := Open(b.Context(), c, benchTopics(replicas), testLog(b), nil)
	if err != nil {
		b.Fatal(err)
	}
	return initialized(b, p)
}

// franz is the transactional producer of franz-go.
type franz struct{ client *kgo.Client }

func newFranz(b *testing.B, c Config) franz {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(c.Cluster.Brokers...),
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
			change := &ch.Events[i]
			e := event.Encode(change, event.Envelope{Region: c.Region, Status: ch.Status, Recorded: time.Now()})
			r := &kgo.Record{Topic: c.EventsTopic(), Key: e.Key, Value: e.Value, Partition: int32(ShardOf(string(e.Key), 12))}
			for _, h := range e.Headers {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
			}
			state := event.AppendSession(nil, &diff.Record{Session: change.Session, Sequence: change.Sequence, Seen: change.Seen})
			records = append(records, r, &kgo.Record{Topic: c.StateTopic(), Key: e.Key, Value: state, Partition: 1})
		}
	}
	return records
}

// BenchmarkOneEvent measures one event from its observation (which has been compared with a snapshot by then) until a
// read_committed consumer has it, with a pause before each; in turns with a bare transaction of two records by
// franz-go, from its begin until a consumer of the same kind has the first.
//
//	FARMWIRE_TEST_KAFKA=apache go test ./publisher -run '^$' -bench OneEvent -benchtime 200x
func BenchmarkOneEvent(b *testing.B) {
	for _, brokers := range []int{1, 3} {
		b.Run("brokers="+strconv.Itoa(brokers), func(b *testing.B) { benchmarkOneEvent(b, benchCluster(b, brokers), brokers) })
	}
}

func benchmarkOneEvent(b *testing.B, addrs []string, replicas int) {
	c, bare := benchConfig(b, addrs, replicas), benchConfig(b, addrs, replicas)
	shard := acquire(b, benchOpen(b, c, replicas), 0)
	franz := newFranz(b, bare)
	records := franzRecords(bare, []diff.Changes{changesOf(started(session(1, 1)))})
	ourReader, theirReader := newTail(b, c), newTail(b, bare)
	snapshot := diff.NewSnapshot(session(1, 1).WorkerKey, diff.Watch{Since: epoch})

	var ours, theirs []time.Duration
	n := 0
	for b.Loop() {
		n++
		time.Sleep(20 * time.Millisecond)
		began := time.Now()
		changes := diff.Between(snapshot, observationOf(session(1, n), uint64(n)))
		if err := shard.Publish(b.Context(), []diff.Changes{changes}); err != nil {
			b.Fatal(err)
		}
		ourReader.next(b)
		ours = append(ours, time.Since(began))

		time.Sleep(20 * time.Millisecond)
		began = time.Now()
		if err := franz.publish(b.Context(), records); err != nil {
			b.Fatal(err)
		}
		theirReader.next(b)
		theirs = append(theirs, time.Since(began))
	}
	b.ReportMetric(float64(median(ours).Microseconds())/1000, "ours-ms")
	b.ReportMetric(float64(median(theirs).Microseconds())/1000, "bare-ms")
	b.ReportMetric(float64(median(ours))/float64(median(theirs)), "times-bare")
}

// observationOf is a complete listing that shows one session for the first time.
func observationOf(s diff.Session, n uint64) diff.Observation {
	now := time.Now()
	x := diff.Exchange{Sent: now, Arrived: now, SentTick: 2 * n, ArrivedTick: 2*n + 1}
	return diff.Observation{Worker: s.WorkerKey, Source: diff.CompleteListing, FirstRequest: x, Pages: 1, Sightings: []diff.Sighting{{Session: s, Exchange: x}}}
}

// tail is a read_committed consumer of the events from now on.
type tail struct{ client *kgo.Client }

func newTail(b *testing.B, c Config) tail {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(c.Cluster.Brokers...),
		kgo.ConsumeTopics(c.EventsTopic()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	return tail{client}
}

// next waits for a record.
func (t tail) next(b *testing.B) {
	for {
		fetches := t.client.PollFetches(b.Context())
		if err := fetches.Err(); err != nil {
			b.Fatal(err)
		}
		if fetches.NumRecords() > 0 {
			return
		}
	}
}

// BenchmarkRestore acquires a shard of many ended sessions and a few open ones, in turns with a raw
// consume of the same partition. FARMWIRE_BENCH_RECORDS says how many; default 1,000,000.
//
//	FARMWIRE_TEST_KAFKA=apache go test ./publisher -run '^$' -bench Restore -benchtime 7x
func BenchmarkRestore(b *testing.B) {
	total := 1_000_000
	if said := os.Getenv("FARMWIRE_BENCH_RECORDS"); said != "" {
		var err error
		if total, err = strconv.Atoi(said); err != nil {
			b.Fatal(err)
		}
	}
	c := benchConfig(b, apache.Cluster(b).Addrs(), 1)
	p := benchOpen(b, c, 1)
	fill(b, acquire(b, p, 0), total)

	var ours, raw []time.Duration
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
		ours = append(ours, between.Sub(began))
		raw = append(raw, time.Since(rawBegan))
	}
	b.ReportMetric(median(ours).Seconds(), "restore-s")
	b.ReportMetric(median(raw).Seconds(), "raw-s")
	b.ReportMetric(float64(median(raw))/float64(median(ours)), "times-raw")
}

// BenchmarkAcquire acquires a shard of a few sessions again and again on brokers that do nothing else.
//
//	FARMWIRE_TEST_KAFKA=apache go test ./publisher -run '^$' -bench Acquire -benchtime 50x
func BenchmarkAcquire(b *testing.B) {
	for _, brokers := range []int{1, 3} {
		b.Run("brokers="+strconv.Itoa(brokers), func(b *testing.B) {
			c := benchConfig(b, benchCluster(b, brokers), brokers)
			p := benchOpen(b, c, brokers)
			fill(b, acquire(b, p, 0), 100)
			var took []time.Duration
			for b.Loop() {
				time.Sleep(50 * time.Millisecond) // until the markers of the one before are written
				began := time.Now()
				acquire(b, p, 0)
				took = append(took, time.Since(began))
			}
			b.ReportMetric(float64(median(took).Microseconds())/1000, "acquire-ms")
		})
	}
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
	const fetch = 8 << 20
	client, err := c.reader(kgo.FetchMaxBytes(fetch), kgo.FetchMaxPartitionBytes(fetch))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(b.Context(), c.StateTopic())
	if err != nil {
		b.Fatal(err)
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{c.StateTopic(): {0: kgo.NewOffset().AtStart()}})
	n := 0
	for {
		fetches := client.PollFetches(b.Context())
		if err := fetches.Err(); err != nil {
			b.Fatal(err)
		}
		last := int64(0)
		fetches.EachRecord(func(r *kgo.Record) { n++; last = r.Offset })
		if last >= ends[c.StateTopic()][0].Offset-1 {
			return n
		}
	}
}
