package event

import (
	"errors"
	"fmt"
	"time"

	"farmwire/diff"
)

var (
	// ErrUnknown says that a record is of a type, a kind or a version that this version of the package does not know. A
	// newer Farmwire wrote it. A consumer may skip it.
	ErrUnknown = errors.New("unknown to this version")

	// ErrMalformed says that a record breaks the wire form. Farmwire did not write it, or it was damaged since.
	ErrMalformed = errors.New("malformed record")
)

// The names of the topics are a prefix, such as deadline.sessions, and one of these.
const (
	EventsSuffix   = ".events"   // every change
	EndedSuffix    = ".ended"    // copies of the ended events, for automation
	CoverageSuffix = ".coverage" // up to when everything was looked at, and what could not be looked at
	StateSuffix    = ".state"    // the last known state of every session
)

// Record is a Kafka record without its topic, partition and timestamp.
type Record struct {
	Key     []byte
	Value   []byte // nil: a tombstone
	Headers []Header
}

// Header is one header of a Kafka record.
type Header struct {
	Key   string
	Value []byte
}

// Envelope is what an event says besides its change.
type Envelope struct {
	Region   string             // AWS region of the farm
	Status   *diff.WorkerStatus // nil if ListWorkers has never shown the worker
	Recorded time.Time          // when the event is handed to Kafka, which is also the record's timestamp
	Shard    int                // that publishes the event
	LogIndex uint64             // how many events the log of the shard has before this one
}

// Event is a decoded record of the events topic or of the ended topic. All its times are UTC with milliseconds.
//
// The embedded Change has what the record holds of it. Seen is not in the record and stays zero. Of Previous the record
// holds LifecycleStatus, TargetLifecycleStatus and EndedAt. Its other fields are copied from Session.
type Event struct {
	diff.Change

	ID           string             // ce_id: the session id, a dot and the sequence with at least six digits
	Source       string             // ce_source: /deadline/<region>/<farmId>/<fleetId>/<workerId>
	Type         string             // ce_type: farmwire.session.<change>.v1
	Subject      string             // ce_subject: the session id, which is also the key of the record
	Time         time.Time          // ce_time: when the change happened if Observed.Exact, otherwise Observed.Before
	RecordedTime time.Time          // ce_recordedtime: when the event was handed to Kafka
	DataSchema   string             // ce_dataschema
	Region       string             // AWS region, from Source
	Status       *diff.WorkerStatus // the worker as ListWorkers or BatchGetWorker last showed it, nil if neither did

	// Logged says that the event is in the log of a shard, at LogIndex, which is counted from 0. Events of versions of
	// Farmwire that had no log are not.
	Logged   bool
	Shard    int    // ce_shard
	LogIndex uint64 // ce_logindex
}

// Encode returns the record of a change.
func Encode(c *diff.Change, env Envelope) Record {
	var e Encoder
	return e.Encode(c, env)
}

// Encoder encodes events without allocating, because it reuses its buffers. The zero value is ready to use.
type Encoder struct {
	value   []byte
	headers []Header
	text    []byte // the key and the values of the headers are slices of it
}

// Encode returns the record of a change. The record is valid until the next call.
func (e *Encoder) Encode(c *diff.Change, env Envelope) Record {
	e.value = appendValue(e.value[:0], c, env.Status)
	e.text = append(e.text[:0], c.Session.SessionID...)
	key := e.textFrom(0)
	e.headers = e.headers[:0]
	e.encodeHeaders(c, env, key)
	return Record{Key: key, Value: e.value, Headers: e.headers}
}

// Decode reads a record of the events topic or of the ended topic. It ignores headers and JSON members that it does not
// know, and accepts any status.
//
// The error is ErrUnknown if the type or its version is not known, and ErrMalformed if the record breaks the wire form.
// Nothing but the type is looked at before ErrUnknown is returned.
func Decode(key, value []byte, headers []Header) (Event, error) {
	kind, err := kindOf(headers)
	if err != nil {
		return Event{}, err
	}
	a, err := attributesOf(headers)
	if err != nil {
		return Event{}, err
	}
	e, err := a.event(key, kind)
	if err != nil {
		return Event{}, err
	}
	v, err := decodeValue(value, &e)
	if err != nil {
		return Event{}, err
	}
	if err := a.compare(&e, v); err != nil {
		return Event{}, err
	}
	return e, nil
}

// malformed makes an ErrMalformed whose text says what is wrong.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, args...))
}

// unknown makes an ErrUnknown whose text says of what.
func unknown(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnknown, fmt.Sprintf(format, args...))
}
