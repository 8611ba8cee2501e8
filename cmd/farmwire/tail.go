package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"farmwire/cmd/view"
	"farmwire/consumer"
	"farmwire/diff"
	"farmwire/event"
)

type tailCmd struct {
	kafkaFlags
	filterFlags

	Change wordList `placeholder:"CHANGE,..." help:"Only these changes, separated by commas: discovered, started, updating, updated, updatefailed, changed, ending, ended, vanished."`
	From   string   `default:"now" help:"Begin here: now, beginning, a duration ago such as 15m, or a time such as 2026-11-26T18:00:00Z."`
	Output string   `enum:"auto,pretty,jsonl" default:"auto" help:"Print events in this form: pretty, which is lines for people; jsonl, which is CloudEvents in JSON, one a line; or auto, which is pretty on a terminal and jsonl elsewhere."`
	Logs   bool     `help:"Print for each session the command that reads its log from CloudWatch. For people only."`
}

// Run prints events until the context ends or nobody reads them any more.
func (c *tailCmd) Run(ctx context.Context, std *streams) error {
	from, err := consumer.ParsePosition(c.From, time.Now())
	if err != nil {
		err = fmt.Errorf("--from: %w", err)
	}
	kafka, err := c.begin(std, errors.Join(err, c.check(std.out)))
	if err != nil {
		return err
	}
	surviveBrokenPipes()
	ctx, stop := whileOpen(ctx, std.out)
	defer stop()
	err = c.follow(ctx, consumer.Config{Cluster: kafka.Cluster, TopicPrefix: kafka.TopicPrefix}, from, std)
	if errors.Is(err, syscall.EPIPE) || errors.Is(context.Cause(ctx), errOutputClosed) {
		return nil
	}
	return err
}

// errOutputClosed is the cause of the end of a context when nobody reads standard output any more.
var errOutputClosed = errors.New("nobody reads standard output")

// whileOpen returns a context that ends when ctx does, or when nobody reads the output any more. A tail that has nothing to write
// would not notice that. The caller must call stop.
func whileOpen(ctx context.Context, out io.Writer) (open context.Context, stop func()) {
	open, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		if awaitClosed(open, fileDescriptor(out)) {
			cancel(errOutputClosed)
		}
	})
	return open, func() { cancel(nil); watching.Wait() }
}

// check finds wrong flags, apart from those of Kafka. out is standard output.
func (c *tailCmd) check(out io.Writer) error {
	errs := []error{c.filterFlags.check()}
	known := event.Kinds()
	for _, change := range c.Change {
		if !slices.Contains(known, diff.Kind(change)) {
			errs = append(errs, fmt.Errorf("--change must be of %s", joined(known)))
			break
		}
	}
	if c.Logs && !c.pretty(out) {
		errs = append(errs, errors.New("--logs is for people: give --output pretty, or leave it away, because jsonl has nothing but the events"))
	}
	return errors.Join(errs...)
}

// joined returns the names of changes, separated by commas.
func joined(kinds []diff.Kind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// pretty reports whether to print lines for people.
func (c *tailCmd) pretty(out io.Writer) bool {
	return c.Output == "pretty" || c.Output == "auto" && view.IsTerminal(out)
}

// follow prints the events from a position on, until ctx ends or something fails.
func (c *tailCmd) follow(ctx context.Context, cfg consumer.Config, from consumer.Position, std *streams) error {
	reader, err := consumer.Open(ctx, cfg, from, cfg.EventsTopic())
	if err != nil {
		return err
	}
	defer reader.Close()
	t := c.printer(std)
	if err := t.begin(fmt.Sprintf("%s from %s", cfg.EventsTopic(), from)); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { watchReach(ctx, reader.Reach, t.warn) })
	defer watching.Wait()
	defer stop()
	for {
		records, err := reader.Read(ctx)
		if err != nil {
			return err
		}
		for _, r := range records {
			if err := t.print(r); err != nil {
				return err
			}
		}
	}
}
