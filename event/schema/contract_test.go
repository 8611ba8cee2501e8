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
	event, coverage, state *jsonschema.Schema
	coverageKinds          map[string]*jsonschema.Schema // the parts of coverage for each kind of record, by the header ce_type
	stateKinds             map[string]*jsonschema.Schema // the parts of state for each kind of record, by the key; session and absences have others
	channels               map[string][]message          // of the AsyncAPI document, by the ends of the topics' names
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
	for url, text := range map[string]string{
		"urn:event": schema.Event, "urn:coverage": schema.Coverage, "urn:state": schema.State, asyncapi: schema.AsyncAPI,
	} {
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
		event: compile("urn:event"), coverage: compile("urn:coverage"), state: compile("urn:state"),
		coverageKinds: map[string]*jsonschema.Schema{}, stateKinds: map[string]*jsonschema.Schema{}, channels: map[string][]message{},
	}
	for _, kind := range coverageKinds() {
		c.coverageKinds["farmwire.coverage."+kind+".v1"] = compile("urn:coverage#/$defs/" + kind)
	}
	for _, kind := range stateKinds() {
		c.stateKinds[kind] = compile("urn:state#/$defs/" + kind)
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
		if err := c.checkValue(channel, r, value); err != nil {
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
	return m.headers.Validate(headersOf(r))
}

// headersOf are the headers of a record as the AsyncAPI document takes them.
func headersOf(r event.Record) map[string]any {
	headers := map[string]any{}
	for _, h := range r.Headers {
		headers[h.Key] = string(h.Value)
	}
	return headers
}

// coverageKinds are the kinds of records of the coverage topic.
func coverageKinds() []string { return []string{"heartbeat", "gap", "watch"} }

// stateKinds are the kinds of records of the state topic.
func stateKinds() []string {
	return []string{"session", "absences", event.WatchKey, event.LogKey, event.CoverageKey, event.WorkersKey}
}

// checkValue validates a value with the schema of its topic, and with that of its kind where the topic has several kinds.
func (c *contract) checkValue(channel string, r event.Record, value any) error {
	switch channel {
	case "coverage":
		kind := c.coverageKinds[fmt.Sprint(headersOf(r)["ce_type"])]
		if kind == nil {
			return fmt.Errorf("a coverage record of an unknown kind: %v", headersOf(r))
		}
		return errors.Join(c.coverage.Validate(value), kind.Validate(value))
	case "state":
		kind := c.stateKinds[string(r.Key)]
		switch {
		case !event.IsOwnKey(string(r.Key)):
			kind = c.stateKinds["session"]
		case kind == nil:
			kind = c.stateKinds["absences"]
		}
		return errors.Join(c.state.Validate(value), kind.Validate(value))
	}
	return c.event.Validate(value)
}

// messageOf returns the only message of the channel that the record can be. Those of the coverage topic differ in their headers.
func (c *contract) messageOf(channel string, r event.Record) (m message, err error) {
	found := 0
	for _, candidate := range c.channels[channel] {
		isTombstone := candidate.payload.Validate(nil) == nil
		hasHeaders := channel != "coverage" || candidate.headers.Validate(headersOf(r)) == nil
		if candidate.key.Validate(string(r.Key)) == nil && isTombstone == (r.Value == nil) && hasHeaders {
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
			Headers, CoverageHeaders headersSchema
		}
	}
}

// headersSchema is what the tests read of a schema of headers.
type headersSchema struct {
	Required   []string
	Properties map[string]any
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
