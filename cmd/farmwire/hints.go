package main

import (
	"cmp"
	"errors"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"farmwire/cluster"
	"farmwire/consumer"
	"farmwire/consumer/audit"
	"farmwire/consumer/trigger"
	"farmwire/publisher"
)

// hint returns which flag solves a problem, or "" if none does. The errors of the library have kinds and name no flags,
// because its other users have none.
func hint(kind cluster.Kind) string {
	return cmp.Or(clusterHints()[kind], publisherHints()[kind], consumerHints()[kind])
}

// consumerHints returns the hints for the kinds that packages consumer, audit and trigger add.
func consumerHints() map[cluster.Kind]string {
	return map[cluster.Kind]string{
		consumer.TopicMissing:  "check --topic-prefix and --brokers; `farmwire topics create` makes the topics",
		consumer.RecordsGone:   "say by --from where to go on",
		audit.AnchorForeign:    "check --anchor and --topic-prefix",
		trigger.FromMissing:    "say where to begin with --from: now, beginning or a time",
		trigger.FromGone:       "decide with --from: beginning delivers everything that is left, now or a time leaves out what is older",
		trigger.TooManyRefused: "mend the target, or allow more by --dead-letter-limit",
	}
}

// publisherHints returns the hints for the kinds that package publisher adds to those of package cluster.
func publisherHints() map[cluster.Kind]string {
	return map[cluster.Kind]string{
		publisher.TopicMissing:     "create the topics by `farmwire topics create`, or run with --create-topics",
		publisher.PartitionsDiffer: "give that number with --partitions, or begin with another --topic-prefix",
		publisher.PartitionsUneven: "create them with another --topic-prefix",
		publisher.PartitionsAdded:  "or begin with another --topic-prefix",
		publisher.TooFewBrokers:    "start more brokers, or give a smaller --replication-factor",
		publisher.TooFewReplicas:   "or accept fewer with --replication-factor",
		publisher.RegionDiffers:    "set the other region, or use another --topic-prefix for each region",
		publisher.StateLost:        "or begin with another --topic-prefix",
		publisher.TopicDeleted:     "`farmwire topics create` does that, with --partitions if there are not as many as by default",
		publisher.SharedTopics:     "give all the same --group, or stop one",
	}
}

// clusterHints returns the hints for the kinds of package cluster.
func clusterHints() map[cluster.Kind]string {
	return map[cluster.Kind]string{
		// Wrong configuration.
		cluster.BrokersInvalid:              "give host:port for --brokers, several separated by commas, an IPv6 address in brackets",
		cluster.TLSDisabled:                 "--tls-ca, --tls-cert, --tls-key and --tls-server-name need --tls",
		cluster.CAFileInvalid:               "check --tls-ca",
		cluster.CertFileInvalid:             "check --tls-cert",
		cluster.KeyFileInvalid:              "check --tls-key",
		cluster.ClientCertificateIncomplete: "give both --tls-cert and --tls-key",
		cluster.ServerNameInvalid:           "check --tls-server-name",
		cluster.MechanismMissing:            "--sasl-username needs --sasl-mechanism",
		cluster.MechanismUnknown:            "check --sasl-mechanism",
		cluster.UsernameInvalid:             "give the name alone with --sasl-username",
		cluster.PasswordInvalid:             "check --sasl-password-file or FARMWIRE_SASL_PASSWORD",
		cluster.CredentialsMissing:          "give --sasl-username, and --sasl-password-file or FARMWIRE_SASL_PASSWORD",

		// TLS.
		cluster.TLSRequired:               "add --tls",
		cluster.TLSNotSpoken:              "leave --tls away, or connect to its TLS port",
		cluster.TLSHandshakeRefused:       "give a client certificate with --tls-cert and --tls-key if the broker requires one",
		cluster.AuthorityUnknown:          "give the authority's certificate with --tls-ca",
		cluster.ServerNameMismatch:        "connect by a name that the broker's certificate holds, or give that name with --tls-server-name",
		cluster.ClientCertificateRequired: "give one with --tls-cert and --tls-key",
		cluster.ClientCertificateRefused:  "renew the files of --tls-cert and --tls-key, or give others",

		// SASL.
		cluster.SASLRequired:         "set --sasl-mechanism",
		cluster.SASLNotSpoken:        "leave --sasl-mechanism away, or connect to its SASL port",
		cluster.MechanismNotOffered:  "choose another --sasl-mechanism, or another port",
		cluster.AuthenticationFailed: "check --sasl-username, the password, and that --sasl-mechanism is the one that they are for",

		// Connections that the broker closes.
		cluster.ClosedAtOnce:     "add --tls, or set --sasl-mechanism",
		cluster.ClosedWithTLS:    "if the port speaks no TLS, leave --tls away or connect to its TLS port",
		cluster.ClosedWithoutTLS: "if the port requires TLS, add --tls",
		cluster.ClosedInLogin:    "check --sasl-username, the password and --sasl-mechanism, and whether the port needs --tls",
		cluster.ControllerPort:   "give the addresses of brokers with --brokers (their listeners, not controller.quorum.voters)",

		// The network.
		cluster.HostUnknown:        "check --brokers",
		cluster.ConnectionRefused:  "check --brokers, and that Kafka runs",
		cluster.NetworkUnreachable: "check --brokers",
		cluster.NotKafka:           "check --brokers",
		cluster.NoAnswer:           "check --brokers",

		// What brokers answer.
		cluster.TopicNotAllowed:          "`farmwire topics create` needs the right Create",
		cluster.ClusterNotAllowed:        "an administrator can run `farmwire topics create`",
		cluster.GroupNotAllowed:          "another group can be chosen with --group",
		cluster.SessionTimeoutNotAllowed: "give another --session-timeout",
	}
}

// hinted is an error whose text ends with a hint.
type hinted struct {
	error
	hint string
}

// Error returns the text of the error and the hint.
func (h hinted) Error() string {
	separator := ": "
	if strings.HasPrefix(h.hint, "or ") {
		separator = ", " // the error itself says what else can be done
	}
	return h.error.Error() + separator + h.hint
}

func (h hinted) Unwrap() error { return h.error }

// withHint adds the hint for the kind of an error, if there is one and the error has none yet.
func withHint(err error) error {
	if _, already := errors.AsType[hinted](err); already {
		return err
	}
	if problem, ok := errors.AsType[*cluster.Error](err); ok {
		if text := hint(problem.Kind); text != "" {
			return hinted{err, text}
		}
	}
	return err
}

// hintingCore adds hints to the errors in log entries.
type hintingCore struct{ zapcore.Core }

// With adds fields to all entries.
func (c hintingCore) With(fields []zap.Field) zapcore.Core {
	return hintingCore{c.Core.With(fieldsWithHints(fields))}
}

// Check adds this core, and not the one within, to those that write the entry.
func (c hintingCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write writes an entry.
func (c hintingCore) Write(entry zapcore.Entry, fields []zap.Field) error {
	return c.Core.Write(entry, fieldsWithHints(fields))
}

func fieldsWithHints(fields []zap.Field) []zap.Field {
	changed := make([]zap.Field, len(fields))
	for i, field := range fields {
		if err, ok := field.Interface.(error); ok && field.Type == zapcore.ErrorType {
			field.Interface = withHint(err)
		}
		changed[i] = field
	}
	return changed
}
