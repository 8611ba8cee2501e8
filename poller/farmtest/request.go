package farmtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Operation names an operation of the service.
type Operation string

// The operations that are served. In Config.Quotas and in a Fault, AnyOperation stands for all of them.
const (
	AnyOperation          Operation = ""
	ListFarms             Operation = "ListFarms"
	ListFleets            Operation = "ListFleets"
	ListWorkers           Operation = "ListWorkers"
	ListSessionsForWorker Operation = "ListSessionsForWorker"
	GetSession            Operation = "GetSession"
	BatchGetSession       Operation = "BatchGetSession"
)

// listKey returns the name of the answer's member that holds the list, or "" if the operation is no listing.
func (o Operation) listKey() string {
	switch o {
	case ListFarms:
		return "farms"
	case ListFleets:
		return "fleets"
	case ListWorkers:
		return "workers"
	case ListSessionsForWorker:
		return "sessions"
	default:
		return ""
	}
}

// request is a parsed call.
type request struct {
	operation                 Operation
	caller                    string // access key id; empty if the call is not signed
	farmID, fleetID, workerID string
	identifier                // the session that GetSession asks for
	path                      string
	query                     url.Values
	size                      int          // largest number of entries on the page
	token                     token        // zero for the first page
	page                      int          // of a listing, from 1; 0 for other calls
	identifiers               []identifier // of BatchGetSession
}

// identifier names a session.
type identifier struct {
	FarmID    string `json:"farmId"`
	QueueID   string `json:"queueId"`
	JobID     string `json:"jobId"`
	SessionID string `json:"sessionId"`
}

// route parses the method and the path. It returns false if the service has no such operation.
func route(r *http.Request) (*request, bool) {
	req := &request{path: r.URL.Path, caller: callerOf(r)}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/2023-10-12/"), "/")
	if len(parts[0]) == len(r.URL.Path) { // the path lacks the API version
		return req, false
	}
	pattern := make([]string, 0, len(parts))
	for i, p := range parts {
		if i%2 == 1 && parts[0] == "farms" {
			p = "*"
		}
		pattern = append(pattern, p)
	}
	arg := func(i int) string { return parts[i] }
	switch r.Method + " " + strings.Join(pattern, "/") {
	case "GET farms":
		req.operation = ListFarms
	case "GET farms/*/fleets":
		req.operation, req.farmID = ListFleets, arg(1)
	case "GET farms/*/fleets/*/workers":
		req.operation, req.farmID, req.fleetID = ListWorkers, arg(1), arg(3)
	case "GET farms/*/fleets/*/workers/*/sessions":
		req.operation, req.farmID, req.fleetID, req.workerID = ListSessionsForWorker, arg(1), arg(3), arg(5)
	case "GET farms/*/queues/*/jobs/*/sessions/*":
		req.operation, req.farmID = GetSession, arg(1)
		req.identifier = identifier{FarmID: arg(1), QueueID: arg(3), JobID: arg(5), SessionID: arg(7)}
	case "POST batch-get-session":
		req.operation = BatchGetSession
	default:
		return req, false
	}
	return req, true
}

// callerOf returns the access key id that a call is signed with, or "".
func callerOf(r *http.Request) string {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	id, _, _ := strings.Cut(rest, "/")
	return id
}

// read parses and validates the query or the body. It returns nil if they are valid.
func (req *request) read(r *http.Request, pageSize int) *failure {
	if req.operation == BatchGetSession {
		return req.readIdentifiers(r.Body)
	}
	if req.operation.listKey() == "" {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return invalid("CANNOT_PARSE", "query", "The query cannot be parsed.")
	}
	req.query, req.size, req.page = query, pageSize, 1
	if query.Has("maxResults") {
		n, err := strconv.Atoi(query.Get("maxResults"))
		if err != nil || n < 1 || n > 100 {
			return invalid("FIELD_VALIDATION_FAILED", "maxResults", "Value must be a number from 1 to 100.")
		}
		req.size = min(n, pageSize)
	}
	text := query.Get("nextToken")
	if text == "" {
		return nil
	}
	if len(text) > 4096 {
		return invalid("FIELD_VALIDATION_FAILED", "nextToken", "Value must have at most 4096 characters.")
	}
	t, ok := decodeToken(text, req.path)
	if !ok {
		return invalid("OTHER", "nextToken", "The token is not valid.")
	}
	req.token, req.page = t, int(t.page)
	return nil
}

func (req *request) readIdentifiers(body io.Reader) *failure {
	var in struct {
		Identifiers []identifier `json:"identifiers"`
	}
	if err := json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(&in); err != nil {
		return invalid("CANNOT_PARSE", "body", "The body cannot be parsed.")
	}
	if n := len(in.Identifiers); n < 1 || n > 100 {
		return invalid("FIELD_VALIDATION_FAILED", "identifiers", "The list must have 1 to 100 members.")
	}
	for _, id := range in.Identifiers {
		if id.FarmID == "" || id.QueueID == "" || id.JobID == "" || id.SessionID == "" {
			return invalid("FIELD_VALIDATION_FAILED", "identifiers", "An identifier lacks a member.")
		}
	}
	req.identifiers = in.Identifiers
	return nil
}
