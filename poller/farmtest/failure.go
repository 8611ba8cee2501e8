package farmtest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// failure is an error response.
type failure struct {
	status     int
	code       string            // error type; empty if the response names none
	message    string            // empty if there is no code
	members    map[string]string // further members of the body
	field      string            // the invalid field of a ValidationException
	retryAfter string            // Retry-After header; empty for none
}

// outcome is the call's outcome in Stats.
func (f *failure) outcome() string {
	if f.code == "" {
		return strconv.Itoa(f.status)
	}
	return f.code
}

func (f *failure) body() []byte {
	if f.code == "" {
		return nil
	}
	b := appendMember([]byte{'{'}, "__type", f.code)
	b = appendMember(b, "message", f.message)
	for _, name := range []string{"resourceId", "resourceType", "reason"} {
		if v, ok := f.members[name]; ok {
			b = appendMember(b, name, v)
		}
	}
	if f.field != "" {
		b = append(b, `,"fieldList":[{`...)
		b = appendMember(b, "name", f.field)
		b = append(appendMember(b, "message", f.message), "}]"...)
	}
	return append(b, '}')
}

func invalid(reason, field, message string) *failure {
	return &failure{
		status: http.StatusBadRequest, code: "ValidationException", message: message, field: field,
		members: map[string]string{"reason": reason},
	}
}

func notFound(kind, id string) *failure {
	return &failure{
		status: http.StatusNotFound, code: "ResourceNotFoundException", message: notFoundMessage(kind, id),
		members: map[string]string{"resourceId": id, "resourceType": kind},
	}
}

// notFoundMessage is the service's message for a resource that does not exist.
func notFoundMessage(kind, id string) string {
	return fmt.Sprintf("Resource of type %s with id %s does not exist.", kind, id)
}

func throttled(retryAfter time.Duration) *failure {
	return &failure{
		status: http.StatusTooManyRequests, code: "ThrottlingException", message: "Rate exceeded",
		retryAfter: retryAfterSeconds(retryAfter),
	}
}

// retryAfterSeconds formats d, rounded up, for a Retry-After header. It returns "" if d is not positive.
func retryAfterSeconds(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// failureOf returns the error response that the call's faults demand, or nil if they demand none.
func (fired firedFaults) failureOf(req *request, service time.Time) *failure {
	for _, f := range fired {
		switch f.Kind {
		case Throttled:
			return throttled(f.Delay)
		case ThrottledBare:
			return &failure{status: http.StatusTooManyRequests, retryAfter: retryAfterSeconds(f.Delay)}
		case ThrottledDate:
			fail := throttled(0)
			fail.retryAfter = service.Add(max(f.Delay, time.Second)).Format(http.TimeFormat)
			return fail
		case ServerError:
			return &failure{
				status: http.StatusInternalServerError, code: "InternalServerErrorException",
				message: "An internal error occurred.", retryAfter: retryAfterSeconds(f.Delay),
			}
		case Unavailable:
			return &failure{status: http.StatusServiceUnavailable}
		case Expired:
			return &failure{
				status: http.StatusForbidden, code: "ExpiredTokenException",
				message: "The security token included in the request is expired",
			}
		case Denied:
			return &failure{
				status: http.StatusForbidden, code: "AccessDeniedException",
				message: "User is not authorized to perform: deadline:" + string(req.operation),
			}
		}
	}
	return nil
}
