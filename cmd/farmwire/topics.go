package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"farmwire/publisher"
)

// topicsTimeout is how long the commands that create or check topics may take.
const topicsTimeout = 60 * time.Second

type topicsCmd struct {
	Create topicsCreateCmd `cmd:"" help:"Create the topics that are missing, and check the others."`
	Check  topicsCheckCmd  `cmd:"" help:"Check that the topics are safe (partitions, compaction, replication, min.insync.replicas, retention), and that run can publish: every broker, the login, transactions, the group and the rights."`
}

type topicsCreateCmd struct {
	kafkaFlags
	topicFlags
}

// Run creates the topics that are missing, prints which it created, and checks all of them.
func (c *topicsCreateCmd) Run(ctx context.Context, std *streams) error {
	cfg, err := c.begin(std, c.topicFlags.check())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, topicsTimeout)
	defer cancel()
	created, err := publisher.CreateTopics(ctx, cfg, c.spec())
	if err := errors.Join(printCreated(std, cfg.Topics(), created, err == nil), err); err != nil {
		return err
	}
	partitions, err := publisher.CheckTopics(ctx, cfg, c.spec())
	if err != nil {
		return err
	}
	return printSafe(std, cfg, partitions)
}

type topicsCheckCmd struct {
	kafkaFlags

	Partitions        *number `placeholder:"N" help:"Refuse topics with another number of partitions. Default: any number will do."`
	ReplicationFactor number  `default:"3" help:"Refuse topics with fewer replicas."`

	Group string `placeholder:"NAME" help:"Try the rights to this consumer group of run. Default: farmwire.<state topic>."`
}

// Run checks the topics, and then tries everything that `farmwire run` needs to publish to them.
func (c *topicsCheckCmd) Run(ctx context.Context, std *streams) error {
	expected := topicFlags{Partitions: 1, ReplicationFactor: c.ReplicationFactor}
	if c.Partitions != nil {
		expected.Partitions = *c.Partitions
	}
	cfg, err := c.begin(std, expected.check())
	if err != nil {
		return err
	}
	cfg.Group.ID = c.Group
	ctx, cancel := context.WithTimeout(ctx, topicsTimeout)
	defer cancel()
	partitions, err := publisher.CheckTopics(ctx, cfg, expected.spec())
	if err != nil {
		return err
	}
	if c.Partitions != nil && partitions != int(*c.Partitions) {
		return fmt.Errorf("%s have %d partitions and %d are asked for: give --partitions %d, or another --topic-prefix", enumerate(cfg.Topics()), partitions, *c.Partitions, partitions)
	}
	brokers, err := publisher.Prove(ctx, cfg)
	if err != nil {
		return err
	}
	if text := brokers.Warning(); text != "" {
		fmt.Fprintf(std.err, "farmwire: warning: %s\n", text)
	}
	if err := printSafe(std, cfg, partitions); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "farmwire run can publish to them: every broker, the login, transactions, the group %s and the rights were tried\n"+
		"the oldest broker is of version %s, and verification of transactions is %s\n", cfg.GroupID(), brokers.Version, brokers.Verification)
	return err
}

// begin returns the configuration, or an error if the flags are wrong. It asks no broker. It prints a warning about flags
// that work but are unsafe. others is what is wrong with the other flags of the command.
func (f kafkaFlags) begin(std *streams, others error) (publisher.Config, error) {
	if len(f.Brokers) == 0 {
		return publisher.Config{}, usageError{errors.New("--brokers is missing: give host:port of your Kafka brokers")}
	}
	if err := errors.Join(f.check(), others); err != nil {
		return publisher.Config{}, usageError{err}
	}
	cfg, err := f.config()
	if err != nil {
		return publisher.Config{}, err
	}
	if err := cfg.Cluster.Validate(); err != nil {
		return publisher.Config{}, err
	}
	if text := f.readable(); text != "" {
		fmt.Fprintf(std.err, "farmwire: warning: %s\n", text)
	}
	return cfg, nil
}

// printCreated prints which of the topics were created. If creating was complete, it also prints which existed before.
func printCreated(std *streams, all, created []string, complete bool) error {
	var lines string
	if len(created) > 0 {
		lines = "created " + enumerate(created) + "\n"
	}
	existing := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(created, name) })
	if len(existing) > 0 && complete {
		lines += "already there: " + enumerate(existing) + "\n"
	}
	_, err := io.WriteString(std.out, lines)
	return err
}

// printSafe prints that the topics are safe.
func printSafe(std *streams, cfg publisher.Config, partitions int) error {
	_, err := fmt.Fprintf(std.out, "%s are safe: %d partitions each\n", enumerate(cfg.Topics()), partitions)
	return err
}

// enumerate joins names for a sentence: a, b and c.
func enumerate(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
