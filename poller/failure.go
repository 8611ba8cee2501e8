package poller

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/aws/smithy-go"
)

// The reasons why an attempt, or a listing as a whole, came to nothing. They are the values
// of the label of the metrics and the words of /readyz.
const (
	reasonThrottled   = "throttled"
	reasonServer      = "server error"
	reasonTimeout     = "timeout"
	reasonConnection  = "connection"
	reasonMalformed   = "malformed"
	reasonDenied      = "denied"
	reasonCredentials = "credentials"
	reasonNotFound    = "not found"
	reasonRefused     = "refused" // any other 4xx
	reasonOther       = "other"

	reasonRepeatedToken = "repeated token"
	reasonNoList        = "no list"
	reasonMissingField  = "missing field"
	reasonTooManyPages  = "too many pages"
)

// attemptError is why one attempt failed, sorted by what is to be done about it.
type attemptError struct {
	reason string
	cause  error
}

func (e *attemptError) Error() string { return e.reason + ": " + e.cause.Error() }
func (e *attemptError) Unwrap() error { return e.cause }

// failedAttempt sorts the error of an attempt, and puts it into our own words.
func failedAttempt(err error, status int) *attemptError {
	return &attemptError{reason: classify(err, status), cause: tell(err)}
}

// listError is a well-formed answer, or a row of them, that is no complete list.
type listError string

func (e listError) Error() string { return string(e) }

const (
	errNoList       = listError(reasonNoList)
	errMissingField = listError(reasonMissingField)
	errTooManyPages = listError(reasonTooManyPages)
)

// reasonOf names an error for metrics and /readyz.
func reasonOf(err error) string {
	if a, ok := errors.AsType[*attemptError](err); ok {
		return a.reason
	}
	if l, ok := errors.AsType[listError](err); ok {
		return string(l)
	}
	switch {
	case errors.Is(err, ErrRepeatedToken):
		return reasonRepeatedToken
	case errors.Is(err, ErrBrokenPage):
		return reasonMalformed
	}
	return reasonOther
}

// again reports whether the same request may succeed if it is sent once more soon.
func again(reason string) bool {
	switch reason {
	case reasonThrottled, reasonServer, reasonTimeout, reasonConnection, reasonMalformed:
		return true
	}
	return false
}

// ownError reports whether an error about one session need not be that of another one: they
// are of different queues and jobs.
func ownError(reason string) bool {
	switch reason {
	case reasonNotFound, reasonDenied, reasonRefused, reasonServer, reasonMalformed:
		return true
	}
	return false
}

// classify sorts the error of an attempt that was answered with the status (0: not at all).
func classify(err error, status int) string {
	if isCredentials(err) {
		return reasonCredentials
	}
	switch {
	case status == http.StatusTooManyRequests:
		return reasonThrottled
	case status >= 500:
		return reasonServer
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return reasonDenied
	case status == http.StatusNotFound:
		return reasonNotFound
	case status >= 300:
		return reasonRefused
	}
	return classifyTransport(err)
}

// classifyTransport sorts the error of an attempt that had no answer, or whose answer said
// 200 and then could not be read.
func classifyTransport(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return reasonTimeout
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return reasonTimeout
	}
	if _, ok := errors.AsType[*net.OpError](err); ok || errors.Is(err, syscall.ECONNRESET) {
		return reasonConnection
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok || errors.Is(err, ErrBrokenPage) {
		return reasonMalformed
	}
	var sending *aws.RequestCanceledError
	if errors.As(err, &sending) {
		return reasonTimeout
	}
	return reasonConnection
}

// isCredentials recognizes answers that say that the signature or the credentials are no
// good, and the SDK's own failure to find any.
func isCredentials(err error) bool {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch api.ErrorCode() {
		case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired",
			"UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException",
			"SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException",
			"MissingAuthenticationToken", "MissingAuthenticationTokenException", "AuthFailure":
			return true
		}
		return false
	}
	if errors.Is(err, ErrCredentials) {
		return true
	}
	text := err.Error()
	return strings.Contains(text, "failed to retrieve credentials") ||
		strings.Contains(text, "get identity:") || strings.Contains(text, "failed to refresh cached credentials")
}

// missing says which resource a 404 is about. It is for the service to say: by the type of
// the resource, else by its identifier, else by naming it in the message. Of several kinds
// that fit it is none.
func missing(err error, ids map[string]string) (kind string) {
	e, ok := errors.AsType[*types.ResourceNotFoundException](err)
	if !ok {
		return ""
	}
	if t := resourceKind(aws.ToString(e.ResourceType)); t != "" {
		return t
	}
	if id := aws.ToString(e.ResourceId); id != "" {
		return ids[id]
	}
	return named(aws.ToString(e.Message), ids)
}

// resourceKind is the kind that a type of a resource means, which may be qualified
// ("AWS::Deadline::Farm"). It is empty if it is none of ours.
func resourceKind(t string) string {
	t = strings.ToLower(t[strings.LastIndexByte(t, ':')+1:])
	switch t {
	case "farm", "fleet", "queue", "worker", "job", "session":
		return t
	}
	return ""
}

// named says which one of the identifiers (identifier to kind) a message names. Where it
// names none, or several, the kind is empty.
func named(message string, ids map[string]string) (kind string) {
	for id, k := range ids {
		if id == "" || !strings.Contains(message, id) {
			continue
		}
		if kind != "" && kind != k {
			return ""
		}
		kind = k
	}
	return kind
}
