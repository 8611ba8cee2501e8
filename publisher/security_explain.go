package publisher

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// explained is an error with a line before it that an operator can act upon.
type explained struct {
	line string
	err  error
}

// Error is one line: the cause, what to do, and what the client said.
func (e *explained) Error() string {
	said := strings.Join(strings.FieldsFunc(e.err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return e.line + " (" + said + ")"
}

func (e *explained) Unwrap() error { return e.err }

// Explain puts a line before an error of either Kafka client that names the cause and says what to do: for TLS,
// SASL, the network and missing rights. Any other error, and one that was explained already, comes back as it is.
func Explain(err error) error {
	var already *explained
	if err == nil || errors.As(err, &already) {
		return err
	}
	for _, find := range []func(error) string{explainTLS, explainCode, explainClosed, explainNetwork} {
		if line := find(err); line != "" {
			return &explained{line: line, err: err}
		}
	}
	return err
}

func explainTLS(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		alert   tls.AlertError
	)
	switch {
	case errors.As(err, &unknown):
		return "the broker's certificate is signed by an unknown authority: give its certificate with --tls-ca"
	case errors.As(err, &name):
		return "the broker's certificate is for another name: connect by a name that it holds, or say that name with --tls-server-name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the broker's certificate has expired or is not valid yet: renew it, and check the clocks"
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls"):
		return "the broker refused our side of TLS: it wants a client certificate (--tls-cert, --tls-key) from an authority that it trusts"
	case strings.Contains(err.Error(), "expecting TLS"), strings.Contains(err.Error(), "tls alert record"):
		return "the broker's port wants TLS: add --tls"
	}
	return ""
}

// code is Kafka's error code in an error of either client, 0 for none.
func code(err error) int16 {
	var (
		ours   kafka.Error
		theirs *kerr.Error
	)
	if errors.As(err, &ours) {
		return int16(ours)
	}
	if errors.As(err, &theirs) {
		return theirs.Code
	}
	return 0
}

func explainCode(err error) string {
	switch code(err) {
	case 58:
		return "the broker does not know this user or password: check --sasl-username, the password, and that --sasl-mechanism is the one that they are for"
	case 33:
		return "the broker does not offer this SASL mechanism on this port: choose another --sasl-mechanism, or another port"
	case 34:
		return "the broker's port does not take part in SASL: leave --sasl-mechanism away, or connect to its SASL port"
	case 53:
		return "the broker does not allow this transactional id: grant Write and Describe on the transactional ids with the prefix \"farmwire.\" and the state topic's name"
	case 29:
		return "the broker does not allow this on the topic: grant Write, Read, Describe and DescribeConfigs on the topics, and Create for `farmwire topics create`"
	case 30:
		return "the broker does not allow this consumer group: grant Read on it, or choose another with --group"
	case 26:
		return "the broker does not allow this session timeout: give another --session-timeout, within the brokers' group.min.session.timeout.ms (6s by default) and group.max.session.timeout.ms"
	case 50:
		return "the broker does not allow transactions of a minute: set its transaction.max.timeout.ms to 60000 or more (15 minutes by default)"
	case 31:
		return "the broker does not allow this on the cluster: grant Create on the cluster or on the topics, or let an administrator run `farmwire topics create`"
	}
	return ""
}

// explainClosed is for brokers that close the connection instead of answering.
func explainClosed(err error) string {
	var first *kgo.ErrFirstReadEOF
	if errors.As(err, &first) {
		// franz-go tells the cases apart by how far it got, and says so in its text only.
		switch text := first.Error(); {
		case strings.Contains(text, "SASL is missing"), strings.Contains(text, "is SASL missing"):
			return closedWithoutSASL
		case strings.Contains(text, "is TLS missing"):
			return closedAtOnce
		default:
			return closedTLS
		}
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return closedWithoutSASL
	case errors.Is(err, io.EOF):
		return closedSomehow
	}
	return ""
}

const (
	closedWithoutSASL = "the broker closed the connection instead of answering: its port wants SASL, set --sasl-mechanism (with a mechanism set already: look into the broker's log)"
	closedTLS         = "the broker closed the connection during the TLS handshake: its port speaks no TLS, leave --tls away or connect to its TLS port"
	closedSomehow     = "the broker closed the connection instead of answering: either its port speaks no TLS (then leave --tls away, or connect to its TLS port), or it refuses this client, as its log says"
	closedAtOnce      = "the broker closed the connection at once: its port wants TLS (--tls) or SASL (--sasl-mechanism)"
)

func explainNetwork(err error) string {
	var (
		dns     *net.DNSError
		timeout net.Error
	)
	switch {
	case errors.As(err, &dns):
		return "the broker's host name " + dns.Name + " is unknown: check --brokers, and the addresses that the brokers advertise"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "no broker listens there: check --brokers, and that Kafka runs"
	case slices.ContainsFunc([]error{syscall.ENETUNREACH, syscall.EHOSTUNREACH}, func(e error) bool { return errors.Is(err, e) }):
		return "the network does not lead to the broker: check --brokers and the routes"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no broker answered in time: check --brokers, the firewall, and that the addresses that the brokers advertise can be reached from here"
	}
	return ""
}
