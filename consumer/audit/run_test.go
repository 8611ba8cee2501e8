package audit

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/mod/sumdb/note"

	"farmwire/cluster"
	"farmwire/consumer"
	"farmwire/consumer/audit/audittest"
	"farmwire/event"
	"farmwire/publisher/kafkatest"
)

// clean audits topics and fails if anything is found.
func clean(t *testing.T, c Config) *Report {
	t.Helper()
	report, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		t.Errorf("%+v", f)
	}
	return report
}

// deleteRecords deletes the oldest records of each partition of a topic, as retention does: all but so many.
func deleteRecords(t *testing.T, c consumer.Config, topic string, left int64) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Cluster.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	ends, err := admin.ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	offsets := make(kadm.Offsets)
	ends.Each(func(o kadm.ListedOffset) { offsets.AddOffset(o.Topic, o.Partition, max(0, o.Offset-left), -1) })
	if _, err := admin.DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
}

// After retention, what is left is verified from the first heartbeat on that is not older than it.
func TestRetention(t *testing.T) {
	signer, verifier := keyPair(t, "farmwire")
	w := audittest.NewWorld(3, signer).Live(30)
	for _, tc := range []struct {
		name   string
		left   map[string]int64 // records of each partition
		whole  bool             // every event is verified
		forged Kind             // what is found if an event that is left is changed as well
	}{
		{"ended", map[string]int64{event.EndedSuffix: 5}, true, ChainDiffers},
		{"coverage", map[string]int64{event.CoverageSuffix: 12}, true, ChainDiffers},
		{"events", map[string]int64{event.EventsSuffix: 60}, false, ChainDiffers},
		{"all", map[string]int64{event.EndedSuffix: 5, event.CoverageSuffix: 20, event.EventsSuffix: 60}, false, ChainDiffers},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, forge := range []bool{false, true} {
				c, topics := fake(t), w.Topics.Clone()
				if forge {
					records := topics[prefix+event.EventsSuffix][0]
					r := records[len(records)-5]
					r.Value = []byte(strings.Replace(string(r.Value), "queue-1", "queue-2", 1))
				}
				write(t, c, topics)
				for suffix, left := range tc.left {
					deleteRecords(t, c, prefix+suffix, left)
				}
				if forge {
					report, err := Run(t.Context(), Config{Consumer: c})
					if err != nil || report.Counts[tc.forged] == 0 {
						t.Errorf("%v, %v", report.Counts, err)
					}
					continue
				}
				report := clean(t, Config{Consumer: c, Keys: []note.Verifier{verifier}})
				for _, s := range report.Shards {
					if (s.VerifiedFrom == 0) != tc.whole || s.VerifiedTo != s.Events || s.VerifiedFrom >= s.VerifiedTo {
						t.Errorf("%+v", s)
					}
				}
			}
		})
	}
}

// Events of a version that had no log are counted, and nothing is found.
func TestEventsBeforeTheLog(t *testing.T) {
	w := audittest.NewWorld(3)
	w.Unlogged = true
	for range 10 {
		w.Start()
	}
	w.Unlogged = false
	c := fake(t)
	write(t, c, w.Live(5).Topics)
	if report := clean(t, Config{Consumer: c}); report.Unlogged != 10 || report.Events < 30 {
		t.Errorf("%d of %d events have no index", report.Unlogged, report.Events)
	}
}

// Compaction leaves out what is old, and the newest records may be what it has left out.
func TestCompactedState(t *testing.T) {
	b, err := kafkatest.StartFake(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	c := consumer.Config{Cluster: cluster.Config{Brokers: b.Addrs()}, TopicPrefix: prefix}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	write(t, c, audittest.NewWorld(3).Live(10).Topics)
	compact := "compact"
	change := []kadm.AlterConfig{{Name: "cleanup.policy", Value: &compact}}
	if _, err := kadm.NewClient(client).AlterTopicConfigs(t.Context(), change, c.StateTopic()); err != nil {
		t.Fatal(err)
	}
	before := clean(t, Config{Consumer: c}).States
	b.Compact()
	if after := clean(t, Config{Consumer: c}).States; after >= before {
		t.Errorf("%d state records after compaction, and %d before", after, before)
	}
}

// While Farmwire publishes, an audit finds nothing either.
func TestWhilePublishing(t *testing.T) {
	c := fake(t)
	w := audittest.NewWorld(3)
	write(t, c, w.Live(2).Topics)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Cluster.Brokers...), kgo.TransactionalID("live"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var published atomic.Int64
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for ctx.Err() == nil {
			w.Topics = make(audittest.Topics)
			for _, suffix := range []string{event.EventsSuffix, event.EndedSuffix, event.StateSuffix, event.CoverageSuffix} {
				w.Topics[prefix+suffix] = make([][]*kgo.Record, 3)
			}
			w.Next(w.Start()) // one transaction, and then one for the heartbeats
			if !commit(t, client, w.Topics) {
				return
			}
			for topic := range w.Topics {
				w.Topics[topic] = make([][]*kgo.Record, 3)
			}
			w.Beat()
			if !commit(t, client, w.Topics) {
				return
			}
			published.Add(1)
		}
	})
	late := time.Now().Add(2 * time.Minute) // the publisher may have little time on a busy machine
	for n := 0; n < 20 || published.Load() < 10 && !t.Failed() && time.Now().Before(late); n++ {
		clean(t, Config{Consumer: c})
	}
	cancel()
	publishing.Wait()
	if n := published.Load(); n < 10 {
		t.Errorf("only %d transactions were published meanwhile", n)
	}
}

// commit publishes records in one transaction. It reports whether that succeeded.
func commit(t *testing.T, client *kgo.Client, all audittest.Topics) bool {
	var records []*kgo.Record
	for _, partitions := range all {
		for _, of := range partitions {
			records = append(records, of...)
		}
	}
	err := client.BeginTransaction()
	if err == nil {
		err = client.ProduceSync(context.Background(), records...).FirstErr()
	}
	if err == nil {
		err = client.EndTransaction(context.Background(), kgo.TryCommit)
	}
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

// Brokers that cannot be asked are an error, and never topics without records.
func TestCouldNotRead(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	c := consumer.Config{Cluster: cluster.Config{Brokers: []string{silent.Addr().String()}}, TopicPrefix: prefix}
	if report, err := Run(ctx, Config{Consumer: c}); report != nil || err == nil {
		t.Errorf("%+v, %v", report, err)
	}

	c = fake(t)
	report, err := Run(t.Context(), Config{Consumer: c})
	if problem, ok := errors.AsType[*cluster.Error](err); report != nil || !ok || problem.Kind != consumer.TopicMissing {
		t.Errorf("%+v, %v", report, err)
	}
}

// Whenever the context ends, the error is that of the context.
func TestContextEnds(t *testing.T) {
	c := fake(t)
	write(t, c, audittest.NewWorld(1).Live(2).Topics)
	for n := range 100 {
		for name, ask := range map[string]func(context.Context) error{
			"audit":       func(ctx context.Context) error { _, err := Run(ctx, Config{Consumer: c}); return err },
			"checkpoints": func(ctx context.Context) error { _, err := Checkpoints(ctx, c); return err },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*200*time.Microsecond)
			if err := ask(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s after %d × 200 µs: %v", name, n, err)
			}
			cancel()
		}
	}
}

// A transaction that stays open makes an audit wait, as it makes every consumer wait. The audit says so.
func TestOpenTransaction(t *testing.T) {
	c := fake(t)
	write(t, c, audittest.NewWorld(1).Live(2).Topics)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Cluster.Brokers...), kgo.TransactionalID("open"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := errors.Join(client.BeginTransaction(), client.ProduceSync(t.Context(), &kgo.Record{Topic: c.EventsTopic(), Value: []byte("open")}).FirstErr()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if report, err := Run(ctx, Config{Consumer: c}); report != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%+v, %v", report, err)
	}
	if err := client.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	clean(t, Config{Consumer: c})
}
