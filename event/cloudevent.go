package event

import (
	"encoding/json"
	"strings"
)

// MarshalJSON gives an event the structured form of CloudEvents: one JSON object with the attributes of the headers and,
// as its member data, the value. The members are sorted by name. Source: CloudEvents 1.0, JSON Event Format.
func (r Record) MarshalJSON() ([]byte, error) {
	attributes := map[string]any{"data": json.RawMessage(r.Value)}
	for _, h := range r.Headers {
		name := strings.TrimPrefix(h.Key, "ce_")
		if name == contentTypeHeader {
			name = "datacontenttype"
		}
		attributes[name] = string(h.Value)
	}
	return json.Marshal(attributes)
}
