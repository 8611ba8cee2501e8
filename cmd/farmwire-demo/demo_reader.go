package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

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

// Close leaves the brokers.
func (r *reader) Close() { r.client.Close() }

// read waits until ctx ends for events and returns those that came, in the order in which they were
// handed to Kafka: across partitions too, where a fetch has them in the partitions' order.
func (r *reader) read(ctx context.Context) ([]event, error) {
	fetches := r.client.PollFetches(ctx)
	arrived := time.Now()
	for _, e := range fetches.Errors() {
		if ctx.Err() == nil {
			return nil, fmt.Errorf("read %s: %w", e.Topic, e.Err)
		}
	}
	records := fetches.Records()
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return a.Timestamp.Compare(b.Timestamp) })
	var events []event
	for _, record := range records {
		if record.Topic == r.topics.StateTopic() {
			if err := r.noteWatch(record); err != nil {
				return nil, err
			}
			continue
		}
		e, err := readEvent(record, arrived)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// noteWatch keeps when the watch on each fleet begins; other state records are passed over.
func (r *reader) noteWatch(record *kgo.Record) error {
	if string(record.Key) != "watch" {
		return nil
	}
	var watch struct {
		Fleets map[string]struct{ Since time.Time }
	}
	if err := json.Unmarshal(record.Value, &watch); err != nil {
		return fmt.Errorf("read the watch of shard %d: %w", record.Partition, err)
	}
	since := map[string]time.Time{}
	for id, fleet := range watch.Fleets {
		since[id] = fleet.Since
	}
	r.since[record.Partition] = since
	return nil
}

// watched is when the watch on a session's fleet began, the zero time if it has not: then all of its
// history would have to be told.
func (r *reader) watched(t truth) time.Time {
	return r.since[publisher.ShardOf(t.WorkerID, len(r.since))][t.FleetID]
}
