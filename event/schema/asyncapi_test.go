package schema_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cluster"
	"farmwire/event"
	"farmwire/event/schema"
	"farmwire/publisher"
	"farmwire/publisher/kafkatest"
)

// schemas are the texts of all schemas, by their names.
func schemas() map[string]string {
	return map[string]string{"event": schema.Event, "coverage": schema.Coverage, "state": schema.State}
}

// The AsyncAPI document has the schemas as they are in their own files, but for $schema and $id, and for references, which
// lead to their new place.
func TestAsyncAPIHasTheSchemas(t *testing.T) {
	head, want, _ := strings.Cut(schema.AsyncAPI, "\n    \"schemas\": {\n")
	for name, text := range schemas() {
		place := regexp.MustCompile(`(?ms)^      "` + name + `": \{\n.*?^      \}`)
		if len(place.FindAllString(want, -1)) != 1 {
			t.Fatalf("there is no place for the schema %s", name)
		}
		want = place.ReplaceAllLiteralString(want, `      "`+name+`": `+moved(text, "#/components/schemas/"+name))
	}
	want = head + "\n    \"schemas\": {\n" + want
	if *update {
		if err := os.WriteFile("asyncapi.json", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, schema.AsyncAPI); d != "" {
		t.Errorf("run this test with -update (-schemas +AsyncAPI):\n%s", d)
	}
}

// moved is the text of a schema as it stands in the AsyncAPI document at a JSON pointer.
func moved(text, pointer string) string {
	text = regexp.MustCompile(`(?m)^  "\$(schema|id)": .*\n`).ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, `"$ref": "#/`, `"$ref": "`+pointer+`/`)
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n      ")
}

// The schemas have only what JSON Schema draft-07 has too, since AsyncAPI's schemas are a superset of that.
func TestSchemasAreAlsoDraft07(t *testing.T) {
	var draft07 = strings.Fields(`title description $comment examples type enum const required properties additionalProperties
		items minItems minLength minimum pattern format allOf anyOf not if then $ref`)
	for name, text := range schemas() {
		walk("", parse(t, text), func(pointer, keyword string, at map[string]any) {
			isTop := pointer == "" && slices.Contains([]string{"$schema", "$id", "$defs"}, keyword)
			if !isTop && !slices.Contains(draft07, keyword) {
				t.Errorf("%s: %s has %s", name, pointer, keyword)
			}
			for other := range at {
				// Draft-07 ignores what stands beside a reference.
				if at["$ref"] != nil && other != "$ref" && !slices.Contains(annotations(), other) {
					t.Errorf("%s: %s has %s beside $ref", name, pointer, other)
				}
			}
		})
	}
}

// What the schemas have in common is the same in all of them.
func TestSchemasAgree(t *testing.T) {
	of := func(text string) map[string]any { return parse(t, text).(map[string]any)["$defs"].(map[string]any) }
	events, records, states := of(schema.Event), of(schema.Coverage), of(schema.State)
	for name, other := range map[string]string{
		"session": "fields", "open": "open", "id": "id", "status": "status", "textOrNull": "textOrNull", "time": "time", "timeOrNull": "timeOrNull",
	} {
		if d := cmp.Diff(events[name], states[other]); d != "" {
			t.Errorf("%s and %s (-event +state):\n%s", name, other, d)
		}
	}
	for _, name := range []string{"id", "textOrNull", "time", "timeOrNull"} {
		if d := cmp.Diff(events[name], records[name]); d != "" {
			t.Errorf("%s (-event +coverage):\n%s", name, d)
		}
	}
}

// The headers are those that are written, and the header ce_dataschema leads to the schema of the value. Events that older
// versions have published have no log, so the two headers of the log are not required.
func TestHeaders(t *testing.T) {
	described := readAsyncAPI(t).Components.Schemas
	for _, of := range []struct {
		record    event.Record
		value     string
		described headersSchema
		optional  []string
	}{
		{eventExamples()["ended"], schema.Event, described.Headers, []string{"ce_shard", "ce_logindex"}},
		{coverageExamples()["heartbeat"], schema.Coverage, described.CoverageHeaders, nil},
	} {
		var names, required []string
		for _, h := range of.record.Headers {
			names = append(names, h.Key)
			if !slices.Contains(of.optional, h.Key) {
				required = append(required, h.Key)
			}
			if h.Key == "ce_dataschema" && parse(t, of.value).(map[string]any)["$id"] != string(h.Value) {
				t.Errorf("the $id of the schema is not %s", h.Value)
			}
		}
		if d := cmp.Diff(required, of.described.Required); d != "" {
			t.Errorf("required (-encoded +AsyncAPI):\n%s", d)
		}
		if d := cmp.Diff(names, slices.Collect(maps.Keys(of.described.Properties)), cmpopts.SortSlices(strings.Compare)); d != "" {
			t.Errorf("described (-encoded +AsyncAPI):\n%s", d)
		}
	}
}

// The channels are the topics that are created by default, with their settings.
func TestChannels(t *testing.T) {
	const replicas = 3
	broker, err := kafkatest.StartFake(t.Context(), replicas)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	config := publisher.Config{Cluster: cluster.Config{Brokers: broker.Addrs()}, TopicPrefix: "deadline.sessions"}
	channels := readAsyncAPI(t).Channels
	spec := publisher.TopicSpec{Partitions: channels["state"].Bindings.Kafka.Partitions, ReplicationFactor: replicas}
	if _, err := publisher.CreateTopics(t.Context(), config, spec); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var addresses []string
	for name, channel := range channels {
		addresses = append(addresses, channel.Address)
		if !strings.HasSuffix(channel.Address, "."+name) {
			t.Errorf("the channel %s has the address %s", name, channel.Address)
		}
		kafka := channel.Bindings.Kafka
		if kafka.Partitions != spec.Partitions || kafka.Replicas != replicas {
			t.Errorf("%s has %d partitions and %d replicas", name, kafka.Partitions, kafka.Replicas)
		}
		if d := cmp.Diff(settingsOf(t, client, channel.Address), kafka.TopicConfiguration); d != "" {
			t.Errorf("%s (-created +AsyncAPI):\n%s", name, d)
		}
	}
	if d := cmp.Diff(config.Topics(), addresses, cmpopts.SortSlices(strings.Compare)); d != "" {
		t.Errorf("(-created +AsyncAPI):\n%s", d)
	}
}

// settingsOf are the settings with which a topic was created, in the form that they have in Kafka bindings.
func settingsOf(t *testing.T, client *kgo.Client, topic string) map[string]any {
	t.Helper()
	described, err := kadm.NewClient(client).DescribeTopicConfigs(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]any{}
	for _, s := range described[0].Configs {
		number, notNumber := strconv.Atoi(s.MaybeValue())
		switch {
		case s.Source.String() != "DYNAMIC_TOPIC_CONFIG":
		case s.Key == "cleanup.policy":
			settings[s.Key] = []any{s.MaybeValue()}
		case notNumber == nil:
			settings[s.Key] = float64(number)
		default:
			settings[s.Key] = s.MaybeValue() == "true"
		}
	}
	return settings
}

// Of each kind of record there is one message, and it accepts no other.
func TestMessagesAreDistinct(t *testing.T) {
	c := load(t)
	for channel, examples := range map[string]map[string]event.Record{"coverage": coverageExamples(), "state": stateExamples()} {
		for name, r := range examples {
			if r.Value == nil {
				continue
			}
			m, err := c.messageOf(channel, r)
			if err != nil {
				t.Fatal(err)
			}
			for _, other := range c.channels[channel] {
				if value := parse(t, string(r.Value)); other.name != m.name && other.payload.Validate(value) == nil {
					t.Errorf("%s is accepted as %s, and not only as %s", name, other.name, m.name)
				}
			}
		}
	}
	for channel, r := range map[string]event.Record{"events": eventExamples()["ended"], "coverage": coverageExamples()["heartbeat"]} {
		r.Headers = slices.DeleteFunc(r.Headers, func(h event.Header) bool { return h.Key == "ce_id" })
		if c.check(channel, r) == nil {
			t.Errorf("%s: a record without a header is accepted", channel)
		}
	}
	r := stateExamples()["session"]
	r.Headers = []event.Header{{Key: "ce_id"}}
	if c.check("state", r) == nil {
		t.Error("a state record with headers is accepted")
	}
}

// Each example in a schema is valid by the schema that has it.
func TestExamplesInSchemas(t *testing.T) {
	for name, text := range schemas() {
		found := 0
		walk("", parse(t, text), func(pointer, keyword string, at map[string]any) {
			if keyword != "examples" {
				return
			}
			compiled, err := compileAt(parse(t, text), pointer)
			if err != nil {
				t.Fatal(err)
			}
			for _, example := range at[keyword].([]any) {
				found++
				if err := compiled.Validate(example); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		if found < 5 {
			t.Errorf("%s has %d examples", name, found)
		}
	}
}
