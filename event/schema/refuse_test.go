package schema_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"farmwire/event"
	"farmwire/event/schema"
)

// wrong is a record that its schema must refuse: an example with edits, as edit takes them.
type wrong struct {
	of    string // the example
	edits []string
}

func (w wrong) name() string { return w.of + " " + strings.Join(w.edits, " ") }

// each makes one wrong record of the example for each value at the JSON pointer.
func each(of, pointer string, values ...string) (all []wrong) {
	for _, v := range values {
		all = append(all, wrong{of, []string{pointer, v}})
	}
	return all
}

// without makes one wrong record of the example for each of the members, by removing it.
func without(of, pointer string, members ...string) (all []wrong) {
	for _, m := range members {
		all = append(all, wrong{of, []string{pointer + "/" + m, "-"}})
	}
	return all
}

// wrongTimes are of other forms than RFC 3339 in UTC with milliseconds.
func wrongTimes() []string {
	return []string{
		`17`, `""`, `"now"`, `"2030-01-02T03:04:05Z"`, `"2030-01-02T03:04:05.678"`, `"2030-01-02T03:04:05.678+00:00"`, `"2030-01-02T03:04:05.678z"`,
		`"2030-01-02t03:04:05.678Z"`, `"2030-01-02 03:04:05.678Z"`, `"2030-01-02T03:04:05,678Z"`, `"2030-01-02T03:04:05.6789Z"`, `"2030-01-02T03:04:05.67Z"`,
		`"2030-00-02T03:04:05.678Z"`, `"2030-13-02T03:04:05.678Z"`, `"2030-01-00T03:04:05.678Z"`, `"2030-01-32T03:04:05.678Z"`, `"2030-01-02T24:04:05.678Z"`,
		`"2030-01-02T03:60:05.678Z"`, `"2030-01-02T03:04:60.678Z"`, `"12030-01-02T03:04:05.678Z"`, `"2030-01-02T03:04:05.678Z "`, `"2030-1-02T03:04:05.678Z"`,
	}
}

const aTime = `"2030-01-02T03:04:05.678Z"`

// wrongFields are the wrong forms of the ten fields of a session, at the JSON pointer in the example.
func wrongFields(of, at string) []wrong {
	ids := []string{"farmId", "fleetId", "workerId", "queueId", "jobId", "sessionId"}
	all := slices.Concat(
		each(of, at, `17`, `[]`, `null`),
		without(of, at, slices.Concat(ids, []string{"lifecycleStatus", "targetLifecycleStatus", "startedAt", "endedAt"})...),
		each(of, at+"/lifecycleStatus", `17`, `""`, `null`),
		each(of, at+"/targetLifecycleStatus", `17`, `""`, `{}`),
		each(of, at+"/startedAt", append(wrongTimes(), `null`)...),
		each(of, at+"/endedAt", wrongTimes()...),
	)
	for _, id := range ids {
		all = append(all, each(of, at+"/"+id, `17`, `""`, `null`)...)
	}
	return all
}

// wrongEvents are values that no event has.
func wrongEvents() []wrong {
	all := slices.Concat(
		each("started", "", `[]`, `null`, `"started"`),
		without("started", "", "change", "sequence", "inferred", "snapshot", "session", "previous", "observed", "worker"),
		each("started", "/change", `17`, `""`, `null`),
		each("changed", "/sequence", `0`, `-1`, `1.5`, `"2"`, `null`),
		each("started", "/inferred", `"no"`, `null`),
		each("ended", "/snapshot", `0`, `null`),
		wrongFields("unknown", "/session"),
		each("ended", "/previous", `[]`, `17`),
		without("ended", "/previous", "lifecycleStatus", "targetLifecycleStatus", "endedAt"),
		each("unknown", "/previous/lifecycleStatus", `17`, `null`),
		each("unknown", "/previous/targetLifecycleStatus", `17`, `""`),
		each("unknown", "/previous/endedAt", `17`, `"now"`),
		each("changed", "/observed", `[]`, `null`),
		without("changed", "/observed", "after", "before", "exact"),
		each("changed", "/observed/after", `17`, `"now"`),
		each("changed", "/observed/before", `null`, `17`, `"now"`),
		each("unknown", "/observed/exact", `"no"`, `null`),
		each("ended", "/worker", `[]`, `"RUNNING"`),
		without("ended", "/worker", "status", "hostName"),
		each("ended", "/worker/status", `null`, `17`),
		each("ended", "/worker/hostName", `17`, `""`),
	)
	return slices.Concat(all, wrongFirstSights(), wrongChanges(), wrongEnds())
}

// wrongFirstSights have fields that do not go together at the first sight of a session.
func wrongFirstSights() []wrong {
	return slices.Concat(
		each("ended-first", "/sequence", `2`),
		each("unknown-first", "/sequence", `9`),
		each("discovered", "/snapshot", `false`),
		each("discovered", "/observed/exact", `true`),
		each("discovered", "/session/lifecycleStatus", `"ENDED"`),
		each("discovered", "/session/endedAt", aTime),
		each("discovered", "/previous", `{"lifecycleStatus":"STARTED","targetLifecycleStatus":null,"endedAt":null}`),
		each("discovered-inferred", "/session/lifecycleStatus", `"PAUSED"`),
		each("discovered-inferred", "/session/targetLifecycleStatus", `"ENDED"`),
		each("started", "/snapshot", `true`),
		each("started", "/observed/exact", `false`),
		each("started", "/previous", `{"lifecycleStatus":"STARTED","targetLifecycleStatus":null,"endedAt":null}`),
		each("started", "/session/lifecycleStatus", `"PAUSED"`),
		each("started", "/session/targetLifecycleStatus", `"ENDED"`),
		each("started", "/session/endedAt", aTime),
	)
}

// wrongChanges have fields that do not go together in a change of an open session, or when it vanished.
func wrongChanges() (all []wrong) {
	for _, kind := range []string{"updating", "updated", "updatefailed", "changed", "ending", "vanished"} {
		all = slices.Concat(all,
			each(kind, "/inferred", `true`),
			each(kind, "/snapshot", `true`),
			each(kind, "/observed/exact", `true`),
			each(kind, "/session/lifecycleStatus", `"ENDED"`),
			each(kind, "/session/endedAt", aTime),
			each(kind, "/previous/lifecycleStatus", `"ENDED"`),
			each(kind, "/previous/endedAt", aTime),
			[]wrong{{kind, []string{"/previous", `null`, "/sequence", `1`}}},
		)
	}
	for kind, status := range map[string]string{"updating": `"UPDATE_IN_PROGRESS"`, "updated": `"UPDATE_SUCCEEDED"`, "updatefailed": `"UPDATE_FAILED"`} {
		all = slices.Concat(all, each(kind, "/session/lifecycleStatus", `"STARTED"`), each(kind, "/previous/lifecycleStatus", status))
	}
	return slices.Concat(all,
		each("ending", "/session/targetLifecycleStatus", `null`, `"PAUSED"`),
		each("ending", "/previous/targetLifecycleStatus", `"ENDED"`),
	)
}

// wrongEnds have fields that do not go together at an end.
func wrongEnds() []wrong {
	return slices.Concat(
		each("ended", "/inferred", `true`),
		each("ended", "/previous/lifecycleStatus", `"ENDED"`),
		each("ended", "/previous/endedAt", aTime),
		each("ended", "/observed/exact", `false`),
		each("ended-no-time", "/observed/exact", `true`),
		each("ended-no-time", "/session/lifecycleStatus", `"STARTED"`),
	)
}

// wrongCoverage are values that no coverage record has. Of most only the kind of the record is wrong.
func wrongCoverage() []wrong {
	all := slices.Concat(
		each("heartbeat", "", `[]`, `null`, `17`),
		without("heartbeat", "", "shard", "instance", "watermark", "behind", "fleets", "workers", "openSessions", "log", "coverageLog", "checkpoint"),
		each("heartbeat", "/instance", `null`, `17`),
		each("heartbeat", "/behind", `null`, `{}`),
		each("heartbeat", "/behind/0", `null`, `[]`, `17`),
		without("heartbeat", "/behind/0", "gap", "scope", "affects", "watermark"),
		each("heartbeat", "/behind/0/gap", wrongGapNames()...),
		wrongWatermarks("heartbeat", "/watermark"),
		wrongWatermarks("heartbeat", "/behind/0/watermark"),
		wrongScopes("heartbeat", "/behind/0"),
		wrongChains("heartbeat", "/log"),
		wrongChains("heartbeat", "/coverageLog"),
		each("heartbeat", "/checkpoint", `17`, `""`, `{}`),
		without("gap-opened", "", "gap", "state", "reason", "affects", "scope", "from", "to", "message"),
		each("gap-opened", "/gap", wrongGapNames()...),
		each("gap-unknown", "/state", `"ajar"`, `null`, `17`),
		each("gap-opened", "/state", `"closed"`),
		each("gap-closed", "/state", `"opened"`),
		each("gap-opened", "/reason", `null`, `17`, `""`),
		each("gap-opened", "/from", wrongTimes()...),
		each("gap-closed", "/to", wrongTimes()...),
		each("gap-opened", "/message", `null`, `17`),
		wrongScopes("gap-opened", ""),
		each("gap-deleted", "/workers", `-`, `null`, `[]`),
		each("gap-deleted", "/workers/worker-a", `null`, `[]`, `17`),
		without("gap-deleted", "/workers/worker-a", "from", "to"),
		each("gap-deleted", "/workers/worker-a/from", wrongTimes()...),
		each("gap-deleted", "/workers/worker-a/to", append(wrongTimes(), `null`)...),
		[]wrong{{"gap-deleted", []string{"/state", `"opened"`, "/to", `null`}}},
		without("watch-began", "", "farmId", "fleetId", "state", "since", "reason"),
		each("watch-began", "/farmId", `17`, `""`),
		each("watch-began", "/fleetId", `null`, `17`, `""`),
		each("watch-unknown", "/state", `"begun"`, `null`, `17`),
		each("watch-began", "/state", `"ended"`),
		each("watch-ended", "/state", `"began"`),
		each("watch-began", "/since", wrongTimes()...),
		each("watch-ended", "/reason", `17`, `""`),
	)
	for _, name := range []string{"shard", "fleets", "workers", "openSessions"} {
		all = append(all, each("heartbeat", "/"+name, `-1`, `1.5`, `"1"`, `null`)...)
	}
	return all
}

func wrongGapNames() []string {
	return []string{`null`, `17`, `""`, `"3"`, `"3.0"`, `"03.7"`, `"3.07"`, `"x3.7"`, `"3.7x"`, `"3.7.1"`, `"-3.7"`}
}

func wrongHeads() []string {
	digits := strings.Repeat("0", 63)
	return []string{`null`, `17`, `""`, `"` + digits + `"`, `"` + digits + `g"`, `"` + digits + `A"`, `"` + digits + `00"`, `"` + digits + `0\n"`}
}

// wrongWatermarks are the wrong forms of a watermark at the JSON pointer in the example.
func wrongWatermarks(of, at string) []wrong {
	all := slices.Concat(each(of, at, `null`, `[]`, `17`), without(of, at, "changes", "announced", "starts"))
	for _, kind := range []string{"changes", "announced", "starts"} {
		all = append(all, each(of, at+"/"+kind, wrongTimes()...)...)
	}
	return all
}

// wrongScopes are the wrong forms of a scope, and of what it affects, in the object at the JSON pointer in the example.
func wrongScopes(of, at string) []wrong {
	all := slices.Concat(
		each(of, at+"/scope", `null`, `[]`, `17`),
		without(of, at+"/scope", "farmId", "fleetId", "workerId"),
		each(of, at+"/affects", `null`, `[]`, `{}`, `"starts"`),
		each(of, at+"/affects/0", `null`, `17`, `""`, `"ends"`),
	)
	for _, id := range []string{"farmId", "fleetId", "workerId"} {
		all = append(all, each(of, at+"/scope/"+id, `17`, `""`)...)
	}
	return all
}

// wrongChains are the wrong forms of a hash chain at the JSON pointer in the example.
func wrongChains(of, at string) []wrong {
	return slices.Concat(
		each(of, at, `null`, `[]`, `17`),
		without(of, at, "size", "head"),
		each(of, at+"/size", `-1`, `1.5`, `"1"`, `null`),
		each(of, at+"/head", wrongHeads()...),
	)
}

// wrongStates are values that no state record has. Of most only the kind of the record is wrong.
func wrongStates() []wrong {
	const farm, fleet = "/farms/farm-f", "/fleets/fleet-l"
	return slices.Concat(
		each("session", "", `[]`, `null`, `17`),
		each("session", "/schema", `0`, `-1`, `1.5`, `"1"`, `null`, `-`),
		without("session", "", "sequence", "session", "seen"),
		each("session", "/sequence", `-1`, `1.5`, `"1"`, `null`),
		wrongFields("session", "/session"),
		each("session", "/seen", `null`, `17`, `"now"`),
		each("session-vanished", "/vanished", `false`, `null`, `"yes"`),
		each("session-vanished", "/sequence", `0`),
		each("session-vanished", "/session/lifecycleStatus", `"ENDED"`),
		each("session-vanished", "/session/endedAt", aTime),
		each("session-vanished", "/missing", aTime),
		each("session-missing", "/missing", `null`, `true`, `"now"`),
		each("session-missing", "/session/lifecycleStatus", `"ENDED"`),
		each("session-missing", "/session/endedAt", aTime),
		each("log", "/size", `-`, `-1`, `1.5`, `"1"`, `null`),
		each("log", "/head", wrongHeads()...),
		without("coverage", "", "shard", "watermark", "behind", "gaps", "next"),
		each("coverage", "/shard", `-1`, `1.5`, `"1"`, `null`),
		each("coverage", "/alive", wrongTimes()...),
		wrongWatermarks("coverage", "/watermark"),
		each("coverage", "/behind", `null`, `{}`),
		each("coverage", "/behind/0", `null`, `[]`, `17`),
		each("coverage", "/gaps", `null`, `{}`),
		each("coverage", "/gaps/0", `null`, `[]`, `17`),
		each("coverage", "/unanswered", `null`, `{}`),
		each("coverage", "/unanswered/0", `null`, `[]`, `17`),
		each("coverage", "/next", `null`, `[]`, `17`),
		without("coverage", "/next", "n", "gap", "head"),
		each("coverage", "/next/n", `0`, `-1`, `1.5`, `"1"`, `null`),
		each("coverage", "/next/gap", `-1`, `1.5`, `"1"`, `null`),
		each("coverage", "/next/head", wrongHeads()...),
		each("workers", "/workers", `null`, `[]`, `17`),
		each("workers", "/workers/farm-f", `null`, `[]`, `17`),
		each("workers", "/workers/farm-f/fleet-l", `null`, `[]`, `{}`, `17`),
		each("workers", "/workers/farm-f/fleet-l/0", `null`, `17`, `""`),
		without("watch", "", "schema", "region", "partitions", "initial", "farms", "fleets"),
		each("watch", "/region", `null`, `17`, `""`),
		each("watch", "/partitions", `0`, `1.5`, `"12"`, `null`),
		each("watch", "/initial", `null`, `17`, `""`),
		each("watch", "/farms", `null`, `[]`),
		each("watch", farm, `null`, `[]`, `17`),
		each("watch", farm+"/listed", `-`, `17`, `"now"`),
		each("watch", farm+"/gone", `null`, `17`, `"now"`),
		each("watch", "/fleets", `null`, `[]`),
		each("watch", fleet, `null`, `[]`, `17`),
		each("watch", fleet+"/since", `-`, `17`, `"now"`),
		each("watch", fleet+"/farm", `null`, `17`, `""`),
		each("watch", fleet+"/published", `null`, `17`, `""`, `"begun"`),
		each("watch", fleet+"/gone", `null`, `17`, `"now"`),
		each("absences-all", "/schema", `-`, `0`),
		each("absences-all", "/marks", `[]`, `null`, `{}`),
		each("absences-all", "/marks/0", `null`, `[]`, `17`),
		without("absences-all", "/marks/0", "since", "sessions"),
		each("absences-all", "/marks/0/since", `null`, `17`, `"now"`),
		each("absences-some", "/marks/0/sessions", `[]`, `{}`, `"a"`),
		each("absences-some", "/marks/0/sessions/1", `null`, `17`, `""`),
	)
}

// wrongParts are values that are wrong as a record of their kind, as the key says it. The schema of all state records takes
// them for a kind that is not known, or of another schema.
func wrongParts() []wrong {
	return slices.Concat(
		each("session", "/schema", `2`),
		each("watch", "/schema", `2`),
		each("absences-all", "/schema", `2`),
		each("log", "/schema", `2`, `-`),
		each("coverage", "/schema", `2`, `-`),
		each("workers", "/schema", `2`, `-`),
		each("log", "/head", `-`),
		each("coverage", "/alive", `-`),
		each("workers", "/workers", `-`),
		each("log", "", `[]`),
		each("coverage", "", `[]`),
		each("workers", "", `[]`),
		each("absences-all", "/marks", `-`),
		each("watch", "", `[]`),
		each("absences-all", "", `[]`),
		[]wrong{{"session", []string{"/session", "-", "/sequence", "-"}}, {"watch", []string{"/farms", "-", "/fleets", "-"}}},
	)
}

// wrongCoverageParts are values that are wrong as a record of their kind, as the header ce_type says it. The schema of all
// coverage records takes them for a kind that is not known.
func wrongCoverageParts() []wrong {
	return slices.Concat(
		each("gap-opened", "", `[]`),
		each("watch-began", "", `[]`),
		[]wrong{
			{"heartbeat", []string{"/watermark", "-", "/coverageLog", "-"}},
			{"gap-opened", []string{"/gap", "-", "/affects", "-"}},
			{"watch-began", []string{"/fleetId", "-", "/since", "-"}},
		},
	)
}

// wrongHeaders are headers that no event has.
func wrongHeaders() []wrong {
	all := slices.Concat(
		each("headers", "", `[]`, `null`),
		each("headers", "/ce_specversion", `""`, `"0.3"`, `1`),
		each("headers", "/ce_id", `""`, `"session-s"`, `"session-s.3"`, `"session-s.0000003"`, `".000003"`, `"session-s.000003x"`, `17`),
		each("headers", "/ce_source", `""`, `"/deadline/"`, `"/deadline/eu-west-1/farm-f/fleet-l"`,
			`"/deadline//farm-f/fleet-l/worker-w"`, `"/other/eu-west-1/farm-f/fleet-l/worker-w"`, `"x/deadline/eu-west-1/farm-f/fleet-l/worker-w"`, `17`),
		each("headers", "/ce_type", `""`, `"farmwire.session.ended"`, `"farmwire.session.ended.v2"`,
			`"farmwire.session..v1"`, `"farmwire.session.a.b.v1"`, `"x.farmwire.session.ended.v1"`, `17`),
		each("headers", "/ce_shard", `""`, `"03"`, `"-1"`, `"x3"`, `"3x"`, `17`),
		each("headers", "/ce_logindex", `""`, `"00"`, `"-1"`, `"x3"`, `"3x"`, `17`),
		each("headers", "/ce_subject", `""`, `"watch"`, `"absent.farm-f/fleet-l/worker-w"`, `17`),
		each("headers", "/ce_partitionkey", `""`, `"watch"`, `17`),
		each("headers", "/ce_sequence", `""`, `"3"`, `"000000"`, `"0000003"`, `"00003x"`, `"x000003"`, `17`),
		each("headers", "/ce_time", wrongTimes()...),
		each("headers", "/ce_recordedtime", wrongTimes()...),
		each("headers", "/ce_dataschema", `""`, `"urn:farmwire:session:v2"`, `17`),
		each("headers", "/content-type", `""`, `"application/xml"`, `17`),
	)
	return append(all, without("headers", "", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time",
		"ce_sequence", "ce_partitionkey", "ce_recordedtime", "ce_dataschema", "content-type")...)
}

// wrongCoverageHeaders are headers that no coverage record has.
func wrongCoverageHeaders() []wrong {
	all := slices.Concat(
		each("headers", "", `[]`, `null`),
		each("headers", "/ce_specversion", `""`, `"0.3"`, `1`),
		each("headers", "/ce_id", `""`, `"coverage.3"`, `"coverage.3.0"`, `"coverage.03.1"`, `"coverage.3.01"`, `"xcoverage.3.1"`, `"coverage.3.1x"`,
			`"coverage.3.1.1"`, `17`),
		each("headers", "/ce_source", `""`, `"/farmwire/"`, `"/farmwire/eu-west-1"`, `"/farmwire//t"`, `"/farmwire/eu-west-1/t/3"`,
			`"/other/eu-west-1/t"`, `"x/farmwire/eu-west-1/t"`, `17`),
		each("headers", "/ce_type", `""`, `"farmwire.coverage.gap"`, `"farmwire.coverage.gap.v2"`, `"farmwire.coverage..v1"`,
			`"farmwire.coverage.a.b.v1"`, `"x.farmwire.coverage.gap.v1"`, `"farmwire.session.ended.v1"`, `17`),
		each("headers", "/ce_subject", `""`, `"03"`, `17`),
		each("headers", "/ce_partitionkey", `""`, `"03"`, `17`),
		each("headers", "/ce_time", wrongTimes()...),
		each("headers", "/ce_recordedtime", wrongTimes()...),
		each("headers", "/ce_dataschema", `""`, `"urn:farmwire:session:v1"`, `17`),
		each("headers", "/content-type", `""`, `"application/xml"`, `17`),
	)
	return append(all, without("headers", "", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time",
		"ce_partitionkey", "ce_recordedtime", "ce_dataschema", "content-type")...)
}

// headersExample are the headers of a record as the AsyncAPI document takes them.
func headersExample(r event.Record, without ...string) string {
	parts := []string(nil)
	for _, h := range r.Headers {
		if slices.Contains(without, h.Key) {
			continue
		}
		parts = append(parts, fmt.Sprintf("%q:%q", h.Key, h.Value))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// trial is a schema with values that it must accept and values that it must refuse, by names.
type trial struct {
	text      string // of the document with the schema
	at        string // the JSON pointer of the schema in it
	good, bad map[string]any
}

// trials are all schemas, by names.
func trials(t *testing.T) map[string]trial {
	events, records, states := valuesOf(eventExamples()), valuesOf(coverageExamples()), valuesOf(stateExamples())
	headers := map[string]string{
		"headers": headersExample(eventExamples()["ended"]), "of another change": headersExample(eventExamples()["unknown"]),
		"of an older version": headersExample(eventExamples()["ended"], "ce_shard", "ce_logindex"),
	}
	coverageHeaders := map[string]string{"headers": headersExample(coverageExamples()["heartbeat"]), "gap": headersExample(coverageExamples()["gap-opened"])}
	otherRecords := map[string]string{"kind": `{"quotas":[]}`}
	maps.Copy(otherRecords, records)
	other := map[string]string{"kind": `{"schema":1,"quotas":[]}`, "form": `{"schema":2,"session":17,"farms":[],"marks":null}`}
	maps.Copy(other, states)
	all := map[string]trial{
		"event":    {text: schema.Event, good: parsed(t, events), bad: made(t, events, wrongEvents())},
		"coverage": {text: schema.Coverage, good: parsed(t, otherRecords), bad: made(t, records, wrongCoverage())},
		"state":    {text: schema.State, good: parsed(t, other), bad: made(t, other, append(wrongStates(), wrong{"kind", []string{"/schema", "-"}}))},
		"headers":  {text: schema.AsyncAPI, at: "/components/schemas/headers", good: parsed(t, headers), bad: made(t, headers, wrongHeaders())},
		"coverage headers": {
			text: schema.AsyncAPI, at: "/components/schemas/coverageHeaders", good: parsed(t, coverageHeaders),
			bad: made(t, coverageHeaders, wrongCoverageHeaders()),
		},
		"shard keys": {
			text: schema.AsyncAPI, at: "/components/schemas/shardKey", good: map[string]any{"first": "0", "another": "10"},
			bad: map[string]any{"none": "", "zeros": "03", "sign": "-3", "before": "x3", "after": "3x", "number": 17, "null": nil},
		},
		"keys": {
			text: schema.AsyncAPI, at: "/components/schemas/sessionKey", good: map[string]any{"": "session-s", "odd": "absent"},
			bad: map[string]any{"none": "", "watch": "watch", "log": "log", "coverage": "coverage", "workers": "workers", "absences": "absent.farm-f/fleet-l/worker-w", "number": 17, "null": nil},
		},
	}
	for _, kind := range coverageKinds() {
		all["kinds/coverage/"+kind] = trialOf(t, schema.Coverage, kind, records, slices.Concat(wrongCoverage(), wrongCoverageParts()))
	}
	for _, kind := range stateKinds() {
		all["kinds/state/"+kind] = trialOf(t, schema.State, kind, states, slices.Concat(wrongStates(), wrongParts()))
	}
	return all
}

// trialOf is the trial of the schema of one kind of record. The names of its examples begin with the kind.
func trialOf(t *testing.T, text, kind string, examples map[string]string, bad []wrong) trial {
	isOther := func(name string, _ any) bool { return !strings.HasPrefix(name, kind) }
	part := trial{text: text, at: "/$defs/" + kind, good: parsed(t, examples), bad: made(t, examples, bad)}
	maps.DeleteFunc(part.good, isOther)
	maps.DeleteFunc(part.bad, isOther)
	return part
}

// valuesOf are the values of records that have one.
func valuesOf(records map[string]event.Record) map[string]string {
	values := map[string]string{}
	for name, r := range records {
		if r.Value != nil {
			values[name] = string(r.Value)
		}
	}
	return values
}

func parsed(t *testing.T, texts map[string]string) map[string]any {
	values := map[string]any{}
	for name, text := range texts {
		values[name] = parse(t, text)
	}
	return values
}

// made are the wrong values, by their names.
func made(t *testing.T, examples map[string]string, all []wrong) map[string]any {
	values := map[string]any{}
	for _, w := range all {
		if examples[w.of] == "" {
			t.Fatalf("there is no example %s", w.of)
		}
		values[w.name()] = parse(t, edit(t, examples[w.of], w.edits...))
	}
	return values
}

// Every wrong record is refused.
func TestRefuses(t *testing.T) {
	for name, trial := range trials(t) {
		compiled, err := compileAt(parse(t, trial.text), trial.at)
		if err != nil {
			t.Fatal(err)
		}
		for of, value := range trial.bad {
			if compiled.Validate(value) == nil {
				t.Errorf("%s accepts %s", name, of)
			}
		}
		for of, value := range trial.good {
			if err := compiled.Validate(value); err != nil {
				t.Errorf("%s refuses %s: %v", name, of, err)
			}
		}
		if schemas()[name] != "" {
			passAll(t, "wrong/"+name, trial.bad)
			passAll(t, "valid/"+name, trial.good)
		}
	}
}

// passAll writes values as pass does, with numbers for names.
func passAll(t *testing.T, schema string, values map[string]any) {
	for i, name := range slices.Sorted(maps.Keys(values)) {
		text, err := json.Marshal(values[name])
		if err != nil {
			t.Fatal(err)
		}
		pass(t, schema, fmt.Sprint("example-", i), string(text))
	}
}

// compileAt compiles the schema at a JSON pointer of a document. Formats are not checked, as it is usual.
func compileAt(document any, pointer string) (*jsonschema.Schema, error) {
	compiler := jsonschema.NewCompiler()
	if strings.HasPrefix(pointer, "/components/") {
		compiler.DefaultDraft(jsonschema.Draft7) // AsyncAPI's own
	}
	if err := compiler.AddResource("urn:tried", document); err != nil {
		return nil, err
	}
	return compiler.Compile("urn:tried#" + pointer)
}
