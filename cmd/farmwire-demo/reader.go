package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/event"
	"farmwire/publisher"
)

// reader reads the events and state topics as any consumer would: committed records only, from the beginning.
type reader struct {
	client *kgo.Client
	topics publisher.Config
	since  []map[string]time.Time // by shard and fleet id, from the watch records of the state topic
}

// openReader returns a reader of the topics that cfg names. Shards is the number of partitions of the state topic.
func openReader(cfg publisher.Config, shards int) (*reader, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(cfg.Cluster.Brokers...),
		kgo.ConsumeTopics(cfg.EventsTopic(), cfg.StateTopic()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	if err != nil {
		return nil, fmt.Errorf("open the demo's consumer: %w", err)
	}
	return &reader{client: client, topics: cfg, since: make([]map[string]time.Time, shards)}, nil
}

// Close closes the consumer.
func (r *reader) Close() { r.client.Close() }

// read waits for events until ctx ends, and returns those that arrived. It sorts them by the time at which they were handed
// to Kafka, because a fetch returns them by partition.
func (r *reader) read(ctx context.Context) ([]arrival, error) {
	fetches := r.client.PollFetches(ctx)
	arrived := time.Now()
	for _, e := range fetches.Errors() {
		if ctx.Err() == nil {
			return nil, fmt.Errorf("read %s: %w", e.Topic, e.Err)
		}
	}
	records := fetches.Records()
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return a.Timestamp.Compare(b.Timestamp) })
	var arrivals []arrival
	for _, record := range records {
		if record.Topic == r.topics.StateTopic() {
			if err := r.noteWatch(record); err != nil {
				return nil, err
			}
			continue
		}
		e, err := event.Decode(record.Key, record.Value, headersOf(record))
		if err != nil {
			return nil, fmt.Errorf("read the event at %s/%d offset %d: %w", record.Topic, record.Partition, record.Offset, err)
		}
		arrivals = append(arrivals, arrival{e, arrived})
	}
	return arrivals, nil
}

func headersOf(record *kgo.Record) []event.Header {
	headers := make([]event.Header, len(record.Headers))
	for i, h := range record.Headers {
		headers[i] = event.Header{Key: h.Key, Value: h.Value}
	}
	return headers
}

// noteWatch keeps the times at which the watch on each fleet began, and ignores other records of the state topic.
func (r *reader) noteWatch(record *kgo.Record) error {
	if string(record.Key) != event.WatchKey || record.Value == nil {
		return nil
	}
	state, err := event.DecodeState(record.Key, record.Value)
	if err != nil {
		return fmt.Errorf("read the watch of shard %d: %w", record.Partition, err)
	}
	since := map[string]time.Time{}
	for id, fleet := range state.Watch.Fleets {
		since[id] = fleet.Since
	}
	r.since[record.Partition] = since
	return nil
}

// watched returns when the watch on the fleet of a session began. If it has not begun, watched returns the zero time, so
// that events of the whole session are expected.
func (r *reader) watched(t truth) time.Time {
	return r.since[publisher.ShardOf(t.WorkerID, len(r.since))][t.FleetID]
}
