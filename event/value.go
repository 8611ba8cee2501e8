package event

import (
	"encoding/json"
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

// valueFields is the value of an event as JSON.
type valueFields struct {
	Change   string         `json:"change"`
	Sequence uint64         `json:"sequence"`
	Inferred *bool          `json:"inferred"`
	Snapshot *bool          `json:"snapshot"`
	Session  *sessionFields `json:"session"`
	Previous *struct {
		LifecycleStatus       string  `json:"lifecycleStatus"`
		TargetLifecycleStatus string  `json:"targetLifecycleStatus"`
		EndedAt               instant `json:"endedAt"`
	} `json:"previous"`
	Observed *struct {
		After  instant `json:"after"`
		Before instant `json:"before"`
		Exact  bool    `json:"exact"`
	} `json:"observed"`
	Worker *struct {
		Status   string `json:"status"`
		HostName string `json:"hostName"`
	} `json:"worker"`
}

// sessionFields are the ten fields of a session as JSON. A null is a field that the session does not have.
type sessionFields struct {
	FarmID                string  `json:"farmId"`
	FleetID               string  `json:"fleetId"`
	WorkerID              string  `json:"workerId"`
	QueueID               string  `json:"queueId"`
	JobID                 string  `json:"jobId"`
	SessionID             string  `json:"sessionId"`
	LifecycleStatus       string  `json:"lifecycleStatus"`
	TargetLifecycleStatus string  `json:"targetLifecycleStatus"`
	StartedAt             instant `json:"startedAt"`
	EndedAt               instant `json:"endedAt"`
}

func (f *sessionFields) session() diff.Session {
	return diff.Session{
		WorkerKey:             diff.WorkerKey{FarmID: f.FarmID, FleetID: f.FleetID, WorkerID: f.WorkerID},
		QueueID:               f.QueueID,
		JobID:                 f.JobID,
		SessionID:             f.SessionID,
		LifecycleStatus:       f.LifecycleStatus,
		TargetLifecycleStatus: f.TargetLifecycleStatus,
		StartedAt:             time.Time(f.StartedAt),
		EndedAt:               time.Time(f.EndedAt),
	}
}

// decodeValue reads the value of an event into e, except for what the headers tell too.
func decodeValue(value []byte, e *Event) (told valueFields, err error) {
	if err := json.Unmarshal(value, &told); err != nil {
		return told, malformed("the value: %w", err)
	}
	if told.Inferred == nil || told.Snapshot == nil || told.Session == nil || told.Observed == nil {
		return told, malformed("the value lacks inferred, snapshot, session or observed")
	}
	e.Inferred, e.Snapshot, e.Session = *told.Inferred, *told.Snapshot, told.Session.session()
	e.Observed = diff.Bounds{
		After:  time.Time(told.Observed.After),
		Before: time.Time(told.Observed.Before),
		Exact:  told.Observed.Exact,
	}
	if p := told.Previous; p != nil {
		previous := e.Session
		previous.LifecycleStatus, previous.TargetLifecycleStatus = p.LifecycleStatus, p.TargetLifecycleStatus
		previous.EndedAt = time.Time(p.EndedAt)
		e.Previous = &previous
	}
	if w := told.Worker; w != nil {
		e.Status = &diff.WorkerStatus{Status: w.Status, HostName: w.HostName}
	}
	return told, nil
}
