package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// field is a member of a JSON object. It tells an absent member from null, and both from a value.
type field[T any] struct {
	present, null bool
	value         T
}

// UnmarshalJSON implements [json.Unmarshaler].
func (f *field[T]) UnmarshalJSON(b []byte) error {
	f.present = true
	if string(b) == "null" {
		f.null = true
		return nil
	}
	return json.Unmarshal(b, &f.value)
}

// wireSession is the session of events and of state records.
type wireSession struct {
	FarmID    field[string] `json:"farmId"`
	FleetID   field[string] `json:"fleetId"`
	WorkerID  field[string] `json:"workerId"`
	QueueID   field[string] `json:"queueId"`
	JobID     field[string] `json:"jobId"`
	SessionID field[string] `json:"sessionId"`
	StartedAt field[string] `json:"startedAt"`
	wireState
}

// wireState is the state in a session, and all of the member "previous".
type wireState struct {
	LifecycleStatus       field[string] `json:"lifecycleStatus"`
	TargetLifecycleStatus field[string] `json:"targetLifecycleStatus"`
	EndedAt               field[string] `json:"endedAt"`
}

type wireObserved struct {
	After  field[string] `json:"after"`
	Before field[string] `json:"before"`
	Exact  field[bool]   `json:"exact"`
}

type wireWorker struct {
	Status   field[string] `json:"status"`
	HostName field[string] `json:"hostName"`
}

type wireEvent struct {
	Change   field[string]       `json:"change"`
	Sequence field[uint64]       `json:"sequence"`
	Inferred field[bool]         `json:"inferred"`
	Snapshot field[bool]         `json:"snapshot"`
	Session  field[wireSession]  `json:"session"`
	Previous field[wireState]    `json:"previous"`
	Observed field[wireObserved] `json:"observed"`
	Worker   field[wireWorker]   `json:"worker"`
}

type wireStateRecord struct {
	Schema   field[int]         `json:"schema"`
	Sequence field[uint64]      `json:"sequence"`
	Session  field[wireSession] `json:"session"`
	Seen     field[string]      `json:"seen"`
	Vanished field[bool]        `json:"vanished"`
	Missing  field[string]      `json:"missing"`
}

// strict decodes one JSON object, which must have no unknown members.
func strict(text string, to any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}

// reading reads the members of one JSON object and keeps the first thing that is wrong with them.
type reading struct {
	texts interner
	wrong error
}

func (r *reading) fail(format string, args ...any) {
	if r.wrong == nil {
		r.wrong = fmt.Errorf(format, args...)
	}
}

// take reads a member that must be there and must not be null.
func take[T any](r *reading, name string, f field[T]) T {
	if !f.present || f.null {
		r.fail("%s is missing", name)
	}
	return f.value
}

// nullable reads a member that must be there. It returns false for null.
func nullable[T any](r *reading, name string, f field[T]) (T, bool) {
	if !f.present {
		r.fail("%s is absent, not null", name)
	}
	return f.value, f.present && !f.null
}

func (r *reading) time(name, text string) instant {
	t, ok := parseWire(text)
	if !ok {
		r.fail("%s is %q, not a UTC time with milliseconds", name, text)
	}
	return t
}

func (r *reading) optionalTime(name string, f field[string]) instant {
	if text, ok := nullable(r, name, f); ok {
		return r.time(name, text)
	}
	return 0
}

func (r *reading) state(w wireState) state {
	s := state{status: r.texts.text(take(r, "lifecycleStatus", w.LifecycleStatus)), endedAt: r.optionalTime("endedAt", w.EndedAt)}
	if text, ok := nullable(r, "targetLifecycleStatus", w.TargetLifecycleStatus); ok {
		s.target = r.texts.text(text)
	}
	return s
}

func (r *reading) session(w wireSession) (id string, who identity, s state) {
	who = identity{
		farm: take(r, "farmId", w.FarmID), fleet: take(r, "fleetId", w.FleetID), worker: take(r, "workerId", w.WorkerID),
		queue: take(r, "queueId", w.QueueID), job: take(r, "jobId", w.JobID),
		startedAt: r.time("startedAt", take(r, "startedAt", w.StartedAt)),
	}
	return take(r, "sessionId", w.SessionID), who, r.state(w.wireState)
}
