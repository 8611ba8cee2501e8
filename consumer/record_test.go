package consumer

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/event"
)

// What cannot be decoded says where it is, and what kind of problem it is.
func TestRecordsThatAreNoEvents(t *testing.T) {
	for name, c := range map[string]struct {
		kind string
		want error
	}{
		"unknown":   {"farmwire.session.paused.v1", event.ErrUnknown},
		"malformed": {"somebody.else", event.ErrMalformed},
	} {
		r := RecordOf(&kgo.Record{Topic: "p.events", Partition: 2, Offset: 7, Headers: []kgo.RecordHeader{{Key: "ce_type", Value: []byte(c.kind)}}})
		if _, err := r.Event(); !errors.Is(err, c.want) || !strings.HasPrefix(err.Error(), "p.events/2 offset 7: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
