package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// splitState makes the state topic before anybody else does, with room for two or three records in a batch: so
// transactions need several produce requests, between which something can happen.
func (a *arena) splitState(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(a.kafka.InnerAddrs()...))
	if err != nil {
		return err
	}
	defer client.Close()
	policy, unclean, room := "compact", "false", "1500"
	settings := map[string]*string{"cleanup.policy": &policy, "unclean.leader.election.enable": &unclean, "max.message.bytes": &room}
	topic := topicPrefix + ".state"
	if _, err := kadm.NewClient(client).CreateTopic(ctx, shards, int16(a.kafka.Size()), settings, topic); err != nil {
		return fmt.Errorf("create %s: %w", topic, err)
	}
	return nil
}
