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

// Separators in the output of [Console]. JSON escapes both characters, so no event contains them.
const (
	ColumnSeparator = "\t"
	HeaderSeparator = "\x1e"
)

// Reading describes what [Console] reads.
type Reading struct {
	Brokers     []string
	Topic       string
	Uncommitted bool          // whether to read with read_uncommitted instead of read_committed
	Idle        time.Duration // Console ends after this time without a record; default 5 s
	Max         int           // Console ends after this number of records; 0 for no limit
	Config      string        // path of a file with client properties, for TLS and SASL; empty for none
}

// Console reads a topic from the beginning with Apache Kafka's console consumer, so that tests can check records with
// a reader that is not part of this project. It writes one line for each record to w. The columns are
// "CreateTime:<ms>", "Partition:<n>", "Offset:<n>", the headers, the key and the value, separated by [ColumnSeparator].
// A header is "name:value", and [HeaderSeparator] separates headers. An absent key or value is "null", and absent
// headers are "NO_HEADERS". The records of a partition are in the order of their offsets. Console works with every
// broker, including kfake. At first use it downloads Apache Kafka with Maven.
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
	var output bytes.Buffer
	cmd := toolCommand(ctx, filepath.Join(folder, "*"), "org.apache.kafka.tools.consumer.ConsoleConsumer", args...)
	cmd.Stdout, cmd.Stderr = w, &output
	cmd.WaitDelay = time.Second
	if err := process.Run(cmd); err != nil {
		return fmt.Errorf("read %s with Apache's console consumer: %w\n%s", r.Topic, err, output.String())
	}
	return nil
}
