package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"farmwire/publisher"
)

// How long the commands that only ask or create may take.
const topicsTimeout = 60 * time.Second

type topicsCmd struct {
	Create topicsCreateCmd `cmd:"" help:"Create the topics that are missing, and check the others."`
	Check  topicsCheckCmd  `cmd:"" help:"Check that the topics are safe (partitions, compaction, replication, min.insync.replicas, retention), and that run can publish: every broker, the login, transactions, the group and the rights."`
}

type topicsCreateCmd struct {
	kafkaFlags
	topicFlags
}

// Run creates what is missing and checks the whole.
func (c *topicsCreateCmd) Run(ctx context.Context, std *streams) error {
	cfg, err := c.begin(std, c.topicFlags)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, topicsTimeout)
	defer cancel()
	created, err := publisher.CreateTopics(ctx, cfg, c.spec())
	if err := printCreated(std, created); err != nil {
		return err
	}
	if err != nil {
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
	topicFlags

	Group string `help:"Consumer group of run. Default: farmwire.<state topic>."`
}

// Run checks the topics as run does, and does with them what it does first.
func (c *topicsCheckCmd) Run(ctx context.Context, std *streams) error {
	cfg, err := c.begin(std, c.topicFlags)
	if err != nil {
		return err
	}
	cfg.Group.ID = c.Group
	ctx, cancel := context.WithTimeout(ctx, topicsTimeout)
	defer cancel()
	partitions, err := publisher.CheckTopics(ctx, cfg, c.spec())
	if err != nil {
		return err
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

// begin finds what is wrong before anybody is asked, and says what is unwise.
func (f kafkaFlags) begin(std *streams, topics topicFlags) (publisher.Config, error) {
	if len(f.Brokers) == 0 {
		return publisher.Config{}, usageError{errors.New("--brokers is missing: give host:port of your Kafka brokers")}
	}
	if err := errors.Join(f.check(), topics.check()); err != nil {
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

func printCreated(std *streams, created []string) error {
	if len(created) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(std.out, "created %s\n", enumerate(created))
	return err
}

func printSafe(std *streams, cfg publisher.Config, partitions int) error {
	_, err := fmt.Fprintf(std.out, "%s are safe: %d partitions each\n", enumerate(cfg.Topics()), partitions)
	return err
}

// enumerate joins names as a sentence does: a, b and c.
func enumerate(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
