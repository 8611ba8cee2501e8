package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"farmwire/consumer"
	"farmwire/consumer/audit"
)

// checkpointTimeout is how long it may take to read the newest checkpoints.
const checkpointTimeout = 60 * time.Second

type auditCheckpointCmd struct{ kafkaFlags }

// Run prints the newest checkpoints, with an empty line between two, so that --anchor can read them.
func (c *auditCheckpointCmd) Run(ctx context.Context, std *streams) error {
	kafka, err := c.begin(std, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkpointTimeout)
	defer cancel()
	notes, err := audit.Checkpoints(ctx, consumer.Config{Cluster: kafka.Cluster, TopicPrefix: kafka.TopicPrefix})
	if err != nil {
		return unread(err)
	}
	if len(notes) == 0 {
		return errors.New("no heartbeat has a checkpoint: give farmwire run a key by --signing-key-file")
	}
	_, err = fmt.Fprint(std.out, strings.Join(notes, "\n"))
	return err
}
