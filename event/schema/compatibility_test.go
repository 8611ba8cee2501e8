package schema_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"farmwire/event/schema"
)

// published is where the schemas are kept as the last version had them.
const published = "testdata/published/v1"

// present are the schemas of this version, by the names of the files in which they are published. AsyncAPI's schemas of
// headers are made to stand alone.
func present(t *testing.T) map[string]string {
	all := map[string]string{"event.v1.json": schema.Event, "coverage.v1.json": schema.Coverage, "state.v1.json": schema.State}
	described := parse(t, schema.AsyncAPI)
	for _, name := range []string{"components", "schemas"} {
		described = described.(map[string]any)[name]
	}
	for name, file := range map[string]string{"headers": "headers.v1.json", "coverageHeaders": "coverageheaders.v1.json"} {
		text, err := json.MarshalIndent(described.(map[string]any)[name], "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		all[file] = string(text) + "\n"
	}
	return all
}

// No change since the last version breaks a consumer. With -update, what was added is published, and nothing else.
func TestNothingBreaks(t *testing.T) {
	for name, text := range present(t) {
		path := filepath.Join(published, name)
		last, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, what := range breaks(parse(t, string(last)), parse(t, text)) {
			t.Errorf("%s: %s: this needs another version of the events", name, what)
		}
		if *update && !t.Failed() {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The last version's schemas accept what this version writes.
func TestLastVersionAcceptsRecords(t *testing.T) {
	for name, trial := range trials(t) {
		if schemas()[name] == "" {
			continue
		}
		last, err := os.ReadFile(filepath.Join(published, name+".v1.json"))
		if err != nil {
			t.Fatal(err)
		}
		compiled, err := compileAt(parse(t, string(last)), "")
		if err != nil {
			t.Fatal(err)
		}
		for of, value := range trial.good {
			if err := compiled.Validate(value); err != nil {
				t.Errorf("%s: %s: %v", name, of, err)
			}
		}
	}
}

// A change that breaks a consumer is found, with its place.
func TestBreaks(t *testing.T) {
	const laws = "/allOf/-"
	for _, test := range []struct {
		name, of string
		edits    []string
		want     string // what is found begins with this
	}{
		{"a member that is gone", "event", []string{"/properties/worker", "-"}, "/properties/worker is gone"},
		{"a member further in", "event", []string{"/$defs/session/properties/jobId", "-"}, "/$defs/session/properties/jobId is gone"},
		{"a member with another name", "event", []string{"/properties/host", `{}`, "/properties/worker", "-"}, "/properties/worker is gone"},
		{"no more required", "event", []string{"/required/7", "-"}, "/required has not worker"},
		{"required from now on", "event", []string{"/required/-", `"more"`}, "/required has more"},
		{"required under a name", "state", []string{"/$defs/watch/properties/farms/additionalProperties/required/-", `"gone"`},
			"/$defs/watch/properties/farms/additionalProperties/required has gone"},
		{"required in an array", "state", []string{"/$defs/absences/properties/marks/items/required/0", "-"}, "/$defs/absences/properties/marks/items/required has not since"},
		{"null as well", "event", []string{"/properties/observed/type", `["object","null"]`}, "/properties/observed/type has null"},
		{"null no more", "event", []string{"/properties/worker/type", `"object"`}, "/properties/worker/type has not null"},
		{"another type", "event", []string{"/properties/sequence/type", `"string"`}, "/properties/sequence/type has string"},
		{"a number with fractions", "event", []string{"/properties/sequence/type", `"number"`}, "/properties/sequence/type has not integer"},
		{"any type", "event", []string{"/properties/inferred/type", "-"}, "/properties/inferred/type is gone"},
		{"null by a reference", "event", []string{"/properties/observed/properties/before/$ref", `"#/$defs/timeOrNull"`}, "/properties/observed/properties/before/$ref has changed"},
		{"another form of times", "event", []string{"/$defs/time/pattern", `"Z$"`}, "/$defs/time/pattern has changed"},
		{"no format of times", "event", []string{"/$defs/time/format", "-"}, "/$defs/time/format is gone"},
		{"times may be null", "event", []string{"/$defs/timeOrNull/anyOf/-", `{"type":"number"}`}, "/$defs/timeOrNull/anyOf has changed"},
		{"sequence 0", "event", []string{"/properties/sequence/minimum", `0`}, "/properties/sequence/minimum has changed"},
		{"empty identifiers", "event", []string{"/$defs/id/minLength", "-"}, "/$defs/id/minLength is gone"},
		{"a list of values", "event", []string{"/properties/change/enum", `["started"]`}, "/properties/change/enum is new"},
		{"no unknown members", "event", []string{"/additionalProperties", `false`}, "/additionalProperties is new"},
		{"no long names", "event", []string{"/propertyNames", `{"maxLength":9}`}, "/propertyNames is new"},
		{"another name of the schema", "event", []string{"/$id", `"urn:farmwire:session:v2"`}, "/$id has changed"},
		{"a definition that is gone", "state", []string{"/$defs/watch", "-"}, "/$defs/watch is gone"},
		{"a law that is gone", "event", []string{"/allOf/11", "-"}, "/allOf/11 is gone"},
		{"a law with another condition", "event", []string{"/allOf/3/if/properties/change/const", `"begun"`}, "/allOf/3/if has changed"},
		{"a value of a law's list", "event", []string{"/allOf/4/if/properties/change/enum/-", `"paused"`}, "/allOf/4/if has changed"},
		{"a law that says less", "event", []string{"/allOf/3/then/properties/previous", "-"}, "/allOf/3/then/properties/previous is gone"},
		{"a law that says something else", "event", []string{"/allOf/1/then/properties/snapshot/const", `false`}, "/allOf/1/then/properties/snapshot/const has changed"},
		{"a negation", "event", []string{"/$defs/open/properties/lifecycleStatus/not/const", `"OVER"`}, "/$defs/open/properties/lifecycleStatus/not has changed"},
		{"a law about all records", "event", []string{laws, `{"required":["more"]}`}, "/allOf/12 is new"},
		{"a law about known changes", "event", []string{laws, `{"if":{"required":["change"],"properties":{"change":{"const":"ended"}}},"then":{"required":["more"]}}`}, "/allOf/12 is new"},
		{"a law about known members", "state", []string{"/then" + laws, `{"if":{"required":["region"]},"then":false}`}, "/then/allOf/6 is new"},
		{"a law with another side", "event", []string{laws, `{"if":{"required":["more"]},"else":false}`}, "/allOf/12 is new"},
		{"laws in another order", "state", []string{"/then/allOf/0", `{"if":{"required":["quotas"]},"then":true}`}, "/then/allOf/0/if has changed"},
		{"a member that must not be there", "state", []string{"/$defs/session/allOf/1/then/properties/vanished", `true`}, "/$defs/session/allOf/1/then/properties/vanished has changed"},
		{"a header that is gone", "headers", []string{"/properties/ce_id", "-"}, "/properties/ce_id is gone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := present(t)[test.of+".v1.json"]
			found := breaks(parse(t, text), parse(t, edit(t, text, test.edits...)))
			if !strings.HasPrefix(strings.Join(found, "\n"), test.want) && !strings.Contains(strings.Join(found, "\n"), "\n"+test.want) {
				t.Errorf("found %q, want %q", found, test.want)
			}
		})
	}
}

// Whatever rule is removed, that breaks a consumer.
func TestBreaksWithoutAnyRule(t *testing.T) {
	all := trials(t)
	for name, text := range schemas() {
		for _, rule := range rulesOf(t, all[name]) {
			if len(breaks(parse(t, text), parse(t, edit(t, text, rule, "-")))) == 0 {
				t.Errorf("%s: %s can be removed", name, rule)
			}
		}
	}
}

// What is only added breaks nobody.
func TestAdditionsBreakNothing(t *testing.T) {
	const newKind = `{"if":{"required":["change"],"properties":{"change":{"const":"paused"}}},"then":{"properties":{"inferred":{"const":false}}}}`
	for _, test := range []struct {
		name, of string
		edits    []string
	}{
		{"nothing", "event", nil},
		{"a member", "event", []string{"/properties/more", `{"type":"object","required":["a"],"additionalProperties":false}`}},
		{"a member further in", "event", []string{"/$defs/session/properties/stepId", `{"$ref":"#/$defs/id"}`}},
		{"texts", "event", []string{"/title", `"x"`, "/description", "-", "/properties/change/examples/-", `"paused"`, "/allOf/0/$comment", `"x"`}},
		{"texts of a condition", "event", []string{"/allOf/3/if/description", `"x"`}},
		{"a definition", "event", []string{"/$defs/more", `{"type":"string"}`}},
		{"another order", "event", []string{"/required/0", "-", "/required/-", `"change"`}},
		{"a law about a change to come", "event", []string{"/allOf/-", newKind}},
		{"a law about a member to come", "event", []string{"/allOf/-", `{"if":{"required":["more"]},"then":{"properties":{"inferred":{"const":false}}}}`}},
		{"a kind of state record", "state", []string{"/then/allOf/-", `{"if":{"required":["quotas"]},"then":{"$ref":"#/$defs/budget"}}`, "/$defs/budget", `{"required":["quotas"]}`}},
		{"a kind of coverage record", "coverage", []string{"/allOf/-", `{"if":{"required":["quotas"]},"then":{"$ref":"#/$defs/budget"}}`, "/$defs/budget", `{"required":["quotas"]}`}},
		{"a law about a reason to come", "coverage", []string{"/$defs/gap/allOf/-", `{"if":{"required":["reason"],"properties":{"reason":{"const":"paused"}}},"then":{"required":["by"]}}`}},
		{"headers", "headers", []string{"/properties/ce_traceparent", `{"type":"string"}`, "/properties/ce_tracestate", `{"type":"string"}`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := present(t)[test.of+".v1.json"]
			if found := breaks(parse(t, text), parse(t, edit(t, text, test.edits...))); len(found) > 0 {
				t.Errorf("found %q", found)
			}
		})
	}
}
