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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/aws/smithy-go"
)

// Reason is why an attempt of a request, or a listing as a whole, failed. Its values are also those of
// the metrics' labels.
type Reason string

// The reasons of attempts.
const (
	ReasonThrottled   Reason = "throttled"               // status 429
	ReasonServerError Reason = "server_error"            // a status of 500 or more
	ReasonTimeout     Reason = "timeout"                 // no complete answer within 10 seconds
	ReasonConnection  Reason = "connection"              // no connection, or it broke before there was an answer
	ReasonMalformed   Reason = "malformed"               // an answer with status 200 that cannot be read
	ReasonDenied      Reason = "denied"                  // a policy does not allow the operation
	ReasonCredentials Reason = "credentials"             // there are none, or the service refuses them
	ReasonUnfetched   Reason = "credentials_unavailable" // they cannot be fetched now, but may be later
	ReasonNotFound    Reason = "not_found"               // status 404
	ReasonRefused     Reason = "refused"                 // any other status from 300 to 499
	ReasonOther       Reason = "other"                   // an error that did not come from an attempt
)

// The reasons why pages that could be read are not a complete list.
const (
	ReasonRepeatedToken Reason = "repeated_token" // the service returned a page token twice
	ReasonNoList        Reason = "no_list"        // a page has no list, or null instead
	ReasonMissingField  Reason = "missing_field"  // an entry lacks a field that the API requires
	ReasonFieldTooLong  Reason = "field_too_long" // an entry has a text of more than 4 KiB
	ReasonReservedID    Reason = "reserved_id"    // a session has an id that Config.IsReserved does not allow
	ReasonTooManyPages  Reason = "too_many_pages" // the pages did not end
)

// text returns the reason for the text of an error.
func (r Reason) text() string { return strings.ReplaceAll(string(r), "_", " ") }

// attemptError is why one attempt failed. The text of its cause is safe to print.
type attemptError struct {
	reason Reason
	cause  error
}

func (e *attemptError) Error() string { return e.reason.text() + ": " + e.cause.Error() }
func (e *attemptError) Unwrap() error { return e.cause }

// failedAttempt returns the error of an attempt. The status is the answer's, or 0 if there was no answer.
func failedAttempt(err error, status int) *attemptError {
	return &attemptError{reason: classify(err, status), cause: awserr.Describe(err)}
}

// listError is why answers that could be read are not a complete list.
type listError Reason

func (e listError) Error() string { return Reason(e).text() }

const (
	errNoList       = listError(ReasonNoList)
	errMissingField = listError(ReasonMissingField)
	errFieldTooLong = listError(ReasonFieldTooLong)
	errReservedID   = listError(ReasonReservedID)
	errTooManyPages = listError(ReasonTooManyPages)
)

// reasonOf returns the reason of a call's error.
func reasonOf(err error) Reason {
	if a, ok := errors.AsType[*attemptError](err); ok {
		return a.reason
	}
	if l, ok := errors.AsType[listError](err); ok {
		return Reason(l)
	}
	switch {
	case errors.Is(err, paginator.ErrRepeatedToken):
		return ReasonRepeatedToken
	case errors.Is(err, paginator.ErrBrokenPage):
		return ReasonMalformed
	}
	return ReasonOther
}

// isTransient reports whether the same request may succeed if it is sent again soon.
func isTransient(reason Reason) bool {
	switch reason {
	case ReasonThrottled, ReasonServerError, ReasonTimeout, ReasonConnection, ReasonMalformed:
		return true
	}
	return false
}

// isOfOneSession reports whether an error may concern only the session that was looked up, or its queue and
// job. Then the next session may succeed.
func isOfOneSession(reason Reason) bool {
	switch reason {
	case ReasonNotFound, ReasonDenied, ReasonRefused, ReasonServerError, ReasonMalformed:
		return true
	}
	return false
}

// classify returns the reason of an attempt's error. The status is the answer's, or 0 if there was no answer.
func classify(err error, status int) Reason {
	switch {
	case errors.Is(err, errUnfetched):
		return ReasonUnfetched
	case isCredentials(err):
		return ReasonCredentials
	}
	switch {
	case status == http.StatusTooManyRequests:
		return ReasonThrottled
	case status >= 500:
		return ReasonServerError
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return ReasonDenied
	case status == http.StatusNotFound:
		return ReasonNotFound
	case status >= 300:
		return ReasonRefused
	}
	return classifyTransport(err)
}

// classifyTransport returns the reason of an attempt that was not answered, or whose answer had a good
// status and could not be read.
func classifyTransport(err error) Reason {
	if errors.Is(err, context.DeadlineExceeded) {
		return ReasonTimeout
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return ReasonTimeout
	}
	if _, ok := errors.AsType[*net.OpError](err); ok || errors.Is(err, syscall.ECONNRESET) {
		return ReasonConnection
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok || errors.Is(err, paginator.ErrBrokenPage) {
		return ReasonMalformed
	}
	var sending *aws.RequestCanceledError
	if errors.As(err, &sending) {
		return ReasonTimeout
	}
	return ReasonConnection
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
