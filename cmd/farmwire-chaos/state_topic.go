package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/publisher/kafkatest"
)

// createStateTopic creates the state topic before farmwire does, so that a batch has room for two or three records only.
// Transactions then need several produce requests, and a late request can arrive between two of them.
func createStateTopic(ctx context.Context, kafka *kafkatest.Cluster) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.InnerAddrs()...))
	if err != nil {
		return err
	}
	defer client.Close()
	policy, unclean, size := "compact", "false", "1500"
	settings := map[string]*string{"cleanup.policy": &policy, "unclean.leader.election.enable": &unclean, "max.message.bytes": &size}
	topic := instance.TopicPrefix + ".state"
	if _, err := kadm.NewClient(client).CreateTopic(ctx, instance.ShardCount, int16(kafka.Size()), settings, topic); err != nil {
		return fmt.Errorf("create %s: %w", topic, err)
	}
	return nil
}
