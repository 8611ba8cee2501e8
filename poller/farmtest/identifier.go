package farmtest

import (
	"encoding/json"
	"io"
	"slices"
)

// sessionIdentifier names a session.
type sessionIdentifier struct {
	FarmID    string `json:"farmId"`
	QueueID   string `json:"queueId"`
	JobID     string `json:"jobId"`
	SessionID string `json:"sessionId"`
}

// workerIdentifier names a worker.
type workerIdentifier struct {
	FarmID   string `json:"farmId"`
	FleetID  string `json:"fleetId"`
	WorkerID string `json:"workerId"`
}

// batchIdentifier is an identifier in the request of a batch operation.
type batchIdentifier interface {
	// members returns the names and the values of its members.
	members() [][2]string
}

func (id sessionIdentifier) members() [][2]string {
	return [][2]string{{"farmId", id.FarmID}, {"queueId", id.QueueID}, {"jobId", id.JobID}, {"sessionId", id.SessionID}}
}

func (id workerIdentifier) members() [][2]string {
	return [][2]string{{"farmId", id.FarmID}, {"fleetId", id.FleetID}, {"workerId", id.WorkerID}}
}

// readIdentifiers parses and validates the body of a batch operation.
func readIdentifiers[T batchIdentifier](body io.Reader) ([]T, *failure) {
	var in struct {
		Identifiers []T `json:"identifiers"`
	}
	if err := json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(&in); err != nil {
		return nil, invalid("CANNOT_PARSE", "body", "The body cannot be parsed.")
	}
	if n := len(in.Identifiers); n < 1 || n > 100 {
		return nil, invalid("FIELD_VALIDATION_FAILED", "identifiers", "The list must have 1 to 100 members.")
	}
	empty := func(member [2]string) bool { return member[1] == "" }
	for _, id := range in.Identifiers {
		if slices.ContainsFunc(id.members(), empty) {
			return nil, invalid("FIELD_VALIDATION_FAILED", "identifiers", "An identifier lacks a member.")
		}
	}
	return in.Identifiers, nil
}
