package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/mod/sumdb/note"

	"farmwire/cluster"
	"farmwire/cmd/view"
	"farmwire/consumer"
	"farmwire/consumer/audit"
	"farmwire/event"
)

// auditCmd holds the commands of an audit. The first is meant if none is named.
type auditCmd struct {
	Check      auditCheckCmd      `cmd:"" default:"withargs" help:"Check the topics. This is meant if no other command is named. The exit code is 0 if nothing is wrong, 1 if something is, and 2 if the topics could not be read."`
	Checkpoint auditCheckpointCmd `cmd:"" help:"Print the newest signed checkpoint of each shard. Keep them where nobody who controls Kafka can change them."`
	Keygen     auditKeygenCmd     `cmd:"" help:"Make a pair of keys for checkpoints."`
}

type auditCheckCmd struct {
	kafkaFlags

	PublicKey      []string `placeholder:"KEY" help:"Verify that each checkpoint is signed by this key, as farmwire audit keygen prints it; or by one of several, separated by commas."`
	EverySignature bool     `help:"Verify all signatures. Without it, only the newest and the first and last of each key are verified, which are enough to prove the logs."`
	Anchor         private  `placeholder:"FILE" help:"Prove that the logs extend the checkpoints in this file, as farmwire audit checkpoint has printed them."`
	Output         string   `enum:"text,json" default:"text" help:"Print text for people, or one JSON document: text or json."`
}

// Run checks the topics and prints the report.
func (c *auditCheckCmd) Run(ctx context.Context, std *streams) error {
	config, err := c.auditConfig()
	kafka, err := c.begin(std, err)
	if err != nil {
		return err
	}
	config.Consumer = consumer.Config{Cluster: kafka.Cluster, TopicPrefix: kafka.TopicPrefix}
	if view.IsTerminal(std.err) {
		config.Progress = (&auditProgress{out: std.err}).show
	}
	report, err := audit.Run(ctx, config)
	if err != nil {
		return unread(err)
	}
	write := writeAudit
	if c.Output == "json" {
		write = writeAuditJSON
	}
	if err := write(std.out, config, report); err != nil {
		return err
	}
	return findingsError(report)
}

// unread is the error that the topics could not be read. It has the exit code of wrong usage, so that it is not taken for a
// finding.
func unread(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return usageError{fmt.Errorf("the topics could not be read, so that nothing is known of them: %w", err)}
}

// findingsError returns an error that names the first finding, or nil if there is none.
func findingsError(r *audit.Report) error {
	if r.Clean() {
		return nil
	}
	var all uint64
	for _, n := range r.Counts {
		all += n
	}
	if all == 1 {
		return fmt.Errorf("1 finding: %s: %s", r.Findings[0].Kind, plain(r.Findings[0].Text))
	}
	return fmt.Errorf("%d findings, of which the first is: %s: %s", all, r.Findings[0].Kind, plain(r.Findings[0].Text))
}

// auditConfig returns what the flags say of the audit, without those of Kafka. Its errors quote no value, because a private key may have
// been given in the place of a public one.
func (c *auditCheckCmd) auditConfig() (audit.Config, error) {
	config := audit.Config{EverySignature: c.EverySignature}
	for i, text := range c.PublicKey {
		key, err := note.NewVerifier(text)
		if err != nil {
			return config, fmt.Errorf("--public-key: the key number %d is no public key: give it as farmwire audit keygen prints it", i+1)
		}
		config.Keys = append(config.Keys, key)
	}
	if c.EverySignature && len(config.Keys) == 0 {
		return config, errors.New("--every-signature needs --public-key")
	}
	if c.Anchor == "" {
		return config, nil
	}
	text, err := os.ReadFile(string(c.Anchor))
	if err != nil {
		return config, fmt.Errorf("--anchor must name a file with checkpoints: the file %s", cluster.Unreadable(err))
	}
	config.Anchors, err = parseAnchors(string(text), config.Keys)
	return config, err
}

func parseAnchors(text string, keys []note.Verifier) ([]event.Checkpoint, error) {
	anchors, err := audit.ParseAnchors(text, keys...)
	if err != nil {
		return nil, fmt.Errorf("the file of --anchor cannot be used: %w", err)
	}
	return anchors, nil
}

// auditProgress shows how far an audit is, on a terminal.
type auditProgress struct {
	out  io.Writer
	last time.Time
}

// show prints a line now and then.
func (p *auditProgress) show(read, total int64) {
	const every = 5 * time.Second
	if p.last.IsZero() {
		p.last = time.Now()
	}
	if total == 0 || time.Since(p.last) < every {
		return
	}
	p.last = time.Now()
	const percent = 100
	fmt.Fprintf(p.out, "farmwire: %d of %d records were read (%d %%)\n", read, total, read*percent/total)
}
