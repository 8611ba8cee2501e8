package main

import (
	"context"
	"fmt"
	"time"

	"farmwire/consumer"
	"farmwire/event"
	"farmwire/publisher"
)

// reader reads the events and state topics as any consumer would: committed records only, from the beginning.
type reader struct {
	*consumer.Reader
	stateTopic string
	since      []map[string]time.Time // by shard and fleet id, from the watch records of the state topic
}

// openReader returns a reader of the topics of the stage.
func (s *stage) openReader(ctx context.Context) (*reader, error) {
	c := consumer.Config{Cluster: s.kafka().Cluster, TopicPrefix: topicPrefix}
	topics, err := consumer.Open(ctx, c, consumer.Beginning(), c.EventsTopic(), c.StateTopic())
	if err != nil {
		return nil, fmt.Errorf("open the demo's consumer: %w", err)
	}
	return &reader{topics, c.StateTopic(), make([]map[string]time.Time, shards)}, nil
}

// read waits for events until ctx ends, and returns those that arrived.
func (r *reader) read(ctx context.Context) ([]arrival, error) {
	records, err := r.Read(ctx)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	arrived := time.Now()
	var arrivals []arrival
	for _, record := range records {
		if record.Topic == r.stateTopic {
			if err := r.noteWatch(record); err != nil {
				return nil, err
			}
			continue
		}
		e, err := record.Event()
		if err != nil {
			return nil, fmt.Errorf("read an event: %w", err)
		}
		arrivals = append(arrivals, arrival{e, arrived})
	}
	return arrivals, nil
}

// noteWatch keeps the times at which the watch on each fleet began, and ignores other records of the state topic.
func (r *reader) noteWatch(record consumer.Record) error {
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
