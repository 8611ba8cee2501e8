package main

import (
	"encoding/json"
	"strconv"
	"testing"

	"farmwire/event/schema"
)

// The AsyncAPI document has the topics as they are named and created by default.
func TestAsyncAPIHasTheDefaults(t *testing.T) {
	preset := map[string]string{}
	for _, leaf := range grammar(t, &fileResolver{}).Model.Leaves(true) {
		if leaf.FullPath() != "farmwire topics create" {
			continue
		}
		for _, f := range leaf.Flags {
			preset[f.Name] = f.Default
		}
	}
	var document struct {
		Channels map[string]struct {
			Address  string
			Bindings struct {
				Kafka struct{ Partitions, Replicas int }
			}
		}
	}
	if err := json.Unmarshal([]byte(schema.AsyncAPI), &document); err != nil {
		t.Fatal(err)
	}
	for name, channel := range document.Channels {
		if want := preset["topic-prefix"] + "." + name; channel.Address != want {
			t.Errorf("the address is %s, want %s", channel.Address, want)
		}
		kafka := channel.Bindings.Kafka
		if strconv.Itoa(kafka.Partitions) != preset["partitions"] || strconv.Itoa(kafka.Replicas) != preset["replication-factor"] {
			t.Errorf("%s has %d partitions and %d replicas, and the flags say %v", name, kafka.Partitions, kafka.Replicas, preset)
		}
	}
	if len(document.Channels) < 4 {
		t.Errorf("%d channels", len(document.Channels))
	}
}
