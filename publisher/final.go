package publisher

import (
	"errors"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"farmwire/cluster"
)

// settleTime is how long brokers may refuse what they accept a little later. A broker that was just started may not have
// loaded its users, their permissions or its certificate yet.
const settleTime = 5 * time.Second

// gatherTime is how long a cluster may have fewer brokers than a new topic needs. The brokers of a cluster that was just
// started come one after the other.
const gatherTime = time.Minute

// Trials tells whether it helps to try again what CreateTopics, Open, Initialized, Initialize or Join has failed at. The zero
// value is ready to use.
type Trials struct {
	refused time.Time // when the first of the errors in a row was returned that are final when they last; zero: there is none
}

// IsFinal takes in the error of a trial, and reports whether it cannot pass by itself, so that no further trial helps.
//
// These are final at once: a wrong configuration, refused topics, missing topics, and timeouts that the brokers do not allow.
// These are final when they have lasted for some seconds: a login or a permission that brokers refuse, TLS that does not fit,
// and requests that brokers do not accept. Too few brokers for a new topic are final after a minute. All others may pass: no broker listens or answers, its name is not known yet, it
// closes the connection, or it is not ready for a request. An error that is not known may pass too.
func (t *Trials) IsFinal(err error) bool {
	switch {
	case !isFinal(err, gatherTime):
		t.refused = time.Time{}
		return false
	case t.refused.IsZero():
		t.refused = time.Now()
	}
	return isFinal(err, time.Since(t.refused))
}

// isFinal is Trials.IsFinal. lasted is the time since the first of the errors in a row that are final when they last.
func isFinal(err error, lasted time.Duration) bool {
	problem, _ := errors.AsType[*cluster.Error](err)
	settled := lasted >= settleTime
	switch {
	case err == nil:
		return false
	case errors.Is(err, ErrRefused) && problem != nil && problem.Kind == TooFewBrokers:
		return lasted >= gatherTime
	case errors.Is(err, cluster.ErrConfiguration), errors.Is(err, ErrRefused), errors.Is(err, kerr.FencedInstanceID):
		return true
	case problem == nil:
		return settled && isFinalCode(cluster.Code(err))
	}
	switch problem.Kind {
	case TopicMissing, TransactionTimeoutNotAllowed, cluster.SessionTimeoutNotAllowed, cluster.AWSSettingsUnreadable:
		return true
	case cluster.TLSNotSpoken:
		// A broker, or what stands before it, may also close connections because it is starting.
		return settled && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
	}
	return settled && isFinalKind(problem.Kind)
}

// isFinalKind reports whether a kind of problem is final when it lasts.
func isFinalKind(kind cluster.Kind) bool {
	switch kind {
	case cluster.AuthenticationFailed, cluster.MechanismNotOffered, cluster.SASLNotSpoken,
		cluster.TopicNotAllowed, cluster.GroupNotAllowed, cluster.ClusterNotAllowed, TransactionalIDNotAllowed, TopicNotWritable,
		cluster.TLSRequired, cluster.TLSIncompatible, cluster.TLSHandshakeRefused, cluster.AuthorityUnknown, cluster.ServerNameMismatch,
		cluster.ClientCertificateRequired, cluster.ClientCertificateRefused,
		cluster.ControllerPort:
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

// reasonOf returns what errors with the same cause have in common. Their texts may differ, for example in port numbers.
func reasonOf(err error) string {
	if problem, explained := errors.AsType[*cluster.Error](err); explained {
		return string(problem.Kind)
	}
	return err.Error()
}
