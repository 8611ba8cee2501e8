package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/oklog/run"
	"go.uber.org/zap"

	"farmwire/consumer"
	"farmwire/consumer/trigger"
	"farmwire/publisher"
	"farmwire/status"
)

// triggerCmd holds the commands of a trigger. The first is meant if none is named.
type triggerCmd struct {
	Deliver     triggerDeliverCmd `cmd:"" default:"withargs" help:"Deliver the ends of sessions to a command or a webhook. This is meant if no other command is named: farmwire trigger -- ./notify.sh."`
	DeadLetters deadLettersCmd    `cmd:"" help:"List, deliver or drop the events that were given up."`
	Test        triggerTestCmd    `cmd:"" help:"Deliver one made-up event, without Kafka."`
}

// groupFlags say which consumer group a trigger is.
type groupFlags struct {
	Group string `placeholder:"NAME" help:"Share the work in this consumer group. Give each trigger its own. Default: farmwire.trigger.<ended topic>. The dead-letter topic is <group>.dead-letters."`
}

type triggerDeliverCmd struct {
	kafkaFlags
	groupFlags
	targetFlags
	filterFlags
	logFlags

	From            string        `placeholder:"TIME" help:"Where to begin if the group has no offsets, or if what it would read next was deleted: now, beginning or a time such as 2026-11-26T18:00:00Z. Without it such a group is an error."`
	IncludeVanished bool          `help:"Also deliver the sessions whose end the service never showed."`
	Concurrency     number        `default:"4" help:"Deliver this many events at the same time."`
	Attempts        number        `default:"8" help:"Give an event up after this many refusals. It goes to the dead-letter topic."`
	DeadLetterLimit number        `default:"20" help:"Stop rather than give up more events than this in a row."`
	MaxAge          time.Duration `placeholder:"TIME" help:"Give up events that happened longer ago, such as 24h. Default: none is too old."`
	Drain           time.Duration `default:"30s" help:"At a stop, let what is under way finish within this time."`
	Listen          string        `default:"127.0.0.1:8081" help:"Serve /livez, /readyz and /metrics on this address. off: serve nothing."`
}

// Run delivers events until the context ends. It returns nil if it then stops gracefully.
func (c *triggerDeliverCmd) Run(ctx context.Context, std *streams, lines *lineSink) error {
	if err := c.check(); err != nil {
		return usageError{err}
	}
	log, err := c.openLog(std, lines)
	if err != nil {
		return err
	}
	registry := newRegistry(lines)
	cfg, err := c.config(std)
	if err != nil {
		return err
	}
	t, err := trigger.New(cfg, log, registry)
	if err != nil {
		return err
	}
	if text := c.readable(); text != "" {
		log.Warn(text)
	}
	log.Info("trigger started", zap.String("version", versionText()), zap.Stringer("target", cfg.Target), zap.String("group", cfg.GroupID()),
		zap.Strings("bootstrap_brokers", cfg.Consumer.Cluster.Brokers), zap.String("dead_letter_topic", cfg.DeadLetterTopic()))
	var actors run.Group
	if c.Listen != "off" {
		listener, err := listen(c.Listen)
		if err != nil {
			return err
		}
		actors.Add(status.Serve(listener, t.Report, registry))
	}
	running, stop := context.WithCancel(ctx)
	actors.Add(func() error { return t.Run(running) }, func(error) { stop() })
	following, unfollow := context.WithCancel(context.Background())
	actors.Add(func() error { status.Log(following, t.Report, log); return nil }, func(error) { unfollow() })
	err = actors.Run()
	if err == nil {
		log.Info("the trigger stopped gracefully")
	}
	return err
}

// check finds wrong flags.
func (c *triggerDeliverCmd) check() error {
	switch {
	case len(c.Brokers) == 0:
		return errors.New("--brokers is missing: give host:port of your Kafka brokers")
	case c.Concurrency < 1 || c.Concurrency > mostTries:
		return fmt.Errorf("--concurrency must be from 1 to %d", mostTries)
	case c.Attempts < 1:
		return errors.New("--attempts must be at least 1")
	case c.DeadLetterLimit < 0:
		return errors.New("--dead-letter-limit must not be negative")
	case c.MaxAge < 0 || c.Drain < 0:
		return errors.New("--max-age and --drain must not be negative")
	case c.Listen != "off" && !isAddress(c.Listen):
		return errors.New("--listen must be host:port, for example 127.0.0.1:8081, or off")
	case c.Group == "farmwire."+c.TopicPrefix+".state":
		return errors.New("--group is the group of farmwire run: give the trigger one of its own")
	}
	if _, err := c.from(); err != nil {
		return err
	}
	return errors.Join(c.kafkaFlags.check(), c.targetFlags.check(), c.filterFlags.check())
}

const mostTries = 1000

// from returns the position of --from, or nil if the flag is not given.
func (c *triggerDeliverCmd) from() (*consumer.Position, error) {
	if c.From == "" {
		return nil, nil
	}
	p, err := consumer.ParsePosition(c.From, time.Now())
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	return &p, nil
}

// config returns the configuration of the library.
func (c *triggerDeliverCmd) config(std *streams) (trigger.Config, error) {
	kafka, err := c.kafkaFlags.config()
	if err == nil {
		err = kafka.Cluster.Validate()
	}
	if err != nil {
		return trigger.Config{}, err
	}
	cfg := c.groupFlags.config(kafka)
	if cfg.From, err = c.from(); err != nil {
		return cfg, usageError{err}
	}
	if cfg.Target, err = c.target(std); err != nil {
		return cfg, err
	}
	cfg.IncludeVanished, cfg.Filter = c.IncludeVanished, c.filter()
	cfg.Concurrency, cfg.Attempts, cfg.DeadLetterLimit = int(c.Concurrency), int(c.Attempts), int(c.DeadLetterLimit)
	cfg.MaxAge, cfg.Drain = c.MaxAge, c.Drain
	return cfg, nil
}

// config returns the part of the configuration that says which group of which cluster the trigger is.
func (f groupFlags) config(kafka publisher.Config) trigger.Config {
	return trigger.Config{Consumer: consumer.Config{Cluster: kafka.Cluster, TopicPrefix: kafka.TopicPrefix}, Group: f.Group}
}

// withDeliver inserts the name of the default command of a trigger where the command line names none but has a command to run,
// whose name could otherwise be taken for one of the trigger's own.
func withDeliver(args []string) []string {
	dashes := slices.Index(args, "--")
	at := slices.Index(args, "trigger") + 1
	if dashes < 0 || at == 0 || at > dashes {
		return args
	}
	if at < dashes && !strings.HasPrefix(args[at], "-") {
		return args // it names a command
	}
	return slices.Insert(slices.Clone(args), at, "deliver")
}

// listen opens the listener of --listen.
func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, usageError{fmt.Errorf("--listen: %s; give another address, or off", reason(err))}
	}
	return listener, nil
}
