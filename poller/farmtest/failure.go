package farmtest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// failure is an answer that is an error.
type failure struct {
	status     int
	code       string            // error type; "": the answer says none
	message    string            // "" together with code "": no body
	members    map[string]string // further members of the body
	field      string            // of a validation error
	retryAfter string            // header; "": none
}

// outcome names the failure in the counts of calls.
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
		status: http.StatusNotFound, code: "ResourceNotFoundException", message: absent(kind, id),
		members: map[string]string{"resourceId": id, "resourceType": kind},
	}
}

// absent is the message for a resource that does not exist.
func absent(kind, id string) string {
	return fmt.Sprintf("Resource of type %s with id %s does not exist.", kind, id)
}

func throttled(retryAfter time.Duration) *failure {
	return &failure{
		status: http.StatusTooManyRequests, code: "ThrottlingException", message: "Rate exceeded",
		retryAfter: seconds(retryAfter),
	}
}

// seconds writes a Retry-After, rounded up; "" for none.
func seconds(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// failureOf returns the error that the faults of a call make of it; nil: none.
func (hit strikes) failureOf(req *request, service time.Time) *failure {
	for _, f := range hit {
		switch f.Kind {
		case Throttled:
			return throttled(f.Delay)
		case ThrottledBare:
			return &failure{status: http.StatusTooManyRequests, retryAfter: seconds(f.Delay)}
		case ThrottledDate:
			fail := throttled(0)
			fail.retryAfter = service.Add(max(f.Delay, time.Second)).Format(http.TimeFormat)
			return fail
		case ServerError:
			return &failure{
				status: http.StatusInternalServerError, code: "InternalServerErrorException",
				message: "An internal error occurred.", retryAfter: seconds(f.Delay),
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
