package kafkatest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"farmwire/publisher/kafkatest/process"
)

// Separators of what [Console] prints. JSON escapes both, so neither is part of an event.
const (
	ColumnSeparator = "\t"
	HeaderSeparator = "\x1e"
)

// Reading is what Apache's console consumer is to read.
type Reading struct {
	Brokers     []string
	Topic       string
	Uncommitted bool          // read_uncommitted instead of read_committed
	Idle        time.Duration // ends when no record came for so long; 0: 5 seconds
	Max         int           // ends after so many records; 0: no such end
	Config      string        // a file of client properties, for TLS and SASL; "": none
}

// Console reads a topic from the beginning with Apache Kafka's own console consumer, which is independent of this
// project, and writes one line for each record to w: "CreateTime:<ms>", "Partition:<n>", "Offset:<n>", the headers
// ("name:value" each, between [HeaderSeparator]), key and value, in this order, between [ColumnSeparator]; what is
// absent is "null" ("NO_HEADERS" for headers). Records come in the order of their offsets within a partition.
// It works with any broker, kfake too, and has Maven download Apache Kafka at first use.
func Console(ctx context.Context, r Reading, w io.Writer) error {
	folder, err := jars(ctx, Version)
	if err != nil {
		return err
	}
	if r.Idle == 0 {
		r.Idle = 5 * time.Second
	}
	isolation := "read_committed"
	if r.Uncommitted {
		isolation = "read_uncommitted"
	}
	args := []string{
		"--bootstrap-server", strings.Join(r.Brokers, ","), "--topic", r.Topic, "--from-beginning",
		"--isolation-level", isolation, "--timeout-ms", strconv.FormatInt(r.Idle.Milliseconds(), 10),
	}
	for _, p := range []string{"print.timestamp=true", "print.partition=true", "print.offset=true",
		"print.headers=true", "print.key=true", "print.value=true",
		"key.separator=" + ColumnSeparator, "headers.separator=" + HeaderSeparator} {
		args = append(args, "--formatter-property", p)
	}
	if r.Max > 0 {
		args = append(args, "--max-messages", strconv.Itoa(r.Max))
	}
	if r.Config != "" {
		args = append(args, "--command-config", r.Config)
	}
	var said bytes.Buffer
	cmd := toolCommand(ctx, filepath.Join(folder, "*"), "org.apache.kafka.tools.consumer.ConsoleConsumer", args...)
	cmd.Stdout, cmd.Stderr = w, &said
	cmd.WaitDelay = time.Second
	if err := process.Run(cmd); err != nil {
		return fmt.Errorf("read %s with Apache's console consumer: %w\n%s", r.Topic, err, said.String())
	}
	return nil
}
