package trigger

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
)

// whyNoAnswer says why a request has no answer. Errors of the transport may hold the URL, a proxy's URL with its password,
// names from a certificate, and pieces of an answer. So the words are only ours, Go's for TLS alerts, and the operating
// system's for its error numbers.
func whyNoAnswer(err error) string {
	var proxy proxyError
	if errors.As(err, &proxy) {
		return "the proxy answered with " + statusText(int(proxy))
	}
	var operation *net.OpError
	through := ""
	if errors.As(err, &operation) && (operation.Op == "proxyconnect" || operation.Op == "socks") {
		through = "no connection through the proxy: "
		err = operation.Err
	}
	if reason := whyNoTLS(err); reason != "" {
		return through + reason
	}
	return through + whyNoConnection(err)
}

// whyNoTLS says why there is no TLS connection. It is empty if the error is another one.
func whyNoTLS(err error) string {
	var (
		unknown   x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		untrusted *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		operation *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		return "the certificate is from an authority that this machine does not trust"
	case errors.As(err, &name):
		return "the certificate is for another host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired or is not valid yet"
	case errors.As(err, &untrusted), errors.As(err, &invalid):
		return "the certificate is not valid"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "what answers does not speak TLS"
	case errors.As(err, &operation) && operation.Op == "remote error":
		return "the other side refused TLS: " + operation.Err.Error() // one of crypto/tls's names of alerts
	}
	return ""
}

// whyNoConnection says why there is no connection, or none any more.
func whyNoConnection(err error) string {
	var (
		lookup *net.DNSError
		number syscall.Errno
		timed  net.Error
	)
	switch {
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return "the name of the host is not known"
	case errors.As(err, &lookup):
		return "the name of the host cannot be looked up"
	case errors.As(err, &number):
		return number.Error() // connection refused
	case errors.As(err, &timed) && timed.Timeout():
		return "no connection could be made in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before there was an answer"
	}
	return "the connection broke, or the answer was not valid"
}
