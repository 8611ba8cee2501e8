package trigger

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"farmwire/event"
)

// ContentMode is the form of an event in an HTTP request. Source: CloudEvents 1.0.2, HTTP Protocol Binding, section 1.3.
type ContentMode string

// The content modes.
const (
	BinaryMode     ContentMode = "binary"     // the attributes are headers, and the value is the body
	StructuredMode ContentMode = "structured" // the attributes and the value are one JSON object
)

// encode sets the headers of an event and returns its body.
func (m ContentMode) encode(header http.Header, r event.Record) ([]byte, error) {
	if m == StructuredMode {
		header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
		return json.Marshal(r)
	}
	for _, h := range r.Headers {
		name, isAttribute := strings.CutPrefix(h.Key, "ce_")
		switch {
		case h.Key == "content-type":
			header.Set("Content-Type", string(h.Value))
		case isAttribute && isAttributeName(name):
			header.Set("Ce-"+name, percentEncode(string(h.Value)))
		}
	}
	return bytes.Clone(r.Value), nil // because the transport may still read the body when Deliver has returned
}

// isAttributeName reports whether a name is one of an attribute that is a header of its own. The type of the content is in
// the header Content-Type instead.
func isAttributeName(name string) bool {
	return name != "" && name != "datacontenttype" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// percentEncode returns the form that the value of an attribute has in a header. Source: CloudEvents 1.0.2, HTTP Protocol
// Binding, section 3.1.3.2.
func percentEncode(value string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(value) {
		switch c := value[i]; {
		case c <= ' ', c == '"', c == '%', c > '~':
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
