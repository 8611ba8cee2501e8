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

// reader reads the topics as any consumer would: committed records only, from the beginning.
type reader struct {
	client *kgo.Client
	topics publisher.Config
	since  []map[string]time.Time // by shard and fleet id, from the watch records of the state topic
}

// openReader connects to the topics that cfg names; shards is how many partitions the state topic has.
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

// arrival is an event, and when the demo's consumer had it by our clock.
type arrival struct {
	event.Event
	Arrived time.Time
}

// read waits until ctx ends for events and returns those that came, in the order in which they were handed to Kafka,
// across partitions too. A fetch has them in the order of the partitions.
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

// noteWatch keeps when the watch on each fleet begins. It passes over the other records of the state topic.
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

// watched is when the watch on a session's fleet began. It is zero if the watch has not begun, so that all of the
// session's history is expected.
func (r *reader) watched(t truth) time.Time {
	return r.since[publisher.ShardOf(t.WorkerID, len(r.since))][t.FleetID]
}
