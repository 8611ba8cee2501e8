package audit

import (
	"context"
	"hash/maphash"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/mod/sumdb/note"

	"farmwire/consumer"
	"farmwire/consumer/audit/audittest"
)

// busy returns topics with so many sessions of three events each, and a heartbeat of each of 12 shards after every 500 sessions.
func busy(tb testing.TB, start func(testing.TB) consumer.Config, sessions int) (consumer.Config, note.Verifier) {
	tb.Helper()
	signer, verifier := keyPair(tb, "farmwire")
	w := audittest.NewWorld(12, signer)
	for n := range sessions {
		id := w.Start()
		w.Next(id)
		w.Next(id)
		if n%500 == 499 {
			w.Beat()
		}
	}
	c := start(tb)
	write(tb, c, w.Topics)
	return c, verifier
}

// readRaw reads all records of the topics and does nothing with them.
func readRaw(ctx context.Context, tb testing.TB, c consumer.Config) {
	tb.Helper()
	topics := []string{c.StateTopic(), c.CoverageTopic(), c.EndedTopic(), c.EventsTopic()}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Cluster.Brokers...), kgo.ConsumeTopics(topics...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		tb.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topics...)
	if err != nil {
		tb.Fatal(err)
	}
	left := 0
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left++
		}
	})
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			tb.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if end, _ := ends.Lookup(r.Topic, r.Partition); r.Offset+1 == end.Offset {
				left--
			}
		})
	}
}

const benchSessions = 20_000

// BenchmarkAudit reads the topics alone, and audits them beside that. The metric ratio is how many times as long that takes.
func BenchmarkAudit(b *testing.B) {
	b.Run("kfake", func(b *testing.B) { benchmarkAudit(b, fake) })
	b.Run("apache", func(b *testing.B) { benchmarkAudit(b, apache(b)) })
}

func benchmarkAudit(b *testing.B, start func(testing.TB) consumer.Config) {
	c, verifier := busy(b, start, benchSessions)
	var raw, audited time.Duration
	for b.Loop() {
		began := time.Now()
		readRaw(b.Context(), b, c)
		raw += time.Since(began)
		began = time.Now()
		report, err := Run(b.Context(), Config{Consumer: c, Keys: []note.Verifier{verifier}})
		audited += time.Since(began)
		if err != nil || !report.Clean() || report.Sessions != benchSessions {
			b.Fatalf("%+v, %v", report, err)
		}
	}
	b.ReportMetric(float64(audited)/float64(raw), "ratio")
	b.ReportMetric(3*benchSessions*float64(b.N)/audited.Seconds(), "events/s")
}

// An audit needs at most 40 bytes of memory for each event, and 256 for each session.
func TestMemory(t *testing.T) {
	const few, many, events, sessions = 5_000, 25_000, 40, 256
	used := int64(memory(t, many)) - int64(memory(t, few))
	t.Logf("%d bytes for each session with 3 events", used/(many-few))
	if most := int64((many - few) * (3*events + sessions)); used > most {
		t.Errorf("%d bytes for %d sessions, want %d at most", used, many-few, most)
	}
}

// memory returns how many bytes an audit of so many sessions holds when it has read everything. What its client and the embedded
// broker hold does not count: it depends on the requests that were just in flight, and not on the number of events.
func memory(t *testing.T, sessions int) uint64 {
	c, _ := busy(t, fake, sessions)
	r, err := openReader(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	a := &audit{config: Config{Consumer: c}, seed: maphash.MakeSeed(), found: newFindings(), reader: r, settles: time.Second}
	err = a.read(t.Context())
	r.close()
	if err != nil {
		t.Fatal(err)
	}
	a.reader = nil
	with := heap()
	if report := a.report(); !report.Clean() { // also keeps the audit alive until here
		t.Fatalf("%+v", report.Findings[0])
	}
	a = nil
	return with - heap()
}

// heap returns how many bytes are reachable.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
