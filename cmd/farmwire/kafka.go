package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"farmwire/publisher"
)

// kafkaFlags say how to reach the cluster.
type kafkaFlags struct {
	Brokers     []string `placeholder:"HOST:PORT" help:"Kafka brokers to start from."`
	TopicPrefix string   `default:"deadline.sessions" help:"The topics are <prefix>.events, <prefix>.ended and <prefix>.state."`

	TLS           bool   `name:"tls" help:"Connect to Kafka by TLS."`
	TLSCA         string `name:"tls-ca" placeholder:"FILE" help:"PEM file of the authority that signed the brokers' certificates. Default: the system's."`
	TLSCert       string `name:"tls-cert" placeholder:"FILE" help:"PEM file of a client certificate."`
	TLSKey        string `name:"tls-key" placeholder:"FILE" help:"PEM file of the client certificate's key."`
	TLSServerName string `name:"tls-server-name" help:"The name to find in the brokers' certificates. Default: the broker's host name."`

	SASLMechanism    string `name:"sasl-mechanism" enum:"none,plain,scram-sha-256,scram-sha-512,aws-msk-iam" default:"none" help:"plain, scram-sha-256, scram-sha-512 or aws-msk-iam."`
	SASLUsername     string `name:"sasl-username" help:"User name for plain and scram."`
	SASLPasswordFile string `name:"sasl-password-file" placeholder:"FILE" help:"File with the password for plain and scram; or set FARMWIRE_SASL_PASSWORD."`
}

// topicFlags say what topics must be like.
type topicFlags struct {
	Partitions        int `default:"12" help:"Partitions of each topic when it is created; those of the state topic are the shards. They can't be changed later."`
	ReplicationFactor int `default:"3" help:"Replicas of each topic when it is created; existing topics with fewer are refused."`
}

func (f topicFlags) spec() publisher.TopicSpec {
	return publisher.TopicSpec{Partitions: f.Partitions, ReplicationFactor: f.ReplicationFactor}
}

// check finds numbers that no cluster takes.
func (f topicFlags) check() error {
	if f.Partitions < 1 || f.ReplicationFactor < 1 {
		return errors.New("--partitions and --replication-factor must be at least 1")
	}
	return nil
}

// check finds what is wrong before anybody is asked.
func (f kafkaFlags) check() error {
	const longest = 200 // Kafka takes 249 characters; names are made of the prefix
	if f.TopicPrefix == "" || len(f.TopicPrefix) > longest || strings.Trim(f.TopicPrefix, topicCharacters) != "" {
		return fmt.Errorf("--topic-prefix is %q: Kafka's names are of letters, digits, dots, underscores and hyphens, %d at most here", f.TopicPrefix, longest)
	}
	return nil
}

const topicCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// config reads what the flags name. Errors are usage errors.
func (f kafkaFlags) config() (publisher.Config, error) {
	password, err := f.password()
	if err != nil {
		return publisher.Config{}, usageError{err}
	}
	mechanism := f.SASLMechanism
	if mechanism == "none" {
		mechanism = ""
	}
	return publisher.Config{
		Brokers:     f.Brokers,
		TopicPrefix: f.TopicPrefix,
		Security: publisher.Security{
			TLS: f.TLS, CAFile: f.TLSCA, CertFile: f.TLSCert, KeyFile: f.TLSKey, ServerName: f.TLSServerName,
			Mechanism: publisher.Mechanism(mechanism), Username: f.SASLUsername, Password: password,
		},
	}, nil
}

func (f kafkaFlags) password() (publisher.Secret, error) {
	if f.SASLPasswordFile == "" {
		return publisher.Secret(os.Getenv("FARMWIRE_SASL_PASSWORD")), nil
	}
	text, err := os.ReadFile(f.SASLPasswordFile)
	if err != nil {
		return "", fmt.Errorf("--sasl-password-file: %w", err)
	}
	return publisher.Secret(strings.TrimRight(string(text), "\r\n")), nil
}
