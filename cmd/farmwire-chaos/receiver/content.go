package receiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Write writes an event down: its attributes as lines, sorted by name, and then its data. Two events are written alike if they
// are the same, in whatever form they came.
func Write(attributes map[string]string, data []byte) (string, error) {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		fmt.Fprintf(&text, "%s=%s\n", name, attributes[name])
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return "", fmt.Errorf("the data is no JSON: %w", err)
	}
	return text.String() + compact.String(), nil
}

// read reads the event of a request in the binary or the structured mode of CloudEvents, and returns its id, too.
func read(header http.Header, body []byte) (id, content string, err error) {
	attributes, data := map[string]string{}, body
	if strings.HasPrefix(header.Get("Content-Type"), "application/cloudevents+json") {
		data, err = structured(body, attributes)
	} else {
		err = binary(header, attributes)
	}
	if err != nil {
		return "", "", err
	}
	content, err = Write(attributes, data)
	return attributes["id"], content, err
}

func binary(header http.Header, attributes map[string]string) error {
	attributes["datacontenttype"] = header.Get("Content-Type")
	for name, values := range header {
		name, ok := strings.CutPrefix(strings.ToLower(name), "ce-")
		if !ok {
			continue
		}
		value, err := url.PathUnescape(values[0])
		if err != nil || len(values) != 1 {
			return fmt.Errorf("the header of the attribute %s is %q", name, values)
		}
		attributes[name] = value
	}
	return nil
}

func structured(body []byte, attributes map[string]string) (data []byte, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	for name, raw := range members {
		var value string
		switch {
		case name == "data":
			data = raw
		case json.Unmarshal(raw, &value) != nil:
			return nil, fmt.Errorf("the attribute %s is %s", name, raw)
		default:
			attributes[name] = value
		}
	}
	if data == nil {
		return nil, errors.New("there is no data")
	}
	return data, nil
}
