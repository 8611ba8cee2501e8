package event

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"farmwire/diff"
)

// appendValue appends the value of an event.
func appendValue(b []byte, c *diff.Change, status *diff.WorkerStatus) []byte {
	b = appendText(b, `{"change":`, string(c.Kind))
	b = appendNumber(b, `,"sequence":`, c.Sequence)
	b = appendBool(b, `,"inferred":`, c.Inferred)
	b = appendBool(b, `,"snapshot":`, c.Snapshot)
	b = append(b, `,"session":`...)
	b = appendSessionFields(b, &c.Session)
	b = append(b, `,"previous":`...)
	b = appendPrevious(b, c.Previous)
	b = appendInstant(b, `,"observed":{"after":`, c.Observed.After)
	b = appendInstant(b, `,"before":`, c.Observed.Before)
	b = appendBool(b, `,"exact":`, c.Observed.Exact)
	b = append(b, `},"worker":`...)
	b = appendWorker(b, status)
	return append(b, '}')
}

// appendSessionFields appends the ten fields of a session, in events and in the state topic alike.
func appendSessionFields(b []byte, s *diff.Session) []byte {
	b = appendText(b, `{"farmId":`, s.FarmID)
	b = appendText(b, `,"fleetId":`, s.FleetID)
	b = appendText(b, `,"workerId":`, s.WorkerID)
	b = appendText(b, `,"queueId":`, s.QueueID)
	b = appendText(b, `,"jobId":`, s.JobID)
	b = appendText(b, `,"sessionId":`, s.SessionID)
	b = appendText(b, `,"lifecycleStatus":`, s.LifecycleStatus)
	b = appendOptional(b, `,"targetLifecycleStatus":`, s.TargetLifecycleStatus)
	b = appendInstant(b, `,"startedAt":`, s.StartedAt)
	b = appendInstant(b, `,"endedAt":`, s.EndedAt)
	return append(b, '}')
}

func appendPrevious(b []byte, s *diff.Session) []byte {
	if s == nil {
		return append(b, "null"...)
	}
	b = appendText(b, `{"lifecycleStatus":`, s.LifecycleStatus)
	b = appendOptional(b, `,"targetLifecycleStatus":`, s.TargetLifecycleStatus)
	b = appendInstant(b, `,"endedAt":`, s.EndedAt)
	return append(b, '}')
}

func appendWorker(b []byte, w *diff.WorkerStatus) []byte {
	if w == nil {
		return append(b, "null"...)
	}
	b = appendText(b, `{"status":`, w.Status)
	b = appendOptional(b, `,"hostName":`, w.HostName)
	return append(b, '}')
}

// valueFields is the value of an event as JSON. Pointers are members that must not be null, except for previous and worker.
type valueFields struct {
	Change   string         `json:"change"`
	Sequence uint64         `json:"sequence"`
	Inferred *bool          `json:"inferred"`
	Snapshot *bool          `json:"snapshot"`
	Session  *sessionFields `json:"session"`
	Previous *struct {
		LifecycleStatus       *string `json:"lifecycleStatus"`
		TargetLifecycleStatus string  `json:"targetLifecycleStatus"`
		EndedAt               instant `json:"endedAt"`
	} `json:"previous"`
	Observed *struct {
		After  instant `json:"after"`
		Before instant `json:"before"`
		Exact  *bool   `json:"exact"`
	} `json:"observed"`
	Worker *struct {
		Status   *string `json:"status"`
		HostName string  `json:"hostName"`
	} `json:"worker"`
}

// sessionFields are the ten fields of a session as JSON. The pointers are those that every session has.
type sessionFields struct {
	FarmID                *string `json:"farmId"`
	FleetID               *string `json:"fleetId"`
	WorkerID              *string `json:"workerId"`
	QueueID               *string `json:"queueId"`
	JobID                 *string `json:"jobId"`
	SessionID             *string `json:"sessionId"`
	LifecycleStatus       *string `json:"lifecycleStatus"`
	TargetLifecycleStatus string  `json:"targetLifecycleStatus"`
	StartedAt             instant `json:"startedAt"`
	EndedAt               instant `json:"endedAt"`
}

// isComplete reports whether the fields that every session has are there.
func (f *sessionFields) isComplete() bool {
	return !slices.Contains([]*string{f.FarmID, f.FleetID, f.WorkerID, f.QueueID, f.JobID, f.SessionID, f.LifecycleStatus}, nil)
}

// session returns the session. A field that is not there is empty.
func (f *sessionFields) session() diff.Session {
	text := func(field *string) string { return *cmp.Or(field, new(string)) }
	return diff.Session{
		WorkerKey:             diff.WorkerKey{FarmID: text(f.FarmID), FleetID: text(f.FleetID), WorkerID: text(f.WorkerID)},
		QueueID:               text(f.QueueID),
		JobID:                 text(f.JobID),
		SessionID:             text(f.SessionID),
		LifecycleStatus:       text(f.LifecycleStatus),
		TargetLifecycleStatus: f.TargetLifecycleStatus,
		StartedAt:             time.Time(f.StartedAt),
		EndedAt:               time.Time(f.EndedAt),
	}
}

// check returns an error if a member is missing that every event has.
func (v *valueFields) check() error {
	switch {
	case v.Inferred == nil || v.Snapshot == nil || v.Session == nil || v.Observed == nil || v.Observed.Exact == nil:
		return malformed("the value lacks inferred, snapshot, session, observed or observed.exact")
	case !v.Session.isComplete():
		return malformed("the value's session lacks an id or its status")
	case v.Previous != nil && v.Previous.LifecycleStatus == nil:
		return malformed("the value's previous lacks lifecycleStatus")
	case v.Worker != nil && v.Worker.Status == nil:
		return malformed("the value's worker lacks status")
	}
	return nil
}

// decodeValue reads the value of an event into e. It returns all members, because the headers repeat some of them.
func decodeValue(value []byte, e *Event) (v valueFields, err error) {
	if err := json.Unmarshal(value, &v); err != nil {
		return v, malformed("the value: %w", err)
	}
	if err := v.check(); err != nil {
		return v, err
	}
	e.Inferred, e.Snapshot, e.Session = *v.Inferred, *v.Snapshot, v.Session.session()
	e.Observed = diff.Bounds{
		After:  time.Time(v.Observed.After),
		Before: time.Time(v.Observed.Before),
		Exact:  *v.Observed.Exact,
	}
	if p := v.Previous; p != nil {
		previous := e.Session
		previous.LifecycleStatus, previous.TargetLifecycleStatus = *p.LifecycleStatus, p.TargetLifecycleStatus
		previous.EndedAt = time.Time(p.EndedAt)
		e.Previous = &previous
	}
	if w := v.Worker; w != nil {
		e.Status = &diff.WorkerStatus{Status: *w.Status, HostName: w.HostName}
	}
	return v, nil
}
