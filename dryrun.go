package farmwire

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"farmwire/diff"
	"farmwire/publisher"
)

// printer is the shardWriter of a dry run. It prints each event as a line: a CloudEvent in JSON format, with the
// attributes and the data that the record in Kafka would have.
type printer struct {
	out    io.Writer
	region string
}

// PublishWatch stores nothing, because a dry run is never restored.
func (p printer) PublishWatch(context.Context, publisher.Watch) error { return nil }

// Publish prints the events of the changes.
func (p printer) Publish(_ context.Context, changes []diff.Changes) error {
	recorded := publisher.RecordedAt(changes)
	for _, c := range changes {
		env := publisher.Envelope{Region: p.region, Status: c.Status, Recorded: recorded}
		for i := range c.Events {
			line, err := cloudEvent(publisher.EncodeEvent(&c.Events[i], env))
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

// cloudEvent gives an event in binary mode (attributes in headers) the structured JSON form. Source:
// CloudEvents 1.0, JSON Event Format.
func cloudEvent(e publisher.Event) ([]byte, error) {
	attributes := map[string]any{"data": json.RawMessage(e.Value)}
	for _, h := range e.Headers {
		name := strings.TrimPrefix(h.Key, "ce_")
		if name == "content-type" {
			name = "datacontenttype"
		}
		attributes[name] = string(h.Value)
	}
	return json.Marshal(attributes)
}
