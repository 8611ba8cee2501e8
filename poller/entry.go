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
	errMalformed    = listError(schedule.Malformed)
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

// statusOf returns what ListWorkers or BatchGetWorker shows of a worker. A status or a host name that is too long is left
// empty. The answer is not malformed for that, because neither identifies a worker and one odd worker must not hide others.
func statusOf(status types.WorkerStatus, host *types.HostPropertiesResponse) diff.WorkerStatus {
	shown := diff.WorkerStatus{Status: string(status)}
	if host != nil {
		shown.HostName = aws.ToString(host.HostName)
	}
	if len(shown.Status) > maxField {
		shown.Status = ""
	}
	if len(shown.HostName) > maxField {
		shown.HostName = ""
	}
	return shown
}

// checkSession returns an error if the session lacks a field that the API requires, or has one that is too long.
func checkSession(s *diff.Session) error {
	switch {
	case s.SessionID == "" || s.QueueID == "" || s.JobID == "" || s.FleetID == "" || s.WorkerID == "" ||
		s.LifecycleStatus == "" || s.StartedAt.IsZero():
		return errMissingField
	case max(len(s.SessionID), len(s.QueueID), len(s.JobID), len(s.FleetID), len(s.WorkerID),
		len(s.LifecycleStatus), len(s.TargetLifecycleStatus)) > maxField:
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
