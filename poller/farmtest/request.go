package farmtest

import (
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
	BatchGetWorker        Operation = "BatchGetWorker"
	ListSessionsForWorker Operation = "ListSessionsForWorker"
	ListSessions          Operation = "ListSessions" // of a job
	GetSession            Operation = "GetSession"
	BatchGetSession       Operation = "BatchGetSession"
)

// Operations returns the operations that are served.
func Operations() []Operation {
	return []Operation{
		ListFarms, ListFleets, ListWorkers, BatchGetWorker, ListSessionsForWorker, ListSessions, GetSession, BatchGetSession,
	}
}

// isBatch reports whether the operation answers about up to 100 things that the request names.
func (o Operation) isBatch() bool { return o == BatchGetWorker || o == BatchGetSession }

// isListing reports whether the operation's answers are pages.
func (o Operation) isListing() bool { return !o.isBatch() && o.listKey() != "" }

// ShowsSessions reports whether the operation, or one of those that AnyOperation stands for, shows sessions.
func (o Operation) ShowsSessions() bool {
	switch o {
	case AnyOperation, ListSessionsForWorker, ListSessions, GetSession, BatchGetSession:
		return true
	default:
		return false
	}
}

// listKey returns the name of the answer's member that holds the list, or "" if the answer has no list.
func (o Operation) listKey() string {
	switch o {
	case ListFarms:
		return "farms"
	case ListFleets:
		return "fleets"
	case ListWorkers, BatchGetWorker:
		return "workers"
	case ListSessionsForWorker, ListSessions, BatchGetSession:
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
	sessionIdentifier         // the session that GetSession asks for, or the job whose sessions ListSessions lists
	path                      string
	query                     url.Values
	size                      int                 // largest number of entries on the page
	token                     token               // zero for the first page
	page                      int                 // of a listing, from 1; 0 for other calls
	workers                   []workerIdentifier  // of BatchGetWorker
	sessions                  []sessionIdentifier // of BatchGetSession
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
	case "GET farms/*/queues/*/jobs/*/sessions":
		req.operation, req.farmID = ListSessions, arg(1)
		req.sessionIdentifier = sessionIdentifier{FarmID: arg(1), QueueID: arg(3), JobID: arg(5)}
	case "GET farms/*/queues/*/jobs/*/sessions/*":
		req.operation, req.farmID = GetSession, arg(1)
		req.sessionIdentifier = sessionIdentifier{FarmID: arg(1), QueueID: arg(3), JobID: arg(5), SessionID: arg(7)}
	case "POST batch-get-worker":
		req.operation = BatchGetWorker
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
func (req *request) read(r *http.Request, pageSize int) (fail *failure) {
	switch {
	case req.operation == BatchGetWorker:
		req.workers, fail = readIdentifiers[workerIdentifier](r.Body)
		return fail
	case req.operation == BatchGetSession:
		req.sessions, fail = readIdentifiers[sessionIdentifier](r.Body)
		return fail
	case req.operation.isListing():
		return req.readPage(r, pageSize)
	}
	return nil
}

// readPage parses the query of a listing.
func (req *request) readPage(r *http.Request, pageSize int) *failure {
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
