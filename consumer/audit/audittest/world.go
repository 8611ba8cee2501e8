// Package audittest writes topics as Farmwire does, for tests of what reads them.
package audittest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/mod/sumdb/note"

	"farmwire/coverage"
	"farmwire/diff"
	"farmwire/event"
	"farmwire/publisher/kafkatest"
)

const (
	// Prefix is that of the topics.
	Prefix = "deadline.sessions"

	// Region is the AWS region of the farm.
	Region = "eu-west-1"
)

// Topics are the records of the four topics, by topic and partition, in their order.
type Topics map[string][][]*kgo.Record

// Clone returns a copy of which every record can be changed.
func (t Topics) Clone() Topics {
	out := make(Topics)
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

// World publishes as Farmwire does, into memory.
type World struct {
	Topics
	partitions int
	now        time.Time
	signers    []note.Signer
	log, cover []event.Chain // by shard
	Sessions   int           // that were started
	open       map[string]*diff.Record
	worker     int
	Unlogged   bool // publish as a version without a log
	Heartbeats int  // of each shard
}

// NewWorld returns a world without sessions, with so many partitions of each topic. The signers sign its checkpoints.
func NewWorld(partitions int, signers ...note.Signer) *World {
	w := &World{
		Topics: make(Topics), partitions: partitions, signers: signers, now: time.Now().UTC().Truncate(time.Millisecond).Add(-24 * time.Hour),
		log: make([]event.Chain, partitions), cover: make([]event.Chain, partitions), open: make(map[string]*diff.Record),
	}
	for _, suffix := range []string{event.EventsSuffix, event.EndedSuffix, event.StateSuffix, event.CoverageSuffix} {
		w.Topics[Prefix+suffix] = make([][]*kgo.Record, partitions)
	}
	for shard := range partitions {
		w.store(shard, event.WatchKey, event.AppendWatch(nil, event.WatchRecord{Schema: 1, Region: Region, Partitions: partitions, Initial: "open"}))
	}
	return w
}

// PartitionOf returns the partition of a key.
func (w *World) PartitionOf(key string) int {
	return partitioner.Partition(&kgo.Record{Key: []byte(key)}, w.partitions)
}

// partitioner computes murmur2. It keeps nothing.
var partitioner = kgo.StickyKeyPartitioner(nil).ForTopic("")

// write appends a record to a partition.
func (w *World) write(suffix string, partition int, r event.Record) {
	k := &kgo.Record{Topic: Prefix + suffix, Partition: int32(partition), Timestamp: w.now, Key: slices.Clone(r.Key), Value: slices.Clone(r.Value)}
	for _, h := range r.Headers {
		k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Key, Value: slices.Clone(h.Value)})
	}
	w.Topics[k.Topic][partition] = append(w.Topics[k.Topic][partition], k)
}

func (w *World) store(shard int, key string, value []byte) {
	w.write(event.StateSuffix, shard, event.Record{Key: []byte(key), Value: value})
}

// publish publishes a change: the event, its copy and the state.
func (w *World) publish(c diff.Change) {
	shard := w.PartitionOf(c.Session.WorkerID)
	r := event.Encode(&c, event.Envelope{Region: Region, Recorded: w.now, Shard: shard, LogIndex: w.log[shard].Size})
	if w.Unlogged {
		r.Headers = slices.DeleteFunc(r.Headers, func(h event.Header) bool { return h.Key == "ce_shard" || h.Key == "ce_logindex" })
	} else {
		w.log[shard].Add(event.Digest(r))
		w.store(shard, event.LogKey, event.AppendLog(nil, w.log[shard]))
	}
	partition := w.PartitionOf(c.Session.SessionID)
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

// Start starts a session on the next worker and returns its id.
func (w *World) Start() string {
	w.Sessions++
	w.worker = (w.worker + 1) % 7
	id := fmt.Sprintf("session-%032x", w.Sessions)
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

// Next publishes the next change of an open session: its target becomes ENDED, and then it ends.
func (w *World) Next(id string) {
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

// Covers publishes a coverage record of a shard.
func (w *World) Covers(shard int, r coverage.Record) {
	env := event.CoverageEnvelope{
		Region: Region, StateTopic: Prefix + event.StateSuffix, Shard: shard, Time: w.now, Recorded: w.now, CoverageLog: w.cover[shard],
		Instance: "instance-1", Log: w.log[shard],
	}
	if r.Heartbeat != nil && len(w.signers) > 0 {
		text := event.Checkpoint{Origin: event.Origin(Region, env.StateTopic, shard), Log: env.Log, Coverage: env.CoverageLog}.Text()
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

// Beat publishes a heartbeat of each shard.
func (w *World) Beat() {
	w.Heartbeats++
	for shard := range w.partitions {
		at := w.now.Add(-time.Second)
		w.Covers(shard, coverage.Record{Heartbeat: &coverage.Heartbeat{
			Watermark: coverage.Watermark{Changes: at, Announced: at, Starts: at.Add(-time.Minute)}, Fleets: 1, Workers: 7, OpenSessions: len(w.open),
		}})
	}
	w.now = w.now.Add(time.Second)
}

// Live publishes many changes, and heartbeats between them. At the end some sessions are open.
func (w *World) Live(rounds int) *World {
	for round := range rounds {
		for range 5 {
			w.Start()
		}
		for _, id := range slices.Sorted(maps.Keys(w.open)) {
			if (len(id)+round+w.Sessions)%3 > 0 || round%4 == 0 {
				w.Next(id)
			}
		}
		if round == 1 {
			gap := coverage.Gap{Number: 1, Reason: coverage.Throttled, From: w.now.Add(-time.Hour), Affects: coverage.Affects{Changes: true}}
			w.Covers(0, coverage.Record{Gap: &gap})
			gap.Closed, gap.To = true, w.now
			w.Covers(0, coverage.Record{Gap: &gap})
			w.Covers(1%w.partitions, coverage.Record{Gap: &coverage.Gap{Number: 2, Reason: coverage.Denied, Scope: coverage.Scope{FarmID: "farm-1", FleetID: "fleet-2"}, From: w.now}})
		}
		w.Beat()
	}
	w.Start()
	w.Next(w.Start()) // what is newer than the newest heartbeat
	return w
}

// Write creates the topics and writes the records in transactions. Between them it writes records that it aborts. When it returns,
// readers see all that was committed.
func Write(ctx context.Context, brokers []string, all Topics) error {
	const id = "w"
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(1_000_000),
		kgo.UnknownTopicRetries(-1)) // a busy broker may not know at once what the controller has created
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for topic, partitions := range all {
		if _, err := admin.CreateTopic(ctx, int32(len(partitions)), 1, nil, topic); err != nil {
			return err
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
						return err
					}
					for _, r := range of.records {
						r.Topic, r.Partition = topic, int32(p)
					}
					if err := client.ProduceSync(ctx, of.records...).FirstErr(); err != nil {
						return err
					}
					if err := client.EndTransaction(ctx, of.end); err != nil {
						return err
					}
				}
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return kafkatest.AwaitEnd(ctx, admin, id)
}
