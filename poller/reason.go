package poller

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"

	"farmwire/poller/awserr"
	"farmwire/poller/paginator"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/aws/smithy-go"
)

// text returns a reason for the text of an error.
func text(r schedule.Reason) string { return strings.ReplaceAll(string(r), "_", " ") }

// attemptError is why one attempt failed. The text of its cause is safe to print.
type attemptError struct {
	reason schedule.Reason
	cause  error
}

func (e *attemptError) Error() string { return text(e.reason) + ": " + e.cause.Error() }
func (e *attemptError) Unwrap() error { return e.cause }

// failedAttempt returns the error of an attempt. The status is the answer's, or 0 if there was no answer.
func failedAttempt(err error, status int) *attemptError {
	return &attemptError{reason: classify(err, status), cause: awserr.Describe(err)}
}

// listError is why answers that could be read are not a complete list.
type listError schedule.Reason

func (e listError) Error() string { return text(schedule.Reason(e)) }

// reasonOf returns the reason of an error. It is empty for nil.
func reasonOf(err error) schedule.Reason {
	if a, ok := errors.AsType[*attemptError](err); ok {
		return a.reason
	}
	if l, ok := errors.AsType[listError](err); ok {
		return schedule.Reason(l)
	}
	switch {
	case err == nil:
		return ""
	case isCancelled(err):
		return schedule.Cancelled
	case errors.Is(err, paginator.ErrRepeatedToken):
		return schedule.RepeatedToken
	}
	return schedule.Other
}

// classify returns the reason of an attempt's error. The status is the answer's, or 0 if there was no answer.
func classify(err error, status int) schedule.Reason {
	switch {
	case errors.Is(err, errUnfetched):
		return schedule.Unfetched
	case isCredentials(err):
		return schedule.Credentials
	}
	switch {
	case status == http.StatusTooManyRequests:
		return schedule.Throttled
	case status >= 500:
		return schedule.ServerError
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return schedule.Denied
	case status == http.StatusNotFound:
		return schedule.ResourceNotFound
	case status >= 300:
		return schedule.Refused
	}
	return classifyTransport(err)
}

// classifyTransport returns the reason of an attempt that was not answered, or whose answer had a good
// status and could not be read.
func classifyTransport(err error) schedule.Reason {
	if errors.Is(err, context.DeadlineExceeded) {
		return schedule.Timeout
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return schedule.Timeout
	}
	if _, ok := errors.AsType[*net.OpError](err); ok || errors.Is(err, syscall.ECONNRESET) {
		return schedule.Connection
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok || errors.Is(err, paginator.ErrBrokenPage) {
		return schedule.Malformed
	}
	var sending *aws.RequestCanceledError
	if errors.As(err, &sending) {
		return schedule.Timeout
	}
	return schedule.Connection
}

// isCredentials reports whether an error means that the signature or the credentials are invalid, or that the
// SDK could not get any credentials.
func isCredentials(err error) bool {
	if errors.Is(err, ErrCredentials) {
		return true // whatever STS answered
	}
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
	text := err.Error()
	return strings.Contains(text, "failed to retrieve credentials") ||
		strings.Contains(text, "get identity:") || strings.Contains(text, "failed to refresh cached credentials")
}

// notFoundKind returns the kind of resource that the service says it did not find: farm, fleet, queue, worker,
// job or session. It reads the type of the resource, else its identifier, else the identifier in the message.
// Ids maps identifiers to kinds. The kind is empty if the error is another one, or if it does not say what
// was not found.
func notFoundKind(err error, ids map[string]string) (kind string) {
	e, ok := errors.AsType[*types.ResourceNotFoundException](err)
	if !ok {
		return ""
	}
	if t := awserr.ResourceKind(aws.ToString(e.ResourceType)); t != "" {
		return t
	}
	if id := aws.ToString(e.ResourceId); id != "" {
		return ids[id]
	}
	return namedKind(aws.ToString(e.Message), ids)
}

// namedKind returns the kind of the identifier in a message. Ids maps identifiers to kinds. The kind is empty
// if the message has none of them, or identifiers of several kinds.
func namedKind(message string, ids map[string]string) (kind string) {
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
