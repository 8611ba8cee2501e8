package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"farmwire/cmd/command"
	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/cmd/farmwire-chaos/proxy"
)

// outagesCmd takes away what farmwire needs, one thing after the other, and gives it back.
type outagesCmd struct {
	Duration   time.Duration `default:"1h" help:"No outage begins after this time."`
	Outage     []string      `placeholder:"NAME" help:"Only these outages, each of them once; a wrong name lists them."`
	Brokers    int           `enum:"1,3" default:"3" help:"Brokers of the cluster, 1 or 3. With 1, outages that leave some brokers are left out."`
	Partitions int           `default:"2" help:"Partitions of the topics, and so shards. With 2, one of the three instances is a standby."`
	Workers    int           `default:"200" help:"Approximate number of workers of the farm."`
	Speed      float64       `default:"30" help:"How many times faster than a real farm the simulated one lives."`
	Seed       uint64        `default:"1" help:"Decides the life of the farm."`
	Farmwire   string        `placeholder:"PATH" help:"The farmwire to run. By default it is built from this module."`
	Keep       bool          `help:"Keep logs, topics and truth even if nothing is wrong."`
}

// Validate is called by kong.
func (c *outagesCmd) Validate() error {
	if c.Workers < 1 || c.Partitions < 2 || c.Speed <= 0 { // one of two owners at least is not stopped in an outage
		return errors.New("--workers must be at least 1, --partitions at least 2, and --speed above 0")
	}
	_, err := c.chosen()
	return err
}

// chosen returns the outages of one round.
func (c *outagesCmd) chosen() ([]outage, error) {
	all := slices.DeleteFunc(allOutages(), func(o outage) bool { return o.brokers > c.Brokers })
	if len(c.Outage) == 0 {
		return all, nil
	}
	var chosen []outage
	for _, name := range c.Outage {
		n := slices.IndexFunc(all, func(o outage) bool { return o.name == name })
		if n < 0 {
			var names []string
			for _, o := range all {
				names = append(names, o.name)
			}
			return nil, fmt.Errorf("--outage %s: with %d brokers there are %s", name, c.Brokers, strings.Join(names, ", "))
		}
		chosen = append(chosen, all[n])
	}
	return chosen, nil
}

// campaign returns the settings of the testbed, in the form of a campaign's flags. Those of farmwire are its defaults, except
// for a rate that suits the workers.
func (c *outagesCmd) campaign() (*flags, error) {
	f, err := parseFlags([]string{"--faults", "none", "--judge-listings", "--page-size", "100", "--grace", "4m",
		"--api-rate", "40", "--staleness", "15s", "--discovery", "30s", "--session-timeout", "10s", "--settle", "1m",
		"--instances", "3"})
	if err != nil {
		return nil, err
	}
	f.Seed, f.Brokers, f.Workers, f.Speed, f.Farmwire = c.Seed, c.Brokers, c.Workers, c.Speed, c.Farmwire
	return f, nil
}

// Run returns [command.ErrReported] if anything was not as it should be.
func (c *outagesCmd) Run(ctx context.Context, std command.Streams) error {
	return inFolder(ctx, std.Out, c.Keep, func(dir string) (bool, error) { return c.run(ctx, std.Out, dir) })
}

// run reports whether all was as it should be.
func (c *outagesCmd) run(ctx context.Context, out io.Writer, dir string) (good bool, err error) {
	f, err := c.campaign()
	if err != nil {
		return false, err
	}
	o, err := openOutages(ctx, f, c.Partitions, out, dir)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	o.background.Go(func() { o.memory.watch(watching, o.instances) })
	if err := o.settle(ctx); err != nil {
		return false, err
	}
	if err := o.rounds(ctx, c); err != nil {
		return false, err
	}
	stopWatching()
	o.background.Wait()
	fmt.Fprintln(out, "reading the topics and checking them")
	end, err := finish(ctx, o.testbed, f, out)
	if err != nil {
		return false, err
	}
	good, err = o.summary()
	return good && end.good() && end.ownEnds == 0, errors.Join(err, end.print(out))
}

// outages is a testbed and what is needed to take things away from it.
type outages struct {
	*testbed
	out       io.Writer
	keys      *credentials
	keysProxy *proxy.Proxy
	canaries  *canaries
	follower  *follower
	memory    memory
	round     int // of all outages, from 0
	restarted int // number of restarts so far
	rows      []row
}

func openOutages(ctx context.Context, f *flags, partitions int, out io.Writer, dir string) (_ *outages, err error) {
	o := &outages{out: out, testbed: &testbed{dir: dir, partitions: partitions, separateSeeds: true, shards: instance.NewShards()}}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.close())
		}
	}()
	if o.keys, err = openCredentials(); err != nil {
		return nil, err
	}
	if o.keysProxy, err = proxy.Open(o.keys.addr); err != nil {
		return nil, err
	}
	o.credentials = "http://" + o.keysProxy.Addr()
	if err = o.open(ctx, f); err != nil {
		return nil, err
	}
	o.canaries = addCanaries(o.farm.Cloud())
	if err = o.awaitOwners(ctx); err != nil {
		return nil, err
	}
	o.follower, err = openFollower(o.kafka.InnerAddrs())
	return o, err
}

func (o *outages) close() error {
	err := o.testbed.Close()
	if o.follower != nil {
		o.follower.close()
	}
	if o.keysProxy != nil {
		o.keysProxy.Close()
	}
	if o.keys != nil {
		err = errors.Join(err, o.keys.close())
	}
	return err
}

// settle waits until the instances are ready and publish. Ends cannot be demanded yet: those before the watch are only
// remembered.
func (o *outages) settle(ctx context.Context) error {
	begun := time.Now()
	if problem := o.resume(ctx, o.canaries.begun()); problem != "" {
		return errors.New("before the first outage: " + problem)
	}
	fmt.Fprintf(o.out, "%d instances are ready after %s; %d of them own shards\n", len(o.instances), rounded(time.Since(begun)), len(o.owners()))
	return ctx.Err()
}

// rounds takes all outages in turn until the duration is over, or those that were named once.
func (o *outages) rounds(ctx context.Context, c *outagesCmd) error {
	all, err := c.chosen()
	if err != nil {
		return err
	}
	printHead(o.out)
	for deadline := time.Now().Add(c.Duration); ; o.round++ {
		for _, one := range all {
			if time.Now().After(deadline) {
				return nil
			}
			r := o.try(ctx, one)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			o.rows = append(o.rows, r)
			r.print(o.out)
			for _, i := range o.instances {
				if err := i.Broken(); err != nil {
					return err
				}
			}
		}
		if len(c.Outage) > 0 {
			return nil
		}
	}
}
