package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"farmwire"
	"farmwire/poller"
	"farmwire/publisher"
	"farmwire/status"
)

type runCmd struct {
	kafkaFlags
	topicFlags
	logFlags

	Farm      []string      `placeholder:"ID" help:"Watch only these farms, separated by commas. Default: every farm that can be listed."`
	Fleet     []string      `placeholder:"ID" help:"Watch only these fleets, separated by commas. Default: every fleet that can be listed."`
	APIRate   float64       `name:"api-rate" default:"10" help:"Send at most this many requests a second to the Deadline Cloud API. All operations, attempts and instances count together. All of it is used: what nothing else needs lists workers ahead of time."`
	Staleness time.Duration `default:"15s" help:"How old the last listing of a worker may become, where the API rate allows it. Workers of which something announces a new session are listed sooner."`
	Discovery time.Duration `default:"30s" help:"How often farms, fleets and workers are listed, where a twentieth of the API rate suffices for it. Else it is less often, but every 5 minutes if a fifth of the rate suffices for that."`
	Initial   string        `enum:"open,all,none" default:"open" help:"What to publish at the first start. open: the open sessions, as discovered; all: ended sessions too; none: nothing, so that only later changes are published."`
	DryRun    bool          `help:"Use no Kafka, and print the events: as lines for people on a terminal, as JSON lines elsewhere. At the end, say how each operation of the API went."`

	CreateTopics   bool          `help:"Create topics that are missing."`
	Compression    string        `enum:"none,gzip" default:"none" help:"Compress the records: none or gzip."`
	Group          string        `placeholder:"NAME" help:"Share the shards in this consumer group. Default: farmwire.<state topic>."`
	InstanceID     string        `name:"instance-id" placeholder:"NAME" help:"Join the group as a static member of this name. Use it for instances whose names never change."`
	SessionTimeout time.Duration `default:"10s" help:"Give an instance's shards to others when it has sent no heartbeat for this long."`

	SigningKeyFile []string      `name:"signing-key-file" placeholder:"FILE" help:"Sign checkpoints of the logs with the key in this file, which farmwire audit keygen makes. While a key is replaced, give both files."`
	GapAfter       time.Duration `name:"gap-after" default:"1m" help:"How long requests must fail until that is published as a gap."`

	Listen string `default:"127.0.0.1:8080" help:"Serve /livez, /readyz and /metrics on this address. off: serve nothing."`
}

// Run watches until the context ends. It returns nil if it then stops gracefully and, of a dry run, if run would work.
func (c *runCmd) Run(ctx context.Context, std *streams, lines *lineSink) error {
	if err := c.check(); err != nil {
		return usageError{err}
	}
	log, err := c.openLog(std, lines)
	if err != nil {
		return err
	}
	var cfg farmwire.Config
	err = untilInterrupted(ctx, func() (err error) {
		cfg, err = c.config(ctx, std, log)
		return err
	})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // stopped before anything was begun
	}
	if err != nil {
		return err
	}
	cfg.Registry = newRegistry(lines)
	c.warn(log)
	log.Info("farmwire started", c.settings(cfg)...)
	began := time.Now()
	var last status.Report
	cfg.Ended = func(r status.Report) { last = r }
	err = farmwire.Run(ctx, cfg, log)
	if err == nil {
		log.Info("farmwire stopped gracefully", zap.Duration("ran", time.Since(began).Round(time.Millisecond)),
			zap.Int("workers", last.Polling.Workers), zap.Int("open_sessions", last.Polling.OpenSessions))
	}
	// A dry run that failed has given up its workers before it could report them.
	if stopped := ctx.Err() != nil; c.DryRun && stopped {
		return errors.Join(err, selection{c.Farm, c.Fleet}.summarize(std.err, last))
	}
	return err
}

// newRegistry returns a registry with the metrics of every command that serves metrics.
func newRegistry(lines *lineSink) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "farmwire_log_lines_dropped_total",
			Help: "Log lines that were dropped because stderr could not be written.",
		}, func() float64 { return float64(lines.droppedLines()) }))
	return registry
}

// surviveBrokenPipes makes writes to a pipe that nobody reads any more fail. By default such a write to stdout or stderr ends
// the process, and a reader of the log that goes away must not stop the work. Unlike signal.Ignore, it has no effect on the
// command of credential_process.
func surviveBrokenPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// settings returns what the log says at the start: what is watched, at which rate, and where it is published.
func (c *runCmd) settings(cfg farmwire.Config) []zap.Field {
	all := func(ids []string) string { return cmp.Or(strings.Join(ids, ","), "all") }
	fields := []zap.Field{
		zap.String("version", versionText()), zap.String("region", cfg.Publisher.Region),
		zap.String("farms", all(c.Farm)), zap.String("fleets", all(c.Fleet)),
		zap.Float64("api_rate", c.APIRate),
	}
	if c.DryRun {
		return append(fields, zap.Bool("dry_run", true))
	}
	return append(fields, zap.Strings("bootstrap_brokers", cfg.Publisher.Cluster.Brokers))
}

// check finds wrong flags.
func (c *runCmd) check() error {
	switch {
	case len(c.Brokers) == 0 && !c.DryRun:
		return errors.New("--brokers is missing: give host:port of your Kafka brokers, or try without Kafka by --dry-run")
	case !(c.APIRate > 0) || math.IsInf(c.APIRate, 0):
		return fmt.Errorf("--api-rate is %v: give a number of requests a second above 0", c.APIRate)
	case c.Staleness <= 0 || c.Discovery <= 0:
		return errors.New("--staleness and --discovery must be above 0, for example 15s")
	case c.GapAfter <= 0:
		return errors.New("--gap-after must be above 0, for example 1m")
	case c.SessionTimeout <= 0 || c.SessionTimeout > longestSession:
		return fmt.Errorf("--session-timeout must be above 0 and at most %s, for example 10s", longestSession)
	case c.Listen != "off" && !isAddress(c.Listen):
		return errors.New("--listen must be host:port, for example 127.0.0.1:8080, or off")
	}
	return errors.Join(c.kafkaFlags.check(), c.topicFlags.check())
}

// longestSession is longer than the session timeouts that brokers allow by default.
const longestSession = 24 * time.Hour

func isAddress(text string) bool {
	_, _, err := net.SplitHostPort(text)
	return err == nil
}

// reason returns why an address cannot be listened on. The error itself quotes the address, which may be a secret that was
// given to the wrong flag.
func reason(err error) string {
	if number := syscall.Errno(0); errors.As(err, &number) {
		return number.Error()
	}
	return "the address cannot be used"
}

// config returns the configuration of the library. It finds the AWS credentials and opens the listener.
func (c *runCmd) config(ctx context.Context, std *streams, log *zap.Logger) (farmwire.Config, error) {
	client, err := poller.NewClient(ctx, log)
	if err != nil {
		return farmwire.Config{}, usageError{err}
	}
	kafka, err := c.kafkaFlags.config()
	if err != nil {
		return farmwire.Config{}, err
	}
	kafka.Region, kafka.Initial = client.Options().Region, c.Initial
	kafka.Group = publisher.Group{ID: c.Group, InstanceID: c.InstanceID, SessionTimeout: c.SessionTimeout}
	kafka.Compression = publisher.Compression(c.Compression)
	kafka.Instance = cmp.Or(c.InstanceID, hostName())
	if kafka.Signers, err = readSigners(c.SigningKeyFile); err != nil {
		return farmwire.Config{}, usageError{err}
	}
	cfg := farmwire.Config{
		Client:    client,
		Poller:    poller.Config{Farms: c.Farm, Fleets: c.Fleet, Rate: c.APIRate, Staleness: c.Staleness, Discovery: c.Discovery},
		Publisher: kafka,
		Topics:    c.topicFlags.spec(),
		Create:    c.CreateTopics,
		GapAfter:  c.GapAfter,
	}
	cfg.Version = versionText()
	if c.DryRun {
		cfg.DryRun = showEvents(&stoppableWriter{ctx: ctx, to: std.out})
	}
	if c.Listen != "off" {
		if cfg.Listener, err = net.Listen("tcp", c.Listen); err != nil {
			return farmwire.Config{}, usageError{fmt.Errorf("--listen: %s; give another address, or off", reason(err))}
		}
	}
	return cfg, nil
}

// hostName returns the name of this host, or that there is none.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown host"
	}
	return name
}

// warn logs a warning about flags that work but are unsafe.
func (c *runCmd) warn(log *zap.Logger) {
	if text := c.readable(); text != "" && !c.DryRun {
		log.Warn(text)
	}
}
