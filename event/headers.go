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
	ceID, ceSequence := e.since(id), e.since(number)
	e.add(idHeader, ceID)

	source := len(e.text)
	e.text = append(append(e.text, sourcePrefix...), env.Region...)
	e.text = appendWorkerPath(e.text, s.WorkerKey)
	e.add(sourceHeader, e.since(source))

	kind := len(e.text)
	e.text = append(append(append(e.text, typePrefix...), c.Kind...), typeSuffix...)
	e.add(typeHeader, e.since(kind))
	e.add(subjectHeader, subject)
	e.time(timeHeader, changedAt(c))
	e.add(sequenceHeader, ceSequence)
	e.add(partitionKeyHeader, subject)
	e.time(recordedTimeHeader, env.Recorded)
	e.literal(dataSchemaHeader, dataSchema)
	e.literal(contentTypeHeader, contentType)
}

// since returns the text from a place on. It stays valid when the buffer grows.
func (e *Encoder) since(from int) []byte { return e.text[from:len(e.text):len(e.text)] }

func (e *Encoder) add(key string, value []byte) {
	e.headers = append(e.headers, Header{Key: key, Value: value})
}

func (e *Encoder) literal(key, value string) {
	from := len(e.text)
	e.text = append(e.text, value...)
	e.add(key, e.since(from))
}

func (e *Encoder) time(key string, t time.Time) {
	from := len(e.text)
	e.text = appendTime(e.text, t)
	e.add(key, e.since(from))
}

// appendSequence appends a number with at least six digits.
func appendSequence(b []byte, n uint64) []byte {
	for least := uint64(100_000); n < least && least > 1; least /= 10 {
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

// changedAt is the change's own time where the service tells it, else the time when an answer that shows the change had
// arrived.
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

// attributes are the headers of an event by their names.
type attributes map[string]string

// attributesOf collects the headers that an event has. It leaves out those that it does not know.
func attributesOf(headers []Header) (attributes, error) {
	a := make(attributes, 11)
	for _, h := range headers {
		switch h.Key {
		case specVersionHeader, idHeader, sourceHeader, typeHeader, subjectHeader, timeHeader, sequenceHeader,
			partitionKeyHeader, recordedTimeHeader, dataSchemaHeader, contentTypeHeader:
			if _, twice := a[h.Key]; twice {
				return nil, malformed("two headers %s", h.Key)
			}
			a[h.Key] = string(h.Value)
		}
	}
	return a, nil
}

// event reads all that the headers tell. Whether they fit the value is for fits.
func (a attributes) event(key []byte) (e Event, err error) {
	if e.Kind, err = decodeType(a[typeHeader]); err != nil {
		return e, err
	}
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
	e.RecordedTime, err = a.time(recordedTimeHeader)
	return e, err
}

func (a attributes) time(header string) (time.Time, error) {
	t, err := time.Parse(timeLayout, a[header])
	if err != nil {
		return t, malformed("%s is %q and should have the form %s", header, a[header], timeLayout)
	}
	return t, nil
}

// decodeType returns the change of a type of the form farmwire.session.<change>.v1. A type of the form
// farmwire.<noun>.<change>.v<number> that is not known is ErrUnknown.
func decodeType(text string) (diff.Kind, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 4 || parts[0] != "farmwire" || parts[1] == "" || parts[2] == "" || !isVersion(parts[3]) {
		return "", malformed("%s is %q and should have the form farmwire.session.<change>.v1", typeHeader, text)
	}
	kind := diff.Kind(parts[2])
	if typePrefix+parts[2]+typeSuffix != text || !slices.Contains(kinds(), kind) {
		return "", unknown("an event of type %s", text)
	}
	return kind, nil
}

func isVersion(s string) bool {
	number, ok := strings.CutPrefix(s, "v")
	n, err := strconv.ParseUint(number, 10, 32)
	return ok && err == nil && n > 0 && strconv.FormatUint(n, 10) == number
}

// kinds are the changes that version 1 of the wire form has.
func kinds() []diff.Kind {
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

// fits compares the headers with what the value tells.
func (a attributes) fits(e *Event, told valueFields) error {
	path := string(appendWorkerPath(nil, e.Session.WorkerKey))
	switch {
	case diff.Kind(told.Change) != e.Kind:
		return malformed("%s is %q and the value tells the change %q", typeHeader, e.Type, told.Change)
	case told.Sequence != e.Sequence:
		return malformed("%s is %s and the value has the sequence %d", sequenceHeader, a[sequenceHeader], told.Sequence)
	case e.Session.SessionID != e.Subject:
		return malformed("%s is %q and the value is of the session %q", subjectHeader, e.Subject, e.Session.SessionID)
	case !strings.HasPrefix(e.Source, sourcePrefix), !strings.HasSuffix(e.Source, path), len(e.Source) < len(sourcePrefix)+len(path):
		return malformed("%s is %q and should be %s<region>%s", sourceHeader, e.Source, sourcePrefix, path)
	case !e.Time.Equal(changedAt(&e.Change)):
		return malformed("%s is %s and the value tells %s", timeHeader, a[timeHeader], appendTime(nil, changedAt(&e.Change)))
	}
	e.Region = e.Source[len(sourcePrefix) : len(e.Source)-len(path)]
	return nil
}
