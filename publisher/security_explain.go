package publisher

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"unicode"

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
func (e *explained) Error() string { return e.line + " (" + said(e.err) + ")" }

func (e *explained) Unwrap() error { return e.err }

// said is the text of an error in one line. It leaves out what a broker says about a login, because the broker knows the
// password and may repeat it.
func said(err error) string {
	text := err.Error()
	if answer := typed(err); answer != nil && isOfLogin(code(err)) {
		if _, after, found := strings.Cut(text, answer.Error()); found {
			text = strings.TrimSuffix(text, after)
		}
	}
	return oneLine(text)
}

// oneLine keeps control characters of others out of terminals and logs.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// reworded is an error whose text is not its own.
type reworded struct {
	text string
	err  error
}

// Error is the text.
func (e *reworded) Error() string { return e.text }

func (e *reworded) Unwrap() error { return e.err }

// explain is the function explain with what is known of the configuration: it takes the password out of what a broker or a client
// said, makes one line of it, and does not advise what is set already.
func (c Config) explain(err error) error {
	if err == nil {
		return nil
	}
	err = explain(err)
	if e, ok := err.(*explained); ok && c.Security.closed(e.line) != e.line {
		err = &explained{c.Security.closed(e.line), e.err}
	}
	told := append([]string{c.TopicPrefix, c.GroupID(), c.Security.Username}, c.Brokers...)
	scrub := func(text string) string { return c.Security.Password.Scrub(oneLine(text), told...) }
	text := err.Error()
	if e, ok := err.(*explained); ok {
		text = e.line + " (" + scrub(said(e.err)) + ")" // the line is ours
	} else {
		text = scrub(text)
	}
	if text != err.Error() {
		return &reworded{text, err}
	}
	return err
}

// explain puts a line before an error of either Kafka client that names the cause and says what to do: for TLS,
// SASL, the network and missing rights. Any other error, and one that was explained already, comes back as it is.
func explain(err error) error {
	var already *explained
	if err == nil || errors.As(err, &already) {
		return err
	}
	for _, find := range []func(error) string{explainPartition, explainTLS, explainCode, explainClosed, explainNetwork} {
		if line := find(err); line != "" {
			return &explained{line: line, err: err}
		}
	}
	return err
}

// explainPartition is for partitions that brokers answer about, but not as they must.
func explainPartition(err error) string {
	switch {
	case errors.Is(err, errNoLeader):
		return "a partition has no leader: start the brokers that keep its replicas"
	case errors.Is(err, errNoProgress):
		return "a partition could not be read to its end: its leader is slow, or a transaction is open in it, which kafka-transactions.sh find-hanging shows if nobody will end it"
	}
	return ""
}

// typed is the answer of a broker in an error of either client, nil for none.
func typed(err error) error {
	var (
		ours   kafka.Error
		theirs *kerr.Error
	)
	if errors.As(err, &ours) {
		return ours
	}
	if errors.As(err, &theirs) {
		return theirs
	}
	return nil
}

// code is Kafka's error code in an error of either client, 0 for none.
func code(err error) int16 {
	switch answer := typed(err).(type) {
	case kafka.Error:
		return int16(answer)
	case *kerr.Error:
		return answer.Code
	}
	return 0
}

func isOfLogin(code int16) bool { return code == 58 || code == 33 || code == 34 }

func explainCode(err error) string {
	switch code(err) {
	case 58:
		return "the broker does not know this user or password: check --sasl-username, the password, and that --sasl-mechanism is the one that they are for"
	case 33:
		return "the broker does not offer this SASL mechanism on this port: choose another --sasl-mechanism, or another port"
	case 34:
		return "the broker's port does not take part in SASL: leave --sasl-mechanism away, or connect to its SASL port"
	case 15:
		return "the coordinator of transactions, or of the consumer group, is not available: transaction.state.log.replication.factor (or .min.isr) or offsets.topic.replication.factor above the number of brokers is the usual cause, else a broker that is down"
	case 51:
		return "the brokers have not ended the transaction before: one that leads a partition of it, or of the transaction log, is down, or too few replicas are in sync; look into the brokers' logs"
	case 19, 20:
		return "too few replicas are in sync to write (min.insync.replicas): start the brokers that are down"
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
	closedInLogin     = "the broker closed the connection during the login instead of answering: it refuses this user, password or mechanism, or its port wants TLS too (--tls); its log says which"
	closedWithoutTLS  = "the broker closed the connection instead of answering: its port wants TLS (--tls), or it refuses this client, as its log says"
	closedController  = "this is a port of a KRaft controller, which does not serve clients: give the addresses of brokers with --brokers (their listeners, not controller.quorum.voters)"
	closedAtOnce      = "the broker closed the connection at once: its port wants TLS (--tls) or SASL (--sasl-mechanism)"
)

// closed is what to say of a closed connection where the configuration rules some causes out.
func (s Security) closed(line string) string {
	switch {
	case line == closedWithoutSASL && s.Mechanism != MechanismNone, line == closedSomehow && s.Mechanism != MechanismNone && !s.TLS:
		return closedInLogin
	case line == closedSomehow && !s.TLS:
		return closedWithoutTLS
	}
	return line
}

func explainNetwork(err error) string {
	var (
		dns *net.DNSError
		to  *unreached
	)
	for _, sign := range []string{"invalid large response size", "beginning of an HTTP response"} {
		if strings.Contains(err.Error(), sign) {
			return "what listens there is no broker of Kafka: check --brokers"
		}
	}
	late := isLate(err)
	refused := errors.Is(err, syscall.ECONNREFUSED)
	lost := slices.ContainsFunc([]error{syscall.ENETUNREACH, syscall.EHOSTUNREACH}, func(e error) bool { return errors.Is(err, e) })
	switch advertised := errors.As(err, &to) && !to.given; {
	case errors.As(err, &dns) && dns.IsNotFound && advertised:
		return "the cluster advertises the broker " + to.address + ", and its host name is unknown here" + advertise
	case errors.As(err, &dns) && dns.IsNotFound:
		return "the broker's host name " + dns.Name + " is unknown: check --brokers"
	case errors.As(err, &dns):
		return "the name server did not say where the broker " + dns.Name + " is: check that names can be looked up from here"
	case refused && advertised:
		return "the cluster advertises the broker " + to.address + ", and nobody listens there" + advertise
	case refused:
		return "no broker listens there: check --brokers, and that Kafka runs"
	case (lost || late) && advertised:
		return "the cluster advertises the broker " + to.address + ", and it cannot be reached from here" + advertise
	case lost:
		return "the network does not lead to the broker: check --brokers and the routes"
	case late && code(err) != 0:
		return "the brokers answered until the time was over, but not as they must: look into their logs for the last answer"
	case late:
		return "no broker answered in time: check --brokers, the firewall, and that the addresses that the brokers advertise can be reached from here"
	}
	return ""
}

// advertise is what to do about an address that only the cluster has named.
const advertise = ": the broker is down, or its advertised.listeners must name an address that can be reached from here"

// isLate reports whether the time ran out, of a context or of a connection.
func isLate(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
