package publisher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
)

// restored is what a partition of the state topic holds.
type restored struct {
	watch     *Watch // nil: the partition has no watch record
	snapshots map[string]diff.Snapshot
	records   int
}

// span is the offsets of a partition: from the first to before the end.
type span struct {
	first, end int64
}

func (s span) empty() bool { return s.first >= s.end }

// spans are the offsets of all partitions of a topic, uncommitted records included. A partition that cannot
// tell at the moment is asked again until ctx ends.
func spans(ctx context.Context, client *kgo.Client, topic string) ([]span, error) {
	pause := newPauses()
	for {
		s, err := askSpans(ctx, client, topic)
		if err == nil || !kerr.IsRetriable(err) || errors.Is(err, kerr.UnknownTopicOrPartition) {
			return s, err
		}
		if pause.wait(ctx, later) != nil {
			return nil, fmt.Errorf("offsets of %s: %w", topic, stopped(ctx, err))
		}
	}
}

func askSpans(ctx context.Context, client *kgo.Client, topic string) ([]span, error) {
	admin := kadm.NewClient(client)
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("end of %s: %w", topic, err)
	}
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("start of %s: %w", topic, err)
	}
	s := make([]span, len(ends[topic]))
	for i := range s {
		end, start := ends[topic][int32(i)], starts[topic][int32(i)]
		if err := errors.Join(end.Err, start.Err); err != nil {
			return nil, fmt.Errorf("offsets of %s-%d: %w", topic, i, err)
		}
		s[i] = span{first: start.Offset, end: end.Offset}
	}
	return s, nil
}

// readCommitted hands every committed record of a span to visit. See readAll.
func readCommitted(ctx context.Context, client *kgo.Client, at topicPartition, s span, nudge func(context.Context) error, visit func(*kgo.Record) (stop bool, err error)) error {
	return readAll(ctx, client, at, s, nudge, func(r *kgo.Record) (bool, error) {
		if r.Attrs.IsControl() {
			return false, nil
		}
		return visit(r)
	})
}

// readAll hands every record of a span to visit, markers too, in order, until the position has reached the
// end, visit says stop, or ctx ends. nudge is called once when nothing has come for a while: it may write a marker
// to the partition, as the end cannot be seen if compaction has emptied the last batches of the log.
func readAll(ctx context.Context, client *kgo.Client, at topicPartition, s span, nudge func(context.Context) error, visit func(*kgo.Record) (stop bool, err error)) error {
	if s.empty() {
		return nil
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{at.topic: {at.partition: kgo.NewOffset().At(s.first)}})
	defer client.RemoveConsumePartitions(map[string][]int32{at.topic: {at.partition}})
	for {
		fetches, err := pollFor(ctx, client, quietTime)
		if err != nil {
			return fmt.Errorf("read %s-%d: %w", at.topic, at.partition, err)
		}
		if fetches.Empty() && nudge != nil {
			if err := nudge(ctx); err != nil {
				return fmt.Errorf("mark the end of %s-%d: %w", at.topic, at.partition, err)
			}
			nudge = nil // what is still held up is held by somebody's open transaction
		}
		for records := fetches.RecordIter(); !records.Done(); {
			r := records.Next()
			if r.Partition != at.partition || r.Topic != at.topic {
				continue
			}
			if r.Offset < s.end {
				stop, err := visit(r)
				if stop || err != nil {
					return err
				}
			}
			if r.Offset >= s.end-1 {
				return nil
			}
		}
	}
}

// quietTime is how long nothing may come before a reader suspects that it sees no end.
const quietTime = 2 * time.Second

// pollFor returns what comes within the time, which may be nothing.
func pollFor(ctx context.Context, client *kgo.Client, quiet time.Duration) (kgo.Fetches, error) {
	within, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	fetches := client.PollFetches(within)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, e := range fetches.Errors() {
		if !errors.Is(e.Err, context.DeadlineExceeded) {
			return nil, e.Err
		}
	}
	return fetches, nil
}

// reader is a client that reads topics back, by default what is committed. Nothing is consumed until a partition is added.
func (c Config) reader(more ...kgo.Opt) (*kgo.Client, error) {
	opts, err := c.readerOpts()
	if err != nil {
		return nil, err
	}
	const fetch = 8 << 20
	opts = append(opts,
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(clientID),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.FetchMaxBytes(fetch),
		kgo.FetchMaxPartitionBytes(fetch),
		kgo.MetadataMinAge(250*time.Millisecond),
	)
	return kgo.NewClient(append(opts, more...)...)
}

// restore reads a shard's partition up to its uncommitted end. The shard must have been fenced before.
func (p *Publisher) restore(ctx context.Context, shard int, nudge func(context.Context) error) (restored, error) {
	client, err := p.config.reader()
	if err != nil {
		return restored{}, err
	}
	defer client.Close()
	topic := p.config.StateTopic()
	all, err := spans(ctx, client, topic)
	if err != nil {
		return restored{}, err
	}
	if len(all) != p.partitions {
		return restored{}, refuseGrowth(topic, p.partitions, len(all))
	}
	fold := newFold(topic)
	at := topicPartition{topic: topic, partition: int32(shard)}
	err = readCommitted(ctx, client, at, all[shard], nudge, func(r *kgo.Record) (bool, error) { return false, fold.add(r) })
	if err != nil {
		return restored{}, err
	}
	return fold.result(), nil
}

// fold makes a shard's state of its records.
type fold struct {
	topic    string
	restorer *diff.Restorer
	watch    *Watch
	records  int
}

func newFold(topic string) *fold { return &fold{topic: topic, restorer: diff.NewRestorer()} }

func (f *fold) add(r *kgo.Record) error {
	var s stateRecord
	f.records++
	switch {
	case string(r.Key) == watchKey:
		return f.addWatch(r.Value)
	case r.Value == nil:
		f.restorer.Delete(string(r.Key))
		return nil
	case !scanState(r.Value, &s):
		return f.addJSON(r.Value)
	}
	if s.ended() {
		f.restorer.PutEnded(s.session, s.farm, s.fleet, s.worker, s.vanished)
		return nil
	}
	record, err := s.record()
	if err != nil {
		return err
	}
	f.restorer.Put(record)
	return nil
}

func (f *fold) addJSON(value []byte) error {
	record, found, err := decodeState(value)
	if err != nil {
		return err
	}
	if found > schema {
		return refuseSchema(f.topic, found)
	}
	f.restorer.Put(record)
	return nil
}

func (f *fold) addWatch(value []byte) error {
	if value == nil {
		f.watch = nil
		return nil
	}
	w, err := decodeWatch(value)
	if err != nil {
		return err
	}
	f.watch = &w
	return nil
}

func (f *fold) result() restored {
	out := restored{watch: f.watch, records: f.records}
	of := func(string) diff.Watch { return diff.Watch{} }
	if f.watch != nil {
		of = f.watch.Of
	}
	out.snapshots = f.restorer.Snapshots(of)
	return out
}
