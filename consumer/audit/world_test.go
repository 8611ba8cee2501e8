package audit

import (
	"context"
	"crypto/rand"
	"fmt"
	"hash/maphash"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/mod/sumdb/note"

	"farmwire/cluster"
	"farmwire/consumer"
	"farmwire/coverage"
	"farmwire/diff"
	"farmwire/event"
	"farmwire/publisher/kafkatest"
)

// brokers are shared by the tests of this package that run on Apache Kafka.
var brokers kafkatest.Shared

func TestMain(m *testing.M) { os.Exit(brokers.Main(m)) }

const (
	prefix = "deadline.sessions"
	region = "eu-west-1"
)

// topics are the records of the four topics, by topic and partition, in their order.
type topics map[string][][]*kgo.Record

// clone returns a copy of which every record can be changed.
func (t topics) clone() topics {
	out := make(topics)
	for topic, all := range t {
		for _, records := range all {
			copied := []*kgo.Record{}
			for _, r := range records {
				c := *r
				c.Key, c.Value, c.Headers = slices.Clone(r.Key), slices.Clone(r.Value), slices.Clone(r.Headers)
				for i := range c.Headers {
					c.Headers[i].Value = slices.Clone(c.Headers[i].Value)
				}
				copied = append(copied, &c)
			}
			out[topic] = append(out[topic], copied)
		}
	}
	return out
}

// world publishes as Farmwire does, into memory.
type world struct {
	topics
	partitions int
	now        time.Time
	signers    []note.Signer
	log, cover []event.Chain // by shard
	sessions   int
	open       map[string]*diff.Record
	worker     int
	unlogged   bool // publish as a version without a log
	heartbeats int
}

func newWorld(partitions int, signers ...note.Signer) *world {
	w := &world{
		topics: make(topics), partitions: partitions, signers: signers, now: time.Now().UTC().Truncate(time.Millisecond).Add(-24 * time.Hour),
		log: make([]event.Chain, partitions), cover: make([]event.Chain, partitions), open: make(map[string]*diff.Record),
	}
	for _, suffix := range []string{event.EventsSuffix, event.EndedSuffix, event.StateSuffix, event.CoverageSuffix} {
		w.topics[prefix+suffix] = make([][]*kgo.Record, partitions)
	}
	for shard := range partitions {
		w.store(shard, event.WatchKey, event.AppendWatch(nil, event.WatchRecord{Schema: 1, Region: region, Partitions: partitions, Initial: "open"}))
	}
	return w
}

func (w *world) of(key string) int {
	return kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(&kgo.Record{Key: []byte(key)}, w.partitions)
}

// write appends a record to a partition.
func (w *world) write(suffix string, partition int, r event.Record) {
	k := &kgo.Record{Topic: prefix + suffix, Partition: int32(partition), Timestamp: w.now, Key: slices.Clone(r.Key), Value: slices.Clone(r.Value)}
	for _, h := range r.Headers {
		k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Key, Value: slices.Clone(h.Value)})
	}
	w.topics[k.Topic][partition] = append(w.topics[k.Topic][partition], k)
}

func (w *world) store(shard int, key string, value []byte) {
	w.write(event.StateSuffix, shard, event.Record{Key: []byte(key), Value: value})
}

// publish publishes a change: the event, its copy and the state.
func (w *world) publish(c diff.Change) {
	shard := w.of(c.Session.WorkerID)
	r := event.Encode(&c, event.Envelope{Region: region, Recorded: w.now, Shard: shard, LogIndex: w.log[shard].Size})
	if w.unlogged {
		r.Headers = slices.DeleteFunc(r.Headers, func(h event.Header) bool { return h.Key == "ce_shard" || h.Key == "ce_logindex" })
	} else {
		w.log[shard].Add(event.Digest(r))
		w.store(shard, event.LogKey, event.AppendLog(nil, w.log[shard]))
	}
	partition := w.of(c.Session.SessionID)
	w.write(event.EventsSuffix, partition, r)
	if c.Kind == diff.Ended && !c.Snapshot {
		w.write(event.EndedSuffix, partition, r)
	}
	record := diff.Record{Session: c.Session, Sequence: c.Sequence, Seen: w.now}
	w.store(shard, c.Session.SessionID, event.AppendSession(nil, &record))
	w.open[c.Session.SessionID] = &record
	if c.Kind == diff.Ended {
		delete(w.open, c.Session.SessionID)
	}
	w.now = w.now.Add(100 * time.Millisecond)
}

// start starts a session on the next worker and returns its id.
func (w *world) start() string {
	w.sessions++
	w.worker = (w.worker + 1) % 7
	id := fmt.Sprintf("session-%032x", w.sessions)
	w.publish(diff.Change{
		Kind: diff.Started, Sequence: 1,
		Session: diff.Session{
			WorkerKey: diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: fmt.Sprintf("worker-%d", w.worker)},
			QueueID:   "queue-1", JobID: "job-1", SessionID: id, LifecycleStatus: diff.StatusStarted, StartedAt: w.now.Add(-time.Second),
		},
		Observed: diff.Bounds{After: w.now.Add(-2 * time.Second), Before: w.now, Exact: true},
	})
	return id
}

// next publishes the next change of an open session: its target becomes ENDED, and then it ends.
func (w *world) next(id string) {
	previous := w.open[id].Session
	c := diff.Change{
		Kind: diff.Ending, Sequence: w.open[id].Sequence + 1, Session: previous, Previous: &previous,
		Observed: diff.Bounds{After: w.now.Add(-2 * time.Second), Before: w.now},
	}
	if previous.TargetLifecycleStatus != "" {
		c.Kind, c.Session.LifecycleStatus, c.Session.EndedAt, c.Observed.Exact = diff.Ended, diff.StatusEnded, w.now.Add(-time.Second), true
	}
	c.Session.TargetLifecycleStatus = diff.StatusEnded
	w.publish(c)
}

// covers publishes a coverage record of a shard.
func (w *world) covers(shard int, r coverage.Record) {
	env := event.CoverageEnvelope{
		Region: region, StateTopic: prefix + event.StateSuffix, Shard: shard, Time: w.now, Recorded: w.now, CoverageLog: w.cover[shard],
		Instance: "instance-1", Log: w.log[shard],
	}
	if r.Heartbeat != nil && len(w.signers) > 0 {
		text := event.Checkpoint{Origin: event.Origin(region, env.StateTopic, shard), Log: env.Log, Coverage: env.CoverageLog}.Text()
		signed, err := note.Sign(&note.Note{Text: text}, w.signers...)
		if err != nil {
			panic(err)
		}
		env.Checkpoint = string(signed)
	}
	record := event.EncodeCoverage(r, env)
	w.cover[shard].Add(event.Digest(record))
	w.write(event.CoverageSuffix, shard, record)
	w.store(shard, event.CoverageKey, event.AppendCoverageState(nil, event.CoverageState{Shard: shard, Log: w.cover[shard], State: coverage.State{Alive: w.now, NextGap: 3}}))
}

// beat publishes a heartbeat of each shard.
func (w *world) beat() {
	w.heartbeats++
	for shard := range w.partitions {
		at := w.now.Add(-time.Second)
		w.covers(shard, coverage.Record{Heartbeat: &coverage.Heartbeat{
			Watermark: coverage.Watermark{Changes: at, Announced: at, Starts: at.Add(-time.Minute)}, Fleets: 1, Workers: 7, OpenSessions: len(w.open),
		}})
	}
	w.now = w.now.Add(time.Second)
}

// live publishes many changes, and heartbeats between them. At the end some sessions are open.
func (w *world) live(rounds int) *world {
	var open []string
	for round := range rounds {
		for range 5 {
			open = append(open, w.start())
		}
		for _, id := range slices.Sorted(maps.Keys(w.open)) {
			if (len(id)+round+w.sessions)%3 > 0 || round%4 == 0 {
				w.next(id)
			}
		}
		if round == 1 {
			gap := coverage.Gap{Number: 1, Reason: coverage.Throttled, From: w.now.Add(-time.Hour), Affects: coverage.Affects{Changes: true}}
			w.covers(0, coverage.Record{Gap: &gap})
			gap.Closed, gap.To = true, w.now
			w.covers(0, coverage.Record{Gap: &gap})
			w.covers(1%w.partitions, coverage.Record{Gap: &coverage.Gap{Number: 2, Reason: coverage.Denied, Scope: coverage.Scope{FarmID: "farm-1", FleetID: "fleet-2"}, From: w.now}})
		}
		w.beat()
	}
	w.start()
	w.next(w.start()) // what is newer than the newest heartbeat
	return w
}

// keyPair returns a key pair for signatures.
func keyPair(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

// fake starts brokers in the same process.
func fake(t testing.TB) consumer.Config {
	t.Helper()
	b, err := kafkatest.StartFake(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return consumer.Config{Cluster: cluster.Config{Brokers: b.Addrs()}, TopicPrefix: prefix}
}

// writeTopics creates the topics and writes the records in transactions. Between them it writes records that it aborts.
func writeTopics(t testing.TB, c consumer.Config, all topics) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Cluster.Brokers...), kgo.TransactionalID("w"), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(1_000_000))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for topic, partitions := range all {
		if _, err := admin.CreateTopic(t.Context(), int32(len(partitions)), 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	for topic, partitions := range all {
		for p, records := range partitions {
			for chunk := range slices.Chunk(records, max(1, len(records)/2)) {
				aborted := *chunk[0]
				aborted.Value = []byte("aborted")
				for _, of := range []struct {
					records []*kgo.Record
					end     kgo.TransactionEndTry
				}{{[]*kgo.Record{&aborted}, kgo.TryAbort}, {chunk, kgo.TryCommit}} {
					if err := client.BeginTransaction(); err != nil {
						t.Fatal(err)
					}
					for _, r := range of.records {
						r.Topic, r.Partition = topic, int32(p)
					}
					if err := client.ProduceSync(t.Context(), of.records...).FirstErr(); err != nil {
						t.Fatal(err)
					}
					if err := client.EndTransaction(t.Context(), of.end); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

// readTopics reads what a real Farmwire, or a world, has written.
func readTopics(t testing.TB, c consumer.Config) topics {
	t.Helper()
	r, err := openReader(c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	all := make(topics)
	for _, topic := range r.topics() {
		spans, err := r.spans(t.Context(), topic, committed)
		if err != nil {
			t.Fatal(err)
		}
		all[topic] = make([][]*kgo.Record, len(spans))
		err = r.readTopic(t.Context(), topic, spans, func(p int32, record *kgo.Record) { all[topic][p] = append(all[topic][p], record) })
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// run audits topics that are written to brokers of their own.
func run(t testing.TB, all topics, c Config) *Report {
	t.Helper()
	c.Consumer = fake(t)
	writeTopics(t, c.Consumer, all)
	r, err := openReader(c.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	a := &audit{config: c, seed: maphash.MakeSeed(), found: newFindings(), reader: r, settles: 200 * time.Millisecond}
	report, err := a.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// newestCheckpoints are what somebody keeps elsewhere.
func newestCheckpoints(t testing.TB, c consumer.Config) []event.Checkpoint {
	t.Helper()
	notes, err := Checkpoints(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	anchors, err := ParseAnchors(strings.Join(notes, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return anchors
}
