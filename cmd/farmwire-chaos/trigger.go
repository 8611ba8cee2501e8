package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"farmwire/cmd/command"
)

// triggerCmd disturbs farmwire trigger in two groups, one with a webhook and one with a command, which deliver to a receiver that
// fails at random. Then it checks what the receiver has noted.
type triggerCmd struct {
	Seed        uint64        `default:"1" help:"Decides the events, what the receiver thinks of each, and the order of the disturbances."`
	Duration    time.Duration `default:"20m" help:"Nothing is disturbed after this time, even if some of the plan is left."`
	Kills       int           `default:"100" help:"How often an instance receives SIGKILL."`
	Stops       int           `default:"6" help:"How often an instance receives SIGSTOP, and SIGCONT when the group has given its partitions to others."`
	Restarts    int           `default:"8" help:"How often an instance is restarted gracefully."`
	Exchanges   int           `default:"6" help:"How often an instance leaves its group and a new one joins instead."`
	BrokerKills int           `name:"broker-kills" default:"1" help:"How often the broker receives SIGKILL. It is started again."`
	Cuts        int           `default:"5" help:"How often all connections to the broker are reset."`
	Freezes     int           `default:"2" help:"How often these connections pass nothing, or no answers, for a while before they are reset."`
	Aways       int           `default:"8" help:"How often the receiver of a group is not there at all."`
	Instances   int           `default:"3" help:"Instances of each group, at least 2."`
	Rate        float64       `default:"8" help:"Ends of sessions that are written each second. Both groups deliver all of them."`
	Pause       time.Duration `default:"4s" help:"How long the instances go on after some disturbances of one group, before those of the other."`
	Settle      time.Duration `default:"3m" help:"How long the groups may take to deliver the rest when nothing fails any more."`
	Farmwire    string        `placeholder:"PATH" help:"The farmwire to run. By default it is built from this module."`
	Keep        bool          `help:"Keep logs and secrets even if nothing is wrong."`
}

// Validate is called by kong.
func (c *triggerCmd) Validate() error {
	switch {
	case c.Instances < 2:
		return errors.New("--instances must be at least 2: another instance must take over")
	case c.Rate <= 0:
		return errors.New("--rate must be above 0")
	}
	return nil
}

// String is the flags that repeat the campaign. What processes do at which moment differs all the same.
func (c *triggerCmd) String() string {
	return fmt.Sprintf("--seed %d --kills %d --stops %d --restarts %d --exchanges %d --broker-kills %d --cuts %d --freezes %d "+
		"--aways %d --instances %d --rate %g --pause %s",
		c.Seed, c.Kills, c.Stops, c.Restarts, c.Exchanges, c.BrokerKills, c.Cuts, c.Freezes, c.Aways, c.Instances, c.Rate, c.Pause)
}

// Run returns [command.ErrReported] if anything was not as it should be.
func (c *triggerCmd) Run(ctx context.Context, std command.Streams) error {
	return inFolder(ctx, std.Out, c.Keep, func(dir string) (bool, error) { return c.run(ctx, std.Out, dir) })
}

// run reports whether all was as it should be.
func (c *triggerCmd) run(ctx context.Context, out io.Writer, dir string) (good bool, err error) {
	fmt.Fprintf(out, "%d instances of farmwire trigger in each of 2 groups: %s\n", c.Instances, c)
	b, err := openTriggerBed(ctx, c, dir)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	begun := time.Now()
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	written := make(chan error, 1)
	go func() { written <- b.source.run(writing, c.Rate) }()
	looking, stopLooking := context.WithCancel(ctx)
	defer stopLooking()
	looks := b.look(looking)
	d := newTriggerDisturber(b, c, out)
	if err := d.run(ctx, begun.Add(c.Duration)); err != nil {
		return false, err
	}
	stopWriting()
	b.background.Wait()
	if err := <-written; err != nil {
		return false, err
	}
	b.receiver.Calm()
	fmt.Fprintf(out, "done in %s: %s; %d kills during a delivery\n", time.Since(begun).Round(time.Second), &d.counts, d.busyKills)
	o := b.settle(ctx, c.Settle)
	stopLooking()
	if err := o.finish(ctx, b, <-looks); err != nil {
		return false, err
	}
	fmt.Fprintf(out, "to repeat: farmwire-chaos trigger %s\n", c)
	return o.print(out), ctx.Err()
}
