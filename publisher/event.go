package publisher

import (
	"strconv"
	"time"

	"farmwire/diff"
)

// Header is one header of a Kafka record.
type Header struct {
	Key   string
	Value []byte
}

// Event is a change as consumers see it: a CloudEvents 1.0 event in binary mode.
type Event struct {
	Key     []byte // the session id
	Value   []byte // JSON
	Headers []Header
}

// Envelope is what an event tells beside its change.
type Envelope struct {
	Region   string
	Status   *diff.WorkerStatus // nil: ListWorkers never showed the worker
	Recorded time.Time          // when the event is handed to Kafka; the record's timestamp
}

// EncodeEvent gives a change its form on the wire.
func EncodeEvent(c *diff.Change, env Envelope) Event {
	var e eventEncoder
	return e.encode(c, env)
}

// eventEncoder encodes events into buffers that it uses again: an event is valid until the next one.
type eventEncoder struct {
	value   []byte
	headers []Header
	text    []byte // what the headers' values point to
}

func (e *eventEncoder) encode(c *diff.Change, env Envelope) Event {
	e.value = appendEvent(e.value[:0], c, env.Status)
	e.text = append(e.text[:0], c.Session.SessionID...)
	key := e.since(0)
	e.headers = e.headers[:0]
	e.encodeHeaders(c, env, key)
	return Event{Key: key, Value: e.value, Headers: e.headers}
}

// encodeHeaders writes the attributes of CloudEvents 1.0 in binary mode.
func (e *eventEncoder) encodeHeaders(c *diff.Change, env Envelope, subject []byte) {
	s := &c.Session
	e.literal("ce_specversion", "1.0")

	id := len(e.text)
	e.text = append(append(e.text, s.SessionID...), '.')
	number := len(e.text)
	e.text = appendSequence(e.text, c.Sequence)
	ceID, ceSequence := e.since(id), e.since(number)
	e.add("ce_id", ceID)

	source := len(e.text)
	e.text = append(append(e.text, "/deadline/"...), env.Region...)
	e.text = append(append(e.text, '/'), s.FarmID...)
	e.text = append(append(e.text, '/'), s.FleetID...)
	e.text = append(append(e.text, '/'), s.WorkerID...)
	e.add("ce_source", e.since(source))

	kind := len(e.text)
	e.text = append(append(e.text, "farmwire.session."...), c.Kind...)
	e.text = append(e.text, ".v1"...)
	e.add("ce_type", e.since(kind))
	e.add("ce_subject", subject)
	e.time("ce_time", changedAt(c))
	e.add("ce_sequence", ceSequence)
	e.add("ce_partitionkey", subject)
	e.time("ce_recordedtime", env.Recorded)
	e.literal("ce_dataschema", "urn:farmwire:session:v1")
	e.literal("content-type", "application/json")
}

// since is the text from a place on. It stays what it is when the buffer grows.
func (e *eventEncoder) since(from int) []byte { return e.text[from:len(e.text):len(e.text)] }

func (e *eventEncoder) add(key string, value []byte) {
	e.headers = append(e.headers, Header{Key: key, Value: value})
}

func (e *eventEncoder) literal(key, value string) {
	from := len(e.text)
	e.text = append(e.text, value...)
	e.add(key, e.since(from))
}

func (e *eventEncoder) time(key string, t time.Time) {
	from := len(e.text)
	e.text = appendTime(e.text, t)
	e.add(key, e.since(from))
}

// appendSequence appends a number with six digits at least.
func appendSequence(b []byte, n uint64) []byte {
	for least := uint64(100_000); n < least && least > 1; least /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendUint(b, n, 10)
}

// changedAt is the change's own time where the service tells it, else the time when an answer
// that shows it had arrived.
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

func appendEvent(b []byte, c *diff.Change, status *diff.WorkerStatus) []byte {
	b = append(b, `{"change":`...)
	b = appendString(b, string(c.Kind))
	b = append(b, `,"sequence":`...)
	b = strconv.AppendUint(b, c.Sequence, 10)
	b = append(b, `,"inferred":`...)
	b = strconv.AppendBool(b, c.Inferred)
	b = append(b, `,"snapshot":`...)
	b = strconv.AppendBool(b, c.Snapshot)
	b = append(b, `,"session":`...)
	b = appendSession(b, &c.Session)
	b = append(b, `,"previous":`...)
	b = appendPrevious(b, c.Previous)
	b = append(b, `,"observed":{"after":`...)
	b = appendJSONTime(b, c.Observed.After)
	b = append(b, `,"before":`...)
	b = appendJSONTime(b, c.Observed.Before)
	b = append(b, `,"exact":`...)
	b = strconv.AppendBool(b, c.Observed.Exact)
	b = append(b, `},"worker":`...)
	b = appendWorker(b, status)
	return append(b, '}')
}

// appendSession appends the ten fields of a session, in events and in the state topic alike.
func appendSession(b []byte, s *diff.Session) []byte {
	b = append(b, `{"farmId":`...)
	b = appendString(b, s.FarmID)
	b = append(b, `,"fleetId":`...)
	b = appendString(b, s.FleetID)
	b = append(b, `,"workerId":`...)
	b = appendString(b, s.WorkerID)
	b = append(b, `,"queueId":`...)
	b = appendString(b, s.QueueID)
	b = append(b, `,"jobId":`...)
	b = appendString(b, s.JobID)
	b = append(b, `,"sessionId":`...)
	b = appendString(b, s.SessionID)
	b = append(b, `,"lifecycleStatus":`...)
	b = appendString(b, s.LifecycleStatus)
	b = append(b, `,"targetLifecycleStatus":`...)
	b = appendOptional(b, s.TargetLifecycleStatus)
	b = append(b, `,"startedAt":`...)
	b = appendJSONTime(b, s.StartedAt)
	b = append(b, `,"endedAt":`...)
	b = appendJSONTime(b, s.EndedAt)
	return append(b, '}')
}

func appendPrevious(b []byte, s *diff.Session) []byte {
	if s == nil {
		return append(b, "null"...)
	}
	b = append(b, `{"lifecycleStatus":`...)
	b = appendString(b, s.LifecycleStatus)
	b = append(b, `,"targetLifecycleStatus":`...)
	b = appendOptional(b, s.TargetLifecycleStatus)
	b = append(b, `,"endedAt":`...)
	b = appendJSONTime(b, s.EndedAt)
	return append(b, '}')
}

func appendWorker(b []byte, w *diff.WorkerStatus) []byte {
	if w == nil {
		return append(b, "null"...)
	}
	b = append(b, `{"status":`...)
	b = appendString(b, w.Status)
	b = append(b, `,"hostName":`...)
	b = appendOptional(b, w.HostName)
	return append(b, '}')
}
