package cluster

import (
	"errors"
	"io"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// explainCode explains the errors that brokers answer with. Source: the error codes of Kafka's protocol.
func explainCode(err error) *Error {
	switch Code(err) {
	case 58:
		return &Error{Kind: AuthenticationFailed, Text: "the broker does not accept this user and password, or not with this SASL mechanism"}
	case 33:
		return &Error{Kind: MechanismNotOffered, Text: "the broker does not offer this SASL mechanism on this port"}
	case 34:
		return &Error{Kind: SASLNotSpoken, Text: "the broker does not use SASL on this port"}
	case 15:
		return &Error{Kind: CoordinatorUnavailable, Text: "the coordinator of transactions, or of the consumer group, is not available: the usual cause is that transaction.state.log.replication.factor (or .min.isr) or offsets.topic.replication.factor is above the number of brokers, else a broker is down"}
	case 19, 20:
		return &Error{Kind: TooFewInSync, Text: "too few replicas are in sync to write (min.insync.replicas): start the brokers that are down"}
	case 29:
		return &Error{Kind: TopicNotAllowed, Text: "the broker does not allow this on the topic: grant Write, Read, Describe and DescribeConfigs on the topics, and Create to whoever creates them"}
	case 30:
		return &Error{Kind: GroupNotAllowed, Text: "the broker does not allow this consumer group: grant Read on it"}
	case 26:
		return &Error{Kind: SessionTimeoutNotAllowed, Text: "the broker does not allow this session timeout: it must be within the brokers' group.min.session.timeout.ms (6s by default) and group.max.session.timeout.ms"}
	case 31:
		return &Error{Kind: ClusterNotAllowed, Text: "the broker does not allow this on the cluster: grant Create on the cluster or on the topics, or let an administrator create the topics"}
	}
	return nil
}

// explainClosed explains that a broker closed the connection instead of answering. It does not name causes that the
// configuration excludes.
func (c Config) explainClosed(err error) *Error {
	if first, ok := errors.AsType[*kgo.ErrFirstReadEOF](err); ok {
		// franz-go tells the cases apart by how far it got, and only its text shows which it was.
		switch text := first.Error(); {
		case strings.Contains(text, "SASL is missing"), strings.Contains(text, "is SASL missing"):
			return c.closedBeforeLogin()
		case strings.Contains(text, "is TLS missing"):
			return &Error{Kind: ClosedAtOnce, Text: "the broker closed the connection at once: its port requires TLS or SASL"}
		default:
			return notTLS()
		}
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return c.closedBeforeLogin()
	case errors.Is(err, io.EOF):
		return c.closed()
	}
	return nil
}

func notTLS() *Error {
	return &Error{Kind: TLSNotSpoken, Text: "the broker closed the connection during the TLS handshake: its port speaks no TLS"}
}

// closedBeforeLogin explains that the broker did not wait for a login, or did not answer it.
func (c Config) closedBeforeLogin() *Error {
	if c.SASL.Mechanism != MechanismNone {
		return closedInLogin()
	}
	return &Error{Kind: SASLRequired, Text: "the broker closed the connection instead of answering: its port requires SASL"}
}

func closedInLogin() *Error {
	return &Error{Kind: ClosedInLogin, Text: "the broker closed the connection during the login instead of answering: it refuses this user, password or mechanism, or its port requires TLS too; its log says which"}
}

// closed explains that the broker closed the connection, where it is not known how far the client had got.
func (c Config) closed() *Error {
	switch {
	case c.TLS.Enabled:
		return &Error{Kind: ClosedWithTLS, Text: "the broker closed the connection instead of answering: either its port speaks no TLS, or it refuses this client, as its log says"}
	case c.SASL.Mechanism != MechanismNone:
		return closedInLogin()
	}
	return &Error{Kind: ClosedWithoutTLS, Text: "the broker closed the connection instead of answering: its port requires TLS, or it refuses this client, as its log says"}
}
