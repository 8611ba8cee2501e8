package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"farmwire"
	"farmwire/poller"
	"farmwire/publisher"
)

type runCmd struct {
	kafkaFlags
	topicFlags
	logFlags

	Farm      []string      `placeholder:"ID" help:"Watch only this farm. Repeatable; default: all that can be listed."`
	Fleet     []string      `placeholder:"ID" help:"Watch only this fleet. Repeatable; default: all that can be listed."`
	APIRate   float64       `name:"api-rate" default:"10" help:"Requests a second to the Deadline Cloud API, all operations and attempts together, over all instances."`
	Staleness time.Duration `default:"15s" help:"The longest that a worker may go unlisted, when the API rate allows."`
	Discovery time.Duration `default:"30s" help:"How often farms, fleets and workers are looked up."`
	Initial   string        `enum:"open,all,none" default:"open" help:"First start only. open: publish open sessions as discovered; all: history too; none: only remember them."`
	DryRun    bool          `help:"Print the events as JSON lines and use no Kafka: shows what would be published, and whether the AWS permissions suffice."`

	CreateTopics   bool          `help:"Create topics that are missing."`
	Compression    string        `enum:"none,gzip" default:"none" help:"none or gzip."`
	Group          string        `help:"Consumer group by which instances share the shards. Default: farmwire.<state topic>."`
	InstanceID     string        `name:"instance-id" help:"Static group membership: only for instances with stable names."`
	SessionTimeout time.Duration `default:"10s" help:"After this long without a heartbeat an instance's shards go to others."`

	Listen string `default:"127.0.0.1:8080" help:"Address for /livez, /readyz and /metrics. off: none."`
}

// Run watches until the context ends.
func (c *runCmd) Run(ctx context.Context, std *streams) error {
	if err := c.check(); err != nil {
		return usageError{err}
	}
	log, err := c.logger(std.err)
	if err != nil {
		return err
	}
	defer log.Sync()
	var cfg farmwire.Config
	err = untilInterrupted(ctx, func() (err error) {
		cfg, err = c.config(ctx, std, log)
		return err
	})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // stopped while credentials were looked for
	}
	if err != nil {
		return err
	}
	c.warn(log)
	return farmwire.Run(ctx, cfg, log)
}

func (c *runCmd) check() error {
	switch {
	case len(c.Brokers) == 0 && !c.DryRun:
		return errors.New("--brokers is missing: give host:port of your Kafka brokers, or try without Kafka by --dry-run")
	case !(c.APIRate > 0) || math.IsInf(c.APIRate, 0):
		return fmt.Errorf("--api-rate is %v: give a number of requests a second above 0", c.APIRate)
	case c.Staleness <= 0 || c.Discovery <= 0:
		return errors.New("--staleness and --discovery must be above 0, for example 15s")
	case c.SessionTimeout <= 0 || c.SessionTimeout > longestSession:
		return fmt.Errorf("--session-timeout must be above 0 and at most %s, for example 10s", longestSession)
	case c.Listen != "off" && !isAddress(c.Listen):
		return errors.New("--listen must be host:port, for example 127.0.0.1:8080, or off")
	}
	return errors.Join(c.kafkaFlags.check(), c.topicFlags.check())
}

// longestSession is more than any group allows.
const longestSession = 24 * time.Hour

func isAddress(text string) bool {
	_, _, err := net.SplitHostPort(text)
	return err == nil
}

// reason is why an address cannot be listened on, without the address.
func reason(err error) string {
	if number := syscall.Errno(0); errors.As(err, &number) {
		return number.Error()
	}
	return "the address cannot be used"
}

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
	cfg := farmwire.Config{
		Client:    client,
		Poller:    poller.Config{Farms: c.Farm, Fleets: c.Fleet, Rate: c.APIRate, Staleness: c.Staleness, Discovery: c.Discovery},
		Publisher: kafka,
		Topics:    c.topicFlags.spec(),
		Create:    c.CreateTopics,
	}
	cfg.Registry, cfg.Version = prometheus.NewRegistry(), versionText()
	cfg.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if c.DryRun {
		cfg.DryRun = std.out
	}
	if c.Listen != "off" {
		if cfg.Listener, err = net.Listen("tcp", c.Listen); err != nil {
			return farmwire.Config{}, usageError{fmt.Errorf("--listen: %s; give another address, or off", reason(err))}
		}
	}
	return cfg, nil
}
