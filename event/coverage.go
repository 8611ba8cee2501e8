package event

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"farmwire/coverage"
	"farmwire/diff"
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

// watermarkFields are a coverage.Watermark in JSON.
type watermarkFields struct {
	Changes   instant `json:"changes"`
	Announced instant `json:"announced"`
	Starts    instant `json:"starts"`
}

func watermarkOf(w coverage.Watermark) watermarkFields {
	return watermarkFields{instant(w.Changes), instant(w.Announced), instant(w.Starts)}
}

func (f watermarkFields) watermark() coverage.Watermark {
	return coverage.Watermark{Changes: time.Time(f.Changes), Announced: time.Time(f.Announced), Starts: time.Time(f.Starts)}
}

// scopeFields are a coverage.Scope in JSON. An empty id is null.
type scopeFields struct {
	FarmID   optional `json:"farmId"`
	FleetID  optional `json:"fleetId"`
	WorkerID optional `json:"workerId"`
}

func scopeOf(s coverage.Scope) scopeFields {
	return scopeFields{optional(s.FarmID), optional(s.FleetID), optional(s.WorkerID)}
}

func (f scopeFields) scope() coverage.Scope {
	return diff.WorkerKey{FarmID: string(f.FarmID), FleetID: string(f.FleetID), WorkerID: string(f.WorkerID)}
}

// optional is a text that is null in JSON if it is empty.
type optional string

// MarshalJSON gives null or a JSON string.
func (o optional) MarshalJSON() ([]byte, error) { return appendOptional(nil, "", string(o)), nil }

// MarshalJSON gives null or a JSON string in UTC with milliseconds.
func (i instant) MarshalJSON() ([]byte, error) { return appendInstant(nil, "", time.Time(i)), nil }

// behindFields are a coverage.Behind in JSON.
type behindFields struct {
	Gap       string          `json:"gap"`
	Scope     scopeFields     `json:"scope"`
	Affects   []string        `json:"affects"`
	Watermark watermarkFields `json:"watermark"`
}

func behindOf(all []coverage.Behind, shard int) []behindFields {
	fields := make([]behindFields, len(all))
	for i, b := range all {
		fields[i] = behindFields{gapName(shard, b.Gap), scopeOf(b.Scope), affectsOf(b.Affects), watermarkOf(b.Watermark)}
	}
	return fields
}

func behindFrom(fields []behindFields, shard int) (all []coverage.Behind, err error) {
	for _, f := range fields {
		b := coverage.Behind{Scope: f.Scope.scope(), Watermark: f.Watermark.watermark()}
		if b.Gap, err = decodeGapName(f.Gap, shard); err != nil {
			return nil, err
		}
		if b.Affects, err = affectsFrom(f.Affects); err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// gapName returns the name of a gap: <shard>.<number>.
func gapName(shard int, number uint64) string {
	return strconv.Itoa(shard) + "." + strconv.FormatUint(number, 10)
}

func decodeGapName(name string, shard int) (uint64, error) {
	_, number, _ := strings.Cut(name, ".")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || gapName(shard, n) != name {
		return 0, malformed("a gap is named %.80q and should be %d.<number>", name, shard)
	}
	return n, nil
}

// The kinds of looks, as the records name them.
const (
	changesKind   = "changes"
	announcedKind = "announced"
	startsKind    = "starts"
)

func affectsOf(a coverage.Affects) []string {
	names := []string{}
	for _, of := range [...]struct {
		is   bool
		name string
	}{{a.Changes, changesKind}, {a.Announced, announcedKind}, {a.Starts, startsKind}} {
		if of.is {
			names = append(names, of.name)
		}
	}
	return names
}

func affectsFrom(names []string) (coverage.Affects, error) {
	for _, name := range names {
		if name != changesKind && name != announcedKind && name != startsKind {
			return coverage.Affects{}, malformed("a gap affects %.80q", name)
		}
	}
	has := func(name string) bool { return slices.Contains(names, name) }
	return coverage.Affects{Changes: has(changesKind), Announced: has(announcedKind), Starts: has(startsKind)}, nil
}

// heartbeatFields are the value of a heartbeat.
type heartbeatFields struct {
	Shard        int             `json:"shard"`
	Instance     string          `json:"instance"`
	Watermark    watermarkFields `json:"watermark"`
	Behind       []behindFields  `json:"behind"`
	Fleets       int             `json:"fleets"`
	Workers      int             `json:"workers"`
	OpenSessions int             `json:"openSessions"`
	Log          chainFields     `json:"log"`
	CoverageLog  chainFields     `json:"coverageLog"`
	Checkpoint   optional        `json:"checkpoint"`
}

func chainOf(c Chain) chainFields {
	head := c.HeadText()
	return chainFields{&c.Size, &head}
}

func heartbeatOf(h *coverage.Heartbeat, env CoverageEnvelope) heartbeatFields {
	return heartbeatFields{
		Shard: env.Shard, Instance: env.Instance, Watermark: watermarkOf(h.Watermark), Behind: behindOf(h.Behind, env.Shard),
		Fleets: h.Fleets, Workers: h.Workers, OpenSessions: h.OpenSessions,
		Log: chainOf(env.Log), CoverageLog: chainOf(env.CoverageLog), Checkpoint: optional(env.Checkpoint),
	}
}

func (c *Coverage) readHeartbeat(f *heartbeatFields) (err error) {
	h := coverage.Heartbeat{Watermark: f.Watermark.watermark(), Fleets: f.Fleets, Workers: f.Workers, OpenSessions: f.OpenSessions}
	c.Heartbeat, c.Instance, c.Checkpoint = &h, f.Instance, string(f.Checkpoint)
	if f.Shard != c.Shard {
		return malformed("the key is %d and the heartbeat is of the shard %d", c.Shard, f.Shard)
	}
	if h.Behind, err = behindFrom(f.Behind, c.Shard); err != nil {
		return err
	}
	if c.Log, err = f.Log.chain("the log of a heartbeat"); err != nil {
		return err
	}
	if c.CoverageLog, err = f.CoverageLog.chain("the coverage log of a heartbeat"); err != nil {
		return err
	}
	if c.CoverageLog.Size+1 != c.Number {
		return malformed("%s is %q and the coverage log of the heartbeat has the size %d", idHeader, c.ID, c.CoverageLog.Size)
	}
	return nil
}

// gapFields are the value of a gap's record, and a gap in the stored coverage.
type gapFields struct {
	Gap     string                  `json:"gap"`
	State   string                  `json:"state"`
	Reason  string                  `json:"reason"`
	Affects []string                `json:"affects"`
	Scope   scopeFields             `json:"scope"`
	From    instant                 `json:"from"`
	To      instant                 `json:"to"`
	Message string                  `json:"message"`
	Workers map[string]periodFields `json:"workers,omitempty"`
}

type periodFields struct {
	From instant `json:"from"`
	To   instant `json:"to"`
}

const (
	gapOpened = "opened"
	gapClosed = "closed"
)

func gapOf(g *coverage.Gap, shard int) gapFields {
	f := gapFields{
		Gap: gapName(shard, g.Number), State: gapOpened, Reason: string(g.Reason), Affects: affectsOf(g.Affects),
		Scope: scopeOf(g.Scope), From: instant(g.From), To: instant(g.To), Message: gapMessage(g.Reason),
	}
	if g.Closed {
		f.State = gapClosed
	}
	if len(g.Workers) > 0 {
		f.Workers = make(map[string]periodFields, len(g.Workers))
		for id, p := range g.Workers {
			f.Workers[id] = periodFields{instant(p.From), instant(p.To)}
		}
	}
	return f
}

func (f *gapFields) gap(shard int) (g coverage.Gap, err error) {
	g = coverage.Gap{
		Closed: f.State == gapClosed, Reason: coverage.Reason(f.Reason), Scope: f.Scope.scope(), From: time.Time(f.From), To: time.Time(f.To),
	}
	if f.State != gapOpened && f.State != gapClosed {
		return g, malformed("the state of a gap is %.80q", f.State)
	}
	if g.Number, err = decodeGapName(f.Gap, shard); err != nil {
		return g, err
	}
	if g.Affects, err = affectsFrom(f.Affects); err != nil {
		return g, err
	}
	if len(f.Workers) > 0 {
		g.Workers = make(map[string]coverage.Period, len(f.Workers))
		for id, p := range f.Workers {
			g.Workers[id] = coverage.Period{From: time.Time(p.From), To: time.Time(p.To)}
		}
	}
	return g, nil
}

// gapMessage returns what a gap with the reason means.
func gapMessage(r coverage.Reason) string {
	return map[coverage.Reason]string{
		coverage.Down:        "No instance of Farmwire had the shard.",
		coverage.Throttled:   "Deadline Cloud answered that there were too many requests.",
		coverage.Denied:      "A policy does not allow the requests.",
		coverage.Credentials: "There were no credentials that Deadline Cloud accepts.",
		coverage.Unreachable: "Deadline Cloud could not be reached, or did not answer in time.",
		coverage.Failing:     "Deadline Cloud answered with errors, or with answers that cannot be used.",
		coverage.Kafka:       "Nothing could be published to Kafka.",
		coverage.Unresolved:  "Deadline Cloud does not say what became of a session.",
		coverage.Deleted:     "The workers were deleted before their sessions were listed completely once more.",
	}[r]
}

// watchFields are the value of a watch's record.
type watchFields struct {
	FarmID  optional `json:"farmId"`
	FleetID string   `json:"fleetId"`
	State   string   `json:"state"`
	Since   instant  `json:"since"`
	Reason  optional `json:"reason"`
}

func watchOf(w *coverage.Watch) watchFields {
	f := watchFields{FarmID: optional(w.FarmID), FleetID: w.FleetID, State: WatchBegan, Since: instant(w.Since), Reason: optional(w.Reason)}
	if w.Ended {
		f.State = WatchEnded
	}
	return f
}

func (f *watchFields) watch() (coverage.Watch, error) {
	if f.FleetID == "" || f.State != WatchBegan && f.State != WatchEnded {
		return coverage.Watch{}, malformed("the watch on the fleet %.80q has the state %.80q", f.FleetID, f.State)
	}
	return coverage.Watch{
		FarmID: string(f.FarmID), FleetID: f.FleetID, Ended: f.State == WatchEnded, Since: time.Time(f.Since), Reason: string(f.Reason),
	}, nil
}
