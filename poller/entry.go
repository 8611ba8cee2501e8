package poller

import (
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
)

// maxField is how many bytes one text may have. With a few dozen such texts a record still fits into a Kafka topic.
const maxField = 4 << 10

const (
	errNoList       = listError(schedule.NoList)
	errMissingField = listError(schedule.MissingField)
	errFieldTooLong = listError(schedule.FieldTooLong)
	errReservedID   = listError(schedule.ReservedID)
	errUnknownList  = listError(schedule.Other)
)

// sessionOf returns a session of a worker as an entry of a listing shows it.
func sessionOf(w diff.WorkerKey, s *types.WorkerSessionSummary) diff.Session {
	return diff.Session{
		WorkerKey: w,
		QueueID:   aws.ToString(s.QueueId), JobID: aws.ToString(s.JobId), SessionID: aws.ToString(s.SessionId),
		LifecycleStatus: string(s.LifecycleStatus), TargetLifecycleStatus: string(s.TargetLifecycleStatus),
		StartedAt: utc(s.StartedAt), EndedAt: utc(s.EndedAt),
	}
}

// statusOf returns what ListWorkers shows of a worker. A status or a host name that is too long is left empty. The list
// is not malformed for that, because neither identifies a worker and one odd worker must not hide its fleet.
func statusOf(w *types.WorkerSummary) diff.WorkerStatus {
	status := diff.WorkerStatus{Status: string(w.Status)}
	if w.HostProperties != nil {
		status.HostName = aws.ToString(w.HostProperties.HostName)
	}
	if len(status.Status) > maxField {
		status.Status = ""
	}
	if len(status.HostName) > maxField {
		status.HostName = ""
	}

	return status
}

// checkSession returns an error if the session lacks a field that the API requires, or has one that is too long.
func checkSession(s *diff.Session) error {
	switch {
	case s.SessionID == "" || s.QueueID == "" || s.JobID == "" || s.LifecycleStatus == "" || s.StartedAt.IsZero():
		return errMissingField
	case max(len(s.SessionID), len(s.QueueID), len(s.JobID), len(s.LifecycleStatus), len(s.TargetLifecycleStatus)) > maxField:
		return errFieldTooLong
	}
	return nil
}

// checkID returns an error if an identifier is absent or too long.
func checkID(id *string) error {
	switch {
	case aws.ToString(id) == "":
		return errMissingField
	case len(*id) > maxField:
		return errFieldTooLong
	}
	return nil
}

// named returns the session's identifier for a text, unless it is too long for one.
func named(sessionID string) string {
	if sessionID == "" || len(sessionID) > 100 {
		return ""
	}
	return ", " + sessionID
}

// utc returns the time in UTC. For nil it is the zero time.
func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
