// Package schema has the contract with consumers as files for their tools: JSON Schemas (draft 2020-12) of the values of all
// records, and an AsyncAPI document of the topics. The package event reads the same records in Go.
//
// The schemas accept what a newer version may add: fields, statuses, kinds of changes, and kinds of state and
// coverage records. Besides
// the form they say which fields go together, such as the end time and an exact end. They refuse nothing that Farmwire
// publishes. Within a version they only grow: what they accept and what they promise stays.
//
// They keep to what JSON Schema draft-07 has too, apart from $defs, because AsyncAPI describes payloads in a superset of that.
package schema

import _ "embed" // for the files

// Event is the JSON Schema of the values of the events topic and of the ended topic. Its $id is the value of the header
// ce_dataschema.
//
//go:embed event.v1.json
var Event string

// Coverage is the JSON Schema of the values of the coverage topic. Its $id is the value of the header ce_dataschema. The kinds
// of records have schemas of their own in it, #/$defs/heartbeat, #/$defs/gap and #/$defs/watch.
//
//go:embed coverage.v1.json
var Coverage string

// State is the JSON Schema of the values of the state topic. A tombstone has no value. The kinds of records have schemas of
// their own in it, #/$defs/session, #/$defs/watch, #/$defs/log, #/$defs/coverage, #/$defs/workers and #/$defs/absences.
//
//go:embed state.v1.json
var State string

// AsyncAPI is an AsyncAPI 3.0 document in JSON with Kafka bindings 0.5.0: the topics with their default prefix and settings,
// and the keys, headers and values of their records. It refers to no other file.
//
//go:embed asyncapi.json
var AsyncAPI string
