package event

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"farmwire/diff"
)

// The headers of an event are the attributes of CloudEvents 1.0 in the binary mode of its Kafka binding.
const (
	specVersionHeader  = "ce_specversion"
	idHeader           = "ce_id"
	sourceHeader       = "ce_source"
	typeHeader         = "ce_type"
	subjectHeader      = "ce_subject"
	timeHeader         = "ce_time"
	sequenceHeader     = "ce_sequence"
	partitionKeyHeader = "ce_partitionkey"
	recordedTimeHeader = "ce_recordedtime"
	shardHeader        = "ce_shard"
	logIndexHeader     = "ce_logindex"
	dataSchemaHeader   = "ce_dataschema"
	contentTypeHeader  = "content-type"
)

const (
	specVersion  = "1.0"
	sourcePrefix = "/deadline/"
	typePrefix   = "farmwire.session."
	typeSuffix   = ".v1"
	dataSchema   = "urn:farmwire:session:v1"
	contentType  = "application/json"
)

// encodeHeaders appends the headers of a change.
func (e *Encoder) encodeHeaders(c *diff.Change, env Envelope, subject []byte) {
	s := &c.Session
	e.literal(specVersionHeader, specVersion)

	id := len(e.text)
	e.text = append(append(e.text, s.SessionID...), '.')
	number := len(e.text)
	e.text = appendSequence(e.text, c.Sequence)
	ceID, ceSequence := e.textFrom(id), e.textFrom(number)
	e.add(idHeader, ceID)

	source := len(e.text)
	e.text = append(append(e.text, sourcePrefix...), env.Region...)
	e.text = appendWorkerPath(e.text, s.WorkerKey)
	e.add(sourceHeader, e.textFrom(source))

	kind := len(e.text)
	e.text = append(append(append(e.text, typePrefix...), c.Kind...), typeSuffix...)
	e.add(typeHeader, e.textFrom(kind))
	e.add(subjectHeader, subject)
	e.time(timeHeader, changedAt(c))
	e.add(sequenceHeader, ceSequence)
	e.add(partitionKeyHeader, subject)
	e.time(recordedTimeHeader, env.Recorded)
	e.number(shardHeader, uint64(env.Shard))
	e.number(logIndexHeader, env.LogIndex)
	e.literal(dataSchemaHeader, dataSchema)
	e.literal(contentTypeHeader, contentType)
}

// textFrom returns the text from an index on. The slice stays valid when the buffer grows.
func (e *Encoder) textFrom(from int) []byte { return e.text[from:len(e.text):len(e.text)] }

func (e *Encoder) add(key string, value []byte) {
	e.headers = append(e.headers, Header{Key: key, Value: value})
}

// literal appends a header with a fixed value.
func (e *Encoder) literal(key, value string) {
	from := len(e.text)
	e.text = append(e.text, value...)
	e.add(key, e.textFrom(from))
}

func (e *Encoder) time(key string, t time.Time) {
	from := len(e.text)
	e.text = appendTime(e.text, t)
	e.add(key, e.textFrom(from))
}

func (e *Encoder) number(key string, n uint64) {
	from := len(e.text)
	e.text = strconv.AppendUint(e.text, n, 10)
	e.add(key, e.textFrom(from))
}

// appendSequence appends a number with at least six digits.
func appendSequence(b []byte, n uint64) []byte {
	for limit := uint64(100_000); n < limit && limit > 1; limit /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendUint(b, n, 10)
}

// appendWorkerPath appends the end of ce_source.
func appendWorkerPath(b []byte, w diff.WorkerKey) []byte {
	for _, id := range [...]string{w.FarmID, w.FleetID, w.WorkerID} {
		b = append(append(b, '/'), id...)
	}
	return b
}

// changedAt returns the change's own time if the service shows it. Otherwise it returns the time when the answer that first
// showed the change had arrived.
func changedAt(c *diff.Change) time.Time {
	if c.Observed.Exact {
		switch c.Kind {
		case diff.Started:
			return c.Session.StartedAt
		case diff.Ended:
			return c.Session.EndedAt
		}
	}
	return c.Observed.Before
}

// attributes are the values of an event's headers, by the headers' names.
type attributes map[string]string

// attributesOf collects the headers that this version knows, and ignores all others.
func attributesOf(headers []Header) (attributes, error) {
	a := make(attributes, 13)
	for _, h := range headers {
		switch h.Key {
		case specVersionHeader, idHeader, sourceHeader, typeHeader, subjectHeader, timeHeader, sequenceHeader,
			partitionKeyHeader, recordedTimeHeader, shardHeader, logIndexHeader, dataSchemaHeader, contentTypeHeader:
			if _, twice := a[h.Key]; twice {
				return nil, malformed("two headers %s", h.Key)
			}
			a[h.Key] = string(h.Value)
		}
	}
	return a, nil
}

// event reads everything that is in the headers. It does not compare them with the value, as compare does.
func (a attributes) event(key []byte, kind diff.Kind) (e Event, err error) {
	e.Kind = kind
	e.ID, e.Source, e.Type, e.Subject, e.DataSchema = a[idHeader], a[sourceHeader], a[typeHeader], a[subjectHeader], a[dataSchemaHeader]
	if e.Subject == "" || e.Subject != string(key) {
		return e, malformed("%s is %q and the key %q, and both should be the session id", subjectHeader, e.Subject, key)
	}
	if e.Sequence, err = decodeSequence(a[sequenceHeader]); err != nil {
		return e, err
	}
	for _, of := range [...]struct{ header, want string }{
		{specVersionHeader, specVersion},
		{idHeader, e.Subject + "." + a[sequenceHeader]},
		{partitionKeyHeader, e.Subject},
		{dataSchemaHeader, dataSchema},
		{contentTypeHeader, contentType},
	} {
		if a[of.header] != of.want {
			return e, malformed("%s is %q and should be %q", of.header, a[of.header], of.want)
		}
	}
	if e.Time, err = a.time(timeHeader); err != nil {
		return e, err
	}
	if e.RecordedTime, err = a.time(recordedTimeHeader); err != nil {
		return e, err
	}
	return e, a.log(&e)
}

// log reads the event's place in the log of its shard. Both headers are missing in events of versions that had no log.
func (a attributes) log(e *Event) error {
	shard, hasShard := a[shardHeader]
	index, hasIndex := a[logIndexHeader]
	if !hasShard && !hasIndex {
		return nil
	}
	n, err := strconv.ParseUint(shard, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != shard {
		return malformed("%s is %q and should be the number of a shard", shardHeader, shard)
	}
	if e.LogIndex, err = strconv.ParseUint(index, 10, 64); err != nil || strconv.FormatUint(e.LogIndex, 10) != index {
		return malformed("%s is %q and should be a number from 0", logIndexHeader, index)
	}
	e.Shard, e.Logged = int(n), true
	return nil
}

func (a attributes) time(header string) (time.Time, error) {
	t, err := time.Parse(timeLayout, a[header])
	// time.Parse accepts other forms too, such as a comma before the milliseconds.
	if err != nil || string(appendTime(nil, t)) != a[header] {
		return t, malformed("%s is %q and should have the form %s", header, a[header], timeLayout)
	}
	return t, nil
}

// kindOf returns the change of the first header ce_type.
func kindOf(headers []Header) (diff.Kind, error) {
	at := slices.IndexFunc(headers, func(h Header) bool { return h.Key == typeHeader })
	if at < 0 {
		return "", malformed("there is no header %s", typeHeader)
	}
	return decodeType(string(headers[at].Value))
}

// decodeType returns the change of a type of the form farmwire.session.<change>.v1. A type of the form
// farmwire.<noun>.<change>.v<number> that is not known is ErrUnknown.
func decodeType(text string) (diff.Kind, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 4 || parts[0] != "farmwire" || parts[1] == "" || parts[2] == "" || !isVersion(parts[3]) {
		return "", malformed("%s is %q and should have the form farmwire.session.<change>.v1", typeHeader, text)
	}
	kind := diff.Kind(parts[2])
	if typePrefix+parts[2]+typeSuffix != text || !slices.Contains(Kinds(), kind) {
		return "", unknown("an event of type %s", text)
	}
	return kind, nil
}

func isVersion(s string) bool {
	number, ok := strings.CutPrefix(s, "v")
	n, err := strconv.ParseUint(number, 10, 32)
	return ok && err == nil && n > 0 && strconv.FormatUint(n, 10) == number
}

// Kinds returns the changes that version 1 of the wire form has.
func Kinds() []diff.Kind {
	return []diff.Kind{diff.Discovered, diff.Started, diff.Updating, diff.Updated, diff.UpdateFailed, diff.Changed,
		diff.Ending, diff.Ended, diff.Vanished}
}

func decodeSequence(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 || !bytes.Equal(appendSequence(nil, n), []byte(text)) {
		return 0, malformed("%s is %q and should be a number from 1 with at least six digits", sequenceHeader, text)
	}
	return n, nil
}

// compare returns an error if the headers do not agree with the value. It takes the region out of ce_source.
func (a attributes) compare(e *Event, v valueFields) error {
	path := string(appendWorkerPath(nil, e.Session.WorkerKey))
	switch {
	case diff.Kind(v.Change) != e.Kind:
		return malformed("%s is %q and the value has the change %q", typeHeader, e.Type, v.Change)
	case v.Sequence != e.Sequence:
		return malformed("%s is %s and the value has the sequence %d", sequenceHeader, a[sequenceHeader], v.Sequence)
	case e.Session.SessionID != e.Subject:
		return malformed("%s is %q and the value is of the session %q", subjectHeader, e.Subject, e.Session.SessionID)
	case !e.Time.Equal(changedAt(&e.Change)):
		return malformed("%s is %s and should be %s as in the value", timeHeader, a[timeHeader], appendTime(nil, changedAt(&e.Change)))
	}
	region, hasPrefix := strings.CutPrefix(e.Source, sourcePrefix)
	region, hasPath := strings.CutSuffix(region, path)
	if !hasPrefix || !hasPath || region == "" || strings.Contains(region, "/") {
		return malformed("%s is %q and should be %s<region>%s", sourceHeader, e.Source, sourcePrefix, path)
	}
	e.Region = region
	return nil
}
