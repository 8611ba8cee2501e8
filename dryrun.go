package farmwire

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"farmwire/diff"
	"farmwire/event"
	"farmwire/publisher"
)

// printer is the shardWriter of a dry run. It prints each event as a line: a CloudEvent in JSON format, with the
// attributes and the data that the record in Kafka would have.
type printer struct {
	out    io.Writer
	region string
}

// PublishWatch stores nothing, because a dry run is never restored.
func (p printer) PublishWatch(context.Context, event.WatchRecord) error { return nil }

// Publish prints the events of the changes.
func (p printer) Publish(_ context.Context, changes []diff.Changes) error {
	recorded := publisher.RecordedAt(changes)
	for _, c := range changes {
		env := event.Envelope{Region: p.region, Status: c.Status, Recorded: recorded}
		for i := range c.Events {
			line, err := json.Marshal(event.Encode(&c.Events[i], env))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(p.out, "%s\n", line); err != nil {
				return fmt.Errorf("print an event: %w", err)
			}
		}
	}
	return nil
}
