package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"farmwire/publisher"
)

// How long the commands that only ask or create may take.
const topicsTimeout = 30 * time.Second

type topicsCmd struct {
	Create topicsCreateCmd `cmd:"" help:"Create the topics that are missing, and check the others."`
	Check  topicsCheckCmd  `cmd:"" help:"Check that the topics are safe: partitions, compaction, replication, min.insync.replicas, retention."`
}

type topicsCreateCmd struct {
	kafkaFlags
	topicFlags
}

// Run creates what is missing and checks the whole.
func (c *topicsCreateCmd) Run(ctx context.Context, std *streams) error {
	return withTopics(ctx, std, c.kafkaFlags, c.topicFlags, publisher.CreateTopics)
}

type topicsCheckCmd struct {
	kafkaFlags
	topicFlags
}

// Run checks the topics as `run` does.
func (c *topicsCheckCmd) Run(ctx context.Context, std *streams) error {
	return withTopics(ctx, std, c.kafkaFlags, c.topicFlags, nil)
}

func withTopics(ctx context.Context, std *streams, kafka kafkaFlags, topics topicFlags, create func(context.Context, publisher.Config, publisher.TopicSpec) error) error {
	if len(kafka.Brokers) == 0 {
		return usageError{errors.New("--brokers is missing: give host:port of your Kafka brokers")}
	}
	if err := errors.Join(kafka.check(), topics.check()); err != nil {
		return usageError{err}
	}
	cfg, err := kafka.config()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, topicsTimeout)
	defer cancel()
	if create != nil {
		if err := create(ctx, cfg, topics.spec()); err != nil {
			return err
		}
	}
	partitions, err := publisher.CheckTopics(ctx, cfg, topics.spec())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "%s.events, %s.ended and %s.state are safe: %d partitions each\n", cfg.TopicPrefix, cfg.TopicPrefix, cfg.TopicPrefix, partitions)
	return err
}
