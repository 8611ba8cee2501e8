package schema_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"farmwire/event"
	"farmwire/event/schema"
)

var (
	update = flag.Bool("update", false, "write the schemas into the AsyncAPI document, and what was added to them into testdata/published")
	folder = flag.String("records", "", "write the records that are tested into this folder, for validators of other languages")
)

// contract is what the files promise, compiled.
type contract struct {
	event, state             *jsonschema.Schema
	session, watch, absences *jsonschema.Schema   // the parts of state for each kind of record
	channels                 map[string][]message // of the AsyncAPI document, by the ends of the topics' names
}

// message is one of a channel of the AsyncAPI document.
type message struct {
	name                  string
	key, headers, payload *jsonschema.Schema // headers may be nil
}

// load compiles the files. Formats are checked too.
func load(t testing.TB) *contract {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7) // AsyncAPI's own
	compiler.AssertFormat()
	const asyncapi = "urn:asyncapi"
	for url, text := range map[string]string{"urn:event": schema.Event, "urn:state": schema.State, asyncapi: schema.AsyncAPI} {
		if err := compiler.AddResource(url, parse(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	compile := func(url string) *jsonschema.Schema {
		compiled, err := compiler.Compile(url)
		if err != nil {
			t.Fatal(err)
		}
		return compiled
	}
	c := &contract{
		event: compile("urn:event"), state: compile("urn:state"), session: compile("urn:state#/$defs/session"),
		watch: compile("urn:state#/$defs/watch"), absences: compile("urn:state#/$defs/absences"), channels: map[string][]message{},
	}
	document := readAsyncAPI(t)
	for name, channel := range document.Channels {
		for _, ref := range channel.Messages {
			m := message{name: strings.TrimPrefix(ref.Ref, "#/components/messages/")}
			at := asyncapi + ref.Ref
			m.key, m.payload = compile(at+"/bindings/kafka/key"), compile(at+"/payload")
			if document.Components.Messages[m.name].Headers != nil {
				m.headers = compile(at + "/headers")
			}
			c.channels[name] = append(c.channels[name], m)
		}
	}
	return c
}

// check returns an error if a record is not one that the files describe. The channel is the end of the name of its topic.
func (c *contract) check(channel string, r event.Record) error {
	var value any
	if r.Value != nil {
		var err error
		if value, err = jsonschema.UnmarshalJSON(strings.NewReader(string(r.Value))); err != nil {
			return err
		}
		if err := c.checkValue(channel, string(r.Key), value); err != nil {
			return err
		}
	}
	m, err := c.messageOf(channel, r)
	if err != nil {
		return err
	}
	if err := m.payload.Validate(value); err != nil {
		return fmt.Errorf("the payload of the message %s: %w", m.name, err)
	}
	if m.headers == nil {
		if len(r.Headers) > 0 {
			return fmt.Errorf("the message %s has headers: %v", m.name, r.Headers)
		}
		return nil
	}
	headers := map[string]any{}
	for _, h := range r.Headers {
		headers[h.Key] = string(h.Value)
	}
	return m.headers.Validate(headers)
}

// checkValue validates a value with the schema of its topic, and one of the state topic also with that of its kind.
func (c *contract) checkValue(channel, key string, value any) error {
	if channel != "state" {
		return c.event.Validate(value)
	}
	kind := c.session
	switch {
	case key == event.WatchKey:
		kind = c.watch
	case event.IsOwnKey(key):
		kind = c.absences
	}
	return errors.Join(c.state.Validate(value), kind.Validate(value))
}

// messageOf returns the only message of the channel that the record can be.
func (c *contract) messageOf(channel string, r event.Record) (m message, err error) {
	found := 0
	for _, candidate := range c.channels[channel] {
		isTombstone := candidate.payload.Validate(nil) == nil
		if candidate.key.Validate(string(r.Key)) == nil && isTombstone == (r.Value == nil) {
			m, found = candidate, found+1
		}
	}
	if found != 1 {
		return m, fmt.Errorf("the key %q is that of %d messages of the channel %s", r.Key, found, channel)
	}
	return m, nil
}

// asyncAPI is what the tests read of the AsyncAPI document.
type asyncAPI struct {
	Channels map[string]struct {
		Address  string
		Messages map[string]struct {
			Ref string `json:"$ref"`
		}
		Bindings struct {
			Kafka struct {
				Partitions, Replicas int
				TopicConfiguration   map[string]any
			}
		}
	}
	Components struct {
		Messages map[string]struct{ Headers map[string]any }
		Schemas  struct {
			Headers struct {
				Required   []string
				Properties map[string]any
			}
		}
	}
}

func readAsyncAPI(t testing.TB) (document asyncAPI) {
	t.Helper()
	if err := json.Unmarshal([]byte(schema.AsyncAPI), &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// parse reads JSON. Numbers keep their digits.
func parse(t testing.TB, text string) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}

// pass writes a value into the folder of the flag -records, if it is given: the schema and the name are the path.
func pass(t testing.TB, schema, name, value string) {
	t.Helper()
	if *folder == "" {
		return
	}
	path := filepath.Join(*folder, schema, name+".json")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(value), 0o644)); err != nil {
		t.Fatal(err)
	}
}
