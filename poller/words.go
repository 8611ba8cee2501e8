package poller

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

// told is an error in our own words. The texts of the SDK, of services and of credential
// programs may quote a password, a key or a token, so they are never printed: what they are
// about is read from their types, and of what a service says only forms are repeated in which
// no secret can stand. The cause is for errors.Is and errors.As.
type told struct {
	words string
	cause error
}

func (e *told) Error() string { return e.words }
func (e *told) Unwrap() error { return e.cause }

// tell puts the error of a request into our own words. The context's own end, and what this
// package found wrong with a page, stay as they are.
func tell(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, ErrRepeatedToken) {
		return err
	}
	return &told{requestWords(err), err}
}

// requestWords says why a request failed.
func requestWords(err error) string {
	if c, ok := errors.AsType[*credentialsError](err); ok {
		return c.Error()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return answerWords(api, err)
	}
	if d, ok := errors.AsType[*smithy.DeserializationError](err); ok && errors.Is(err, ErrBrokenPage) {
		return d.Err.Error()
	}
	if errors.Is(err, ErrBrokenPage) {
		return err.Error()
	}
	return transportWords(err)
}

// answerWords says what a service answered: the error's code, status and request, and what
// the modelled errors say beside their message.
func answerWords(api smithy.APIError, err error) string {
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

// statusOf is the status of an answer, for words before it.
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

// explained is what an answer says beside its code, as far as it has a known form: the action
// that is not allowed and the policy that is why, the field that is wrong, what there is not.
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
		if kind := resourceKind(aws.ToString(e.ResourceType)); kind != "" {
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

// transportWords says why a request had no answer, or one that can't be read.
func transportWords(err error) string {
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
		return "a header of the request holds a character that none may hold; check the session token"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return through + "the other side does not speak TLS; check the scheme of the endpoint"
	}
	return through + "the request failed before there was an answer"
}

// tlsWords says what is wrong with the other side's certificate.
func tlsWords(err error) string {
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "the certificate is of an unknown authority; AWS_CA_BUNDLE can name a file with it"
	case errors.As(err, new(x509.HostnameError)):
		return "the certificate is of another host"
	case errors.As(err, new(x509.CertificateInvalidError)):
		return "the certificate is not valid, or not any more"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "the certificate can't be verified"
	case errors.As(err, new(tls.RecordHeaderError)):
		return "the other side does not speak TLS; check the scheme of the endpoint"
	}
	return ""
}
