package farmwire

import (
	"context"
	"fmt"

	"farmwire/diff"
	"farmwire/event"
	"farmwire/publisher"
)

// dryRunWriter is the shardWriter of a dry run. It calls Config.DryRun with the record that Kafka would get.
type dryRunWriter struct {
	region string
	show   func(event.Record) error
	shown  uint64 // how many events were shown
}

// WithoutLeader returns nothing, because a dry run writes to no partition.
func (d *dryRunWriter) WithoutLeader(context.Context, []diff.Changes) ([]string, error) {
	return nil, nil
}

// CoverageWithoutLeader returns nothing, because a dry run writes to no partition.
func (d *dryRunWriter) CoverageWithoutLeader(context.Context) (string, error) { return "", nil }

// PublishCoverage stores nothing, because a dry run is never restored.
func (d *dryRunWriter) PublishCoverage(context.Context, publisher.Coverage) error { return nil }

// Publish encodes the events of the changes and shows them.
func (d *dryRunWriter) Publish(_ context.Context, changes []diff.Changes) error {
	recorded := publisher.RecordedAt(changes)
	for _, c := range changes {
		env := event.Envelope{Region: d.region, Status: c.Status, Recorded: recorded}
		for i := range c.Events {
			env.LogIndex = d.shown
			d.shown++
			if err := d.show(event.Encode(&c.Events[i], env)); err != nil {
				return fmt.Errorf("show an event: %w", err)
			}
		}
	}
	return nil
}
