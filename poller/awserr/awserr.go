// Package awserr describes why a request to AWS failed, without repeating a secret.
//
// The texts of the SDK, of the service and of credential programs may quote a password, a key or a token, so
// they are not repeated. What an error is about is read from its type. Of the text of a service only those
// parts are repeated whose form leaves no room for a secret.
package awserr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/aws/smithy-go"
)

// Error is an error with a text that is safe to print. Its cause is for errors.Is and errors.As only, because
// the cause's own text may quote a secret.
type Error struct {
	text  string
	cause error
}

// New returns an Error with the text, which must not quote anything that may be secret, and its cause.
func New(text string, cause error) *Error { return &Error{text, cause} }

func (e *Error) Error() string { return e.text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Describe returns the error of a request as one with a text that is safe to print, which wraps it. If there is
// an Error in the chain, the text is that Error's. If the context was cancelled, the error is returned as it
// is.
func Describe(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return New(describe(err), err)
}

func describe(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.text
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return DescribeAnswer(api, err)
	}
	return DescribeTransport(err)
}

// DescribeAnswer returns the text of an error that a service answered with: its code, the HTTP status, the
// request's id, and what is known to be safe of the rest. Err is the whole error around api.
func DescribeAnswer(api smithy.APIError, err error) string {
	words := "an error without a code"
	if code := api.ErrorCode(); regexp.MustCompile(`^[A-Za-z][A-Za-z.]{0,60}$`).MatchString(code) {
		words = code
	}
	words += statusOf(err)
	if s, ok := errors.AsType[interface {
		error
		ServiceRequestID() string
	}](err); ok {
		if id := s.ServiceRequestID(); regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`).MatchString(id) {
			words += ", request " + id
		}
	}
	if more := explained(err, api.ErrorMessage()); more != "" {
		words += ": " + more
	}
	return words
}

// statusOf returns the HTTP status of an answer for the end of a text. It is empty if there is none.
func statusOf(err error) string {
	s, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err)
	if !ok || s.HTTPStatusCode() == 0 {
		return ""
	}
	return fmt.Sprintf(", status %d", s.HTTPStatusCode())
}

// explained returns those parts of an answer besides its code that have a known form: the action that is
// denied and the kind of policy that denies it, the kind of the resource that does not exist, or the fields
// that are invalid.
func explained(err error, message string) string {
	const action, resource = `[a-z0-9-]{2,30}:[A-Z][A-Za-z]{2,50}`, `arn:[a-z-]+:[a-z0-9-]*:[a-z0-9-]*:[0-9]*:[a-z-]+/[A-Za-z0-9*_-]+`
	const policy = `with an explicit deny in an? [a-z][a-z -]{2,40} policy|because no [a-z][a-z -]{2,40} policy allows the ` + action + ` action`
	denied := regexp.MustCompile(`not authorized to perform: ` + action + `\b`)
	if found := denied.FindString(message); found != "" {
		for _, part := range []string{`on resource: ` + resource, policy} {
			if more := regexp.MustCompile(part).FindString(message); more != "" {
				found += " " + more
			}
		}
		return found
	}
	if e, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		if kind := ResourceKind(aws.ToString(e.ResourceType)); kind != "" {
			return "there is no such " + kind
		}
	}
	e, ok := errors.AsType[*types.ValidationException](err)
	if !ok {
		return ""
	}
	name := regexp.MustCompile(`^[A-Za-z][A-Za-z_.]{0,40}$`)
	var fields []string
	for _, field := range e.FieldList {
		if f := aws.ToString(field.Name); name.MatchString(f) {
			fields = append(fields, f)
		}
	}
	if reason := string(e.Reason); name.MatchString(reason) {
		fields = append([]string{reason}, fields...)
	}
	return strings.Join(fields, " ")
}

// DescribeTransport returns a text that says why a request got no answer, or one that cannot be read.
func DescribeTransport(err error) string {
	through := ""
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		through = "the proxy of HTTPS_PROXY or HTTP_PROXY: "
	}
	if t, ok := errors.AsType[net.Error](err); errors.Is(err, context.DeadlineExceeded) || ok && t.Timeout() {
		return through + "no answer in time"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return through + "the host's name can't be resolved"
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return through + number.Error()
	}
	if words := tlsWords(err); words != "" {
		return through + words
	}
	switch {
	case errors.As(err, new(*smithy.DeserializationError)):
		return "the answer can't be read" + statusOf(err)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return through + "the connection was closed before the answer was complete"
	case strings.Contains(err.Error(), "invalid header field value"):
		return "a header of the request has a character that is not allowed; check the session token"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return through + "the server does not speak TLS; check the scheme of the endpoint"
	}
	return through + "the request failed before there was an answer"
}

// IsUnreachable reports whether an error means that nobody answered, or not in time, or not completely. It is false if the
// certificate of the server is wrong or the request cannot be sent, because then the same happens again.
func IsUnreachable(err error) bool {
	text := err.Error()
	if tlsWords(err) != "" || strings.Contains(text, "invalid header field value") || strings.Contains(text, "server gave HTTP response to HTTPS client") {
		return false
	}
	if t, ok := errors.AsType[net.Error](err); errors.Is(err, context.DeadlineExceeded) || ok && t.Timeout() {
		return true
	}
	connection, ok := errors.AsType[interface {
		error
		ConnectionError() bool
	}](err)
	return ok && connection.ConnectionError() || errors.As(err, new(*net.OpError)) || errors.As(err, new(*net.DNSError)) || errors.Is(err, io.ErrUnexpectedEOF)
}

// tlsWords describes what is wrong with the server's certificate. It is empty if the certificate is
// not what failed.
func tlsWords(err error) string {
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "the certificate was issued by an unknown authority; AWS_CA_BUNDLE can name a file with it"
	case errors.As(err, new(x509.HostnameError)):
		return "the certificate is for another host"
	case errors.As(err, new(x509.CertificateInvalidError)):
		return "the certificate is not valid or has expired"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "the certificate can't be verified"
	case errors.As(err, new(tls.RecordHeaderError)):
		return "the server does not speak TLS; check the scheme of the endpoint"
	}
	return ""
}

// ResourceKind returns the kind of resource that the resourceType of an answer names: farm, fleet,
// queue, worker, job or session. The type may be qualified, as in "AWS::Deadline::Farm". The result
// is empty for any other type.
func ResourceKind(t string) string {
	t = strings.ToLower(t[strings.LastIndexByte(t, ':')+1:])
	switch t {
	case "farm", "fleet", "queue", "worker", "job", "session":
		return t
	}
	return ""
}
