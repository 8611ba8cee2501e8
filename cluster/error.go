package cluster

import (
	"errors"
	"fmt"
)

// ErrConfiguration says that a configuration cannot work, whatever the cluster is like. An [Error] with the kind of the
// problem goes with it.
var ErrConfiguration = errors.New("wrong configuration")

// Error is a problem with a cluster, with the way to it, or with what it holds. [errors.AsType] finds it in a chain of errors.
// Packages that use a cluster report their own problems as an Error too, with kinds of their own.
type Error struct {
	Kind Kind   // for programs, which can add which of their own settings to change
	Text string // for people: what is wrong and what it means, without secrets, and nothing that others said but addresses
	Err  error  // what the broker or the client said; may be nil

	quiet bool // Err may quote a secret: it can be unwrapped, but not read
}

// Error returns one line: the text, and in parentheses what the broker or the client said.
func (e *Error) Error() string {
	if e.Err == nil || e.quiet {
		return e.Text
	}
	return e.Text + " (" + said(e.Err) + ")"
}

// Unwrap returns what the broker or the client said.
func (e *Error) Unwrap() error { return e.Err }

// wrong makes an ErrConfiguration.
func wrong(kind Kind, format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrConfiguration, &Error{Kind: kind, Text: fmt.Sprintf(format, args...)})
}

// Kind identifies a problem. A program compares kinds, and shows the [Error]'s text.
type Kind string

// The kinds of a wrong configuration.
const (
	BrokersInvalid              Kind = "bootstrap brokers invalid" // none, or an address that is not host:port
	TLSDisabled                 Kind = "TLS disabled"              // although other settings of TLS are given
	CAFileInvalid               Kind = "CA file invalid"
	CertFileInvalid             Kind = "certificate file invalid"
	KeyFileInvalid              Kind = "key file invalid"
	ClientCertificateIncomplete Kind = "client certificate incomplete" // a certificate without its key, or a key alone
	ServerNameInvalid           Kind = "server name invalid"
	MechanismMissing            Kind = "SASL mechanism missing" // although a user name is given
	MechanismUnknown            Kind = "SASL mechanism unknown"
	UsernameInvalid             Kind = "SASL user name invalid"
	PasswordInvalid             Kind = "SASL password invalid"
	CredentialsMissing          Kind = "SASL credentials missing" // the mechanism needs a user name and a password
	AWSRegionMissing            Kind = "AWS region missing"
	AWSSettingsUnreadable       Kind = "AWS settings unreadable" // without ErrConfiguration: the AWS SDK may have asked a service
)

// The kinds of problems with TLS.
const (
	TLSRequired               Kind = "TLS required" // by the broker's port or by the SASL mechanism
	TLSNotSpoken              Kind = "TLS not spoken"
	TLSIncompatible           Kind = "TLS incompatible" // no version of TLS in common
	TLSHandshakeRefused       Kind = "TLS handshake refused"
	TLSBroken                 Kind = "TLS broken" // on the broker's side
	AuthorityUnknown          Kind = "certificate authority unknown"
	ServerNameMismatch        Kind = "server name mismatch"
	ServerCertificateInvalid  Kind = "server certificate invalid"
	ClientCertificateRequired Kind = "client certificate required"
	ClientCertificateRefused  Kind = "client certificate refused" // it has expired or was revoked
)

// The kinds of problems with SASL.
const (
	SASLRequired         Kind = "SASL required"
	SASLNotSpoken        Kind = "SASL not spoken"
	MechanismNotOffered  Kind = "SASL mechanism not offered"
	AuthenticationFailed Kind = "authentication failed"
	LoginNotBegun        Kind = "login not begun" // before the broker was asked: for aws-msk-iam, credentials are missing
)

// The kinds of problems by which a broker closes the connection instead of answering.
const (
	ClosedAtOnce     Kind = "closed at once"     // the port requires TLS or SASL
	ClosedWithTLS    Kind = "closed with TLS"    // the port speaks no TLS, or the broker refuses this client
	ClosedWithoutTLS Kind = "closed without TLS" // the port requires TLS, or the broker refuses this client
	ClosedInLogin    Kind = "closed in login"    // the login is refused, or the port requires TLS
	ControllerPort   Kind = "controller port"    // a KRaft controller does not serve clients
)

// The kinds of problems by which a broker cannot be reached.
const (
	HostUnknown        Kind = "host unknown"
	HostLookupFailed   Kind = "host lookup failed"
	ConnectionRefused  Kind = "connection refused"
	NetworkUnreachable Kind = "network unreachable"
	NotKafka           Kind = "not Kafka"          // something else listens at the address
	AddressAdvertised  Kind = "address advertised" // the cluster advertises an address that cannot be reached from here
	NoAnswer           Kind = "no answer"          // in time
	NoUsableAnswer     Kind = "no usable answer"   // in time, but there were other answers
)

// The kinds of problems that brokers report in their answers.
const (
	CoordinatorUnavailable   Kind = "coordinator unavailable"
	TooFewInSync             Kind = "too few replicas in sync"
	TopicNotAllowed          Kind = "topic not allowed"
	GroupNotAllowed          Kind = "group not allowed"
	ClusterNotAllowed        Kind = "cluster not allowed" // to create topics
	SessionTimeoutNotAllowed Kind = "session timeout not allowed"
)
