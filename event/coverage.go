package event

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"farmwire/coverage"
)

// The records of the coverage topic are CloudEvents 1.0 in binary mode, as the events are. The partition is the shard. There
// are three types:
//
//	farmwire.coverage.heartbeat.v1  up to when the shard has looked at everything, once a minute
//	farmwire.coverage.gap.v1        what could not be looked at, when and why: once when a gap opens, and once when it closes
//	farmwire.coverage.watch.v1      that the watch on a fleet has begun or ended
const (
	coverageSourcePrefix = "/farmwire/"
	coverageTypePrefix   = "farmwire.coverage."
	coverageIDPrefix     = "coverage."
	coverageDataSchema   = "urn:farmwire:coverage:v1"
	heartbeatType        = coverageTypePrefix + "heartbeat" + typeSuffix
	gapType              = coverageTypePrefix + "gap" + typeSuffix
	watchType            = coverageTypePrefix + "watch" + typeSuffix
)

// CoverageEnvelope is what a record of the coverage topic says besides its coverage.Record.
type CoverageEnvelope struct {
	Region     string
	StateTopic string
	Shard      int
	Time       time.Time // when the record was made, by the service's clock
	Recorded   time.Time // when the record is handed to Kafka, which is also the record's timestamp

	// CoverageLog is the chain of all coverage records of the shard before this one. Its size and 1 are the number of this one.
	CoverageLog Chain

	Instance   string // of a heartbeat: the id of the instance that has the shard
	Log        Chain  // of a heartbeat: the chain of the shard's events
	Checkpoint string // of a heartbeat: the signed note of both chains; empty if there is no signing key
}

// Coverage is a decoded record of the coverage topic. All its times are UTC with milliseconds.
type Coverage struct {
	coverage.Record

	ID           string    // ce_id: coverage.<shard>.<number>
	Source       string    // ce_source: /farmwire/<region>/<state topic>
	Type         string    // ce_type
	Time         time.Time // ce_time: when the record was made, by the service's clock
	RecordedTime time.Time // ce_recordedtime: when it was handed to Kafka
	Region       string    // AWS region, from Source
	StateTopic   string    // from Source
	Shard        int       // from the key
	Number       uint64    // counts the coverage records of the shard from 1

	Instance    string // of a heartbeat
	Log         Chain  // of a heartbeat: the chain of the shard's events
	CoverageLog Chain  // of a heartbeat: the chain of all coverage records of the shard before this one
	Checkpoint  string // of a heartbeat: a signed note; empty if there was no signing key
}

// EncodeCoverage returns the record of the coverage topic.
func EncodeCoverage(r coverage.Record, env CoverageEnvelope) Record {
	key := strconv.Itoa(env.Shard)
	kind, value := coverageValue(r, env)
	headers := []Header{}
	for _, h := range [...]struct{ name, value string }{
		{specVersionHeader, specVersion},
		{idHeader, coverageID(env.Shard, env.CoverageLog.Size+1)},
		{sourceHeader, coverageSourcePrefix + env.Region + "/" + env.StateTopic},
		{typeHeader, kind},
		{subjectHeader, key},
		{timeHeader, string(appendTime(nil, env.Time))},
		{partitionKeyHeader, key},
		{recordedTimeHeader, string(appendTime(nil, env.Recorded))},
		{dataSchemaHeader, coverageDataSchema},
		{contentTypeHeader, contentType},
	} {
		headers = append(headers, Header{Key: h.name, Value: []byte(h.value)})
	}
	return Record{Key: []byte(key), Value: value, Headers: headers}
}

func coverageID(shard int, number uint64) string {
	return coverageIDPrefix + strconv.Itoa(shard) + "." + strconv.FormatUint(number, 10)
}

// coverageValue returns the type and the value of a record.
func coverageValue(r coverage.Record, env CoverageEnvelope) (kind string, value []byte) {
	switch {
	case r.Heartbeat != nil:
		return heartbeatType, marshal(heartbeatOf(r.Heartbeat, env))
	case r.Gap != nil:
		return gapType, marshal(gapOf(r.Gap, env.Shard))
	default:
		return watchType, marshal(watchOf(r.Watch))
	}
}

// marshal returns the JSON of a value that has nothing that JSON cannot have.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // Only a channel, a function or a number that is not finite cannot be encoded.
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// DecodeCoverage reads a record of the coverage topic. It ignores headers and JSON members that it does not know.
//
// The error is ErrUnknown if the type or its version is not known, and ErrMalformed if the record breaks the wire form.
func DecodeCoverage(key, value []byte, headers []Header) (Coverage, error) {
	a, err := attributesOf(headers)
	if err != nil {
		return Coverage{}, err
	}
	c := Coverage{ID: a[idHeader], Source: a[sourceHeader], Type: a[typeHeader]}
	if parts := strings.Split(c.Type, "."); len(parts) != 4 || parts[0] != "farmwire" || !isVersion(parts[3]) {
		return Coverage{}, malformed("%s is %.80q and should have the form %s<kind>.v1", typeHeader, c.Type, coverageTypePrefix)
	}
	switch c.Type {
	case heartbeatType, gapType, watchType:
	default:
		return Coverage{}, unknown("a coverage record of type %s", c.Type)
	}
	if err := c.readHeaders(string(key), a); err != nil {
		return Coverage{}, err
	}
	return c, c.readValue(value)
}

// readHeaders reads all headers but the type.
func (c *Coverage) readHeaders(key string, a attributes) (err error) {
	shard, err := strconv.ParseUint(key, 10, 31)
	if err != nil || strconv.FormatUint(shard, 10) != key {
		return malformed("the key is %.80q and should be the number of a shard", key)
	}
	c.Shard = int(shard)
	for _, of := range [...]struct{ header, want string }{
		{specVersionHeader, specVersion},
		{subjectHeader, key},
		{partitionKeyHeader, key},
		{dataSchemaHeader, coverageDataSchema},
		{contentTypeHeader, contentType},
	} {
		if a[of.header] != of.want {
			return malformed("%s is %.80q and should be %q", of.header, a[of.header], of.want)
		}
	}
	number, ok := strings.CutPrefix(c.ID, coverageIDPrefix+key+".")
	if c.Number, err = strconv.ParseUint(number, 10, 64); !ok || err != nil || c.Number == 0 || coverageID(c.Shard, c.Number) != c.ID {
		return malformed("%s is %.80q and should be %s%s.<number>", idHeader, c.ID, coverageIDPrefix, key)
	}
	path, ok := strings.CutPrefix(c.Source, coverageSourcePrefix)
	region, topic, _ := strings.Cut(path, "/")
	if !ok || region == "" || topic == "" || strings.Contains(topic, "/") {
		return malformed("%s is %.80q and should be %s<region>/<state topic>", sourceHeader, c.Source, coverageSourcePrefix)
	}
	c.Region, c.StateTopic = region, topic
	if c.Time, err = a.time(timeHeader); err != nil {
		return err
	}
	c.RecordedTime, err = a.time(recordedTimeHeader)
	return err
}

func (c *Coverage) readValue(value []byte) error {
	switch c.Type {
	case heartbeatType:
		var f heartbeatFields
		if err := json.Unmarshal(value, &f); err != nil {
			return malformed("a heartbeat: %w", err)
		}
		return c.readHeartbeat(&f)
	case gapType:
		var f gapFields
		if err := json.Unmarshal(value, &f); err != nil {
			return malformed("a gap: %w", err)
		}
		g, err := f.gap(c.Shard)
		c.Gap = &g
		return err
	default:
		var f watchFields
		if err := json.Unmarshal(value, &f); err != nil {
			return malformed("a watch: %w", err)
		}
		w, err := f.watch()
		c.Watch = &w
		return err
	}
}
