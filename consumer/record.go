package consumer

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/event"
)

// Record is a record with its place in Kafka.
type Record struct {
	event.Record

	Topic     string
	Partition int32
	Offset    int64
	Time      time.Time // of the record: when Farmwire handed it to Kafka
}

// Event decodes a record of the events topic or of the ended topic. Its errors are those of [event.Decode], with the record's
// place.
func (r Record) Event() (event.Event, error) {
	e, err := event.Decode(r.Key, r.Value, r.Headers)
	if err != nil {
		return e, fmt.Errorf("%s/%d offset %d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	return e, nil
}

// RecordOf returns a record that franz-go has read. Its bytes are those of r.
func RecordOf(r *kgo.Record) Record {
	headers := make([]event.Header, len(r.Headers))
	for i, h := range r.Headers {
		headers[i] = event.Header{Key: h.Key, Value: h.Value}
	}
	return Record{
		Record: event.Record{Key: r.Key, Value: r.Value, Headers: headers},
		Topic:  r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp,
	}
}
