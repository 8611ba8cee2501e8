package cluster

import (
	"errors"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// SettleTime is how long brokers may refuse what they accept a little later. A broker that was just started may not have
// loaded its users, their permissions or its certificate yet.
const SettleTime = 5 * time.Second

// IsFinal reports whether an error cannot pass by itself. lasted is the time since the first of the errors in a row that are
// final when they last.
//
// A wrong configuration is final at once, and so are timeouts that the brokers do not allow. A login or a permission that brokers
// refuse, TLS that does not fit, and requests that brokers do not accept are final when they have lasted for SettleTime. All
// others may pass: no broker listens or answers, its name is not known yet, it closes the connection, or it is not ready for a
// request. An error that is not known may pass too.
func IsFinal(err error, lasted time.Duration) bool {
	if errors.Is(err, ErrConfiguration) {
		return true
	}
	settled := lasted >= SettleTime
	problem, explained := errors.AsType[*Error](err)
	if !explained {
		return settled && isFinalCode(Code(err))
	}
	switch problem.Kind {
	case SessionTimeoutNotAllowed, AWSSettingsUnreadable:
		return true
	case TLSNotSpoken:
		// A broker, or what stands before it, may also close connections because it is starting.
		return settled && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
	}
	return settled && isFinalKind(problem.Kind)
}

// isFinalKind reports whether a kind of problem is final when it lasts.
func isFinalKind(kind Kind) bool {
	switch kind {
	case AuthenticationFailed, MechanismNotOffered, SASLNotSpoken,
		TopicNotAllowed, GroupNotAllowed, ClusterNotAllowed,
		TLSRequired, TLSIncompatible, TLSHandshakeRefused, AuthorityUnknown, ServerNameMismatch,
		ClientCertificateRequired, ClientCertificateRefused,
		ControllerPort:
		return true
	}
	return false
}

// isFinalCode reports whether an answer of a broker that has no kind is final when it lasts.
func isFinalCode(code int16) bool {
	switch code {
	case kerr.InvalidTopicException.Code, kerr.UnsupportedVersion.Code, kerr.InvalidPartitions.Code, kerr.InvalidReplicaAssignment.Code,
		kerr.InvalidConfig.Code, kerr.InvalidRequest.Code, kerr.PolicyViolation.Code, kerr.UnsupportedSaslMechanism.Code:
		return true
	}
	return false
}
