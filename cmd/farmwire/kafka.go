package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"farmwire/cluster"
	"farmwire/publisher"
)

// kafkaFlags say how to reach the cluster.
type kafkaFlags struct {
	Brokers     []string `placeholder:"HOST:PORT" help:"Connect to Kafka by these bootstrap brokers: two or three, separated by commas."`
	TopicPrefix string   `default:"deadline.sessions" help:"Use the topics <prefix>.events, <prefix>.ended, <prefix>.coverage and <prefix>.state."`

	TLS           toggle  `name:"tls" help:"Connect to Kafka with TLS."`
	TLSCA         private `name:"tls-ca" placeholder:"FILE" help:"Trust the certificates of the authority in this PEM file. Default: the system's authorities."`
	TLSCert       private `name:"tls-cert" placeholder:"FILE" help:"Show brokers the client certificate in this PEM file."`
	TLSKey        private `name:"tls-key" placeholder:"FILE" help:"Read the key of the client certificate from this PEM file."`
	TLSServerName private `name:"tls-server-name" placeholder:"NAME" help:"Expect this name in the brokers' certificates. Default: the broker's host name."`

	SASLMechanism    mechanism `name:"sasl-mechanism" default:"none" placeholder:"NAME" help:"Log in to Kafka by this mechanism: plain, scram-sha-256, scram-sha-512 or aws-msk-iam."`
	SASLUsername     private   `name:"sasl-username" placeholder:"NAME" help:"Log in by this user name, for plain and scram."`
	SASLPasswordFile private   `name:"sasl-password-file" placeholder:"FILE" help:"Read the password for plain and scram from this file. The variable FARMWIRE_SASL_PASSWORD can hold it instead."`

	secret password
}

// topicFlags say how topics are created, and what existing topics must have.
type topicFlags struct {
	Partitions        number `default:"12" help:"Create each topic with this many partitions. Those of the state topic are the shards. The number can't be changed later."`
	ReplicationFactor number `default:"3" help:"Create each topic with this many replicas, and refuse existing topics with fewer."`
}

// spec returns the flags as the publisher takes them.
func (f topicFlags) spec() publisher.TopicSpec {
	return publisher.TopicSpec{Partitions: int(f.Partitions), ReplicationFactor: int(f.ReplicationFactor)}
}

// check refuses numbers that no cluster accepts.
func (f topicFlags) check() error {
	const mostPartitions, mostReplicas = 10_000, 1_000
	if f.Partitions < 1 || f.ReplicationFactor < 1 || f.Partitions > mostPartitions || f.ReplicationFactor > mostReplicas {
		return fmt.Errorf("--partitions must be from 1 to %d, and --replication-factor from 1 to %d", mostPartitions, mostReplicas)
	}
	return nil
}

// AfterApply reads the password as soon as kong has set the flags, so that it is removed from everything that is written to
// stderr from then on. If the password cannot be read, config returns the error.
func (f *kafkaFlags) AfterApply(std *streams, command *kong.Context) error {
	f.secret = readPassword(string(f.SASLPasswordFile))
	// What the log shows anyway is not a secret.
	told := append([]string{"farmwire", f.TopicPrefix, string(f.SASLUsername)}, f.Brokers...)
	for _, flag := range command.Flags() {
		told = append(told, flag.Name, flag.Help)
	}
	std.err = scrubber{std.err, func(text string) string { return f.secret.value.Scrub(text, told...) }}
	return nil
}

// check finds wrong flags, without asking a broker and without reading a file.
func (f kafkaFlags) check() error {
	const longest = 200 // Kafka accepts names of 249 characters, which begin with the prefix
	if f.TopicPrefix == "" || len(f.TopicPrefix) > longest || strings.Trim(f.TopicPrefix, topicCharacters) != "" {
		return fmt.Errorf("--topic-prefix is too long or has a character that Kafka does not accept: give at most %d letters, digits, dots, underscores and hyphens", longest)
	}
	if text := f.TLS.problem(); text != "" {
		return errors.New("--tls " + text)
	}
	if text := f.SASLMechanism.problem(); text != "" {
		return errors.New("--sasl-mechanism " + text)
	}
	return withHint(cluster.ValidateBrokers(f.brokers()))
}

const topicCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// brokers returns the bootstrap brokers without the blanks around them.
func (f kafkaFlags) brokers() []string {
	trimmed := slices.Clone(f.Brokers)
	for i := range trimmed {
		trimmed[i] = strings.Trim(trimmed[i], " \t")
	}
	return trimmed
}

// config returns the flags as the publisher takes them. Its errors are wrong usage.
func (f kafkaFlags) config() (publisher.Config, error) {
	if f.secret.wrong != nil {
		return publisher.Config{}, usageError{f.secret.wrong}
	}
	mechanism := f.SASLMechanism
	if mechanism == "none" {
		mechanism = ""
	}
	return publisher.Config{
		TopicPrefix: f.TopicPrefix,
		Cluster: cluster.Config{
			Brokers: f.brokers(),
			TLS: cluster.TLS{
				Enabled: f.TLS.on, CAFile: string(f.TLSCA), CertFile: string(f.TLSCert), KeyFile: string(f.TLSKey), ServerName: string(f.TLSServerName),
			},
			SASL: cluster.SASL{Mechanism: cluster.Mechanism(mechanism), Username: string(f.SASLUsername), Password: f.secret.value},
		},
	}, nil
}

// readable returns a warning if the password crosses the network without encryption, and "" if it does not.
func (f kafkaFlags) readable() string {
	cfg, err := f.config()
	if err != nil || cfg.Cluster.Validate() != nil || cfg.Cluster.SASL.Mechanism != cluster.MechanismPlain || cfg.Cluster.TLS.Enabled {
		return ""
	}
	return "the SASL password can be read on the way to the brokers: --sasl-mechanism plain needs --tls, or use scram-sha-512"
}
