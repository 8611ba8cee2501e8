// Command farmwire-chaos tries to make Farmwire lose, repeat or invent events, and checks that it did not. It runs
// several `farmwire run` as processes of their own between Apache Kafka and a simulated farm, kills and disturbs them in
// an order that follows from a seed, and compares what was published with what truly happened on the farm.
//
//	farmwire-chaos --seed 1                   disturb farmwire, then check what it published
//	farmwire-chaos --wrong all --right        run publishers with known mistakes, which the check must find
//	farmwire-chaos outages                    take away what farmwire needs, one thing after the other, for an hour
//	farmwire-chaos trigger                    disturb farmwire trigger, and check what it delivered
//	farmwire-chaos check DIR                  check what a run has kept once more
//
// It needs Java and Maven for Apache Kafka, and Go to build farmwire from the sources of this module.
package main

import (
	"context"

	"farmwire/cmd/command"
)

// cli is the grammar of the command line. Without a command it is the campaign.
type cli struct {
	Campaign campaignCmd `cmd:"" default:"withargs" help:"Disturb farmwire on Apache Kafka, and check what it published (default)."`
	Outages  outagesCmd  `cmd:"" help:"Take away what farmwire needs and give it back, and look at what it says and does."`
	Trigger  triggerCmd  `cmd:"" help:"Disturb farmwire trigger, and check what it delivered to a webhook and to a command."`
	Post     postCmd     `cmd:"" hidden:"" help:"The command that farmwire trigger runs in the campaign."`
	Check    checkCmd    `cmd:"" help:"Check what Apache's console consumer printed against what truly happened."`
}

func program() command.Program {
	return command.Program{
		Name:        "farmwire-chaos",
		Description: "Disturb farmwire on Apache Kafka, and check what it published.",
		Grammar:     &cli{},
	}
}

func main() { program().Main() }

// campaignCmd runs farmwire on Apache Kafka and a simulated farm, disturbs it, and checks what was published.
type campaignCmd struct {
	flags `embed:""`
}

// Run returns [command.ErrReported] if anything that was published is wrong.
func (c *campaignCmd) Run(ctx context.Context, std command.Streams) error {
	if len(c.Wrong) > 0 {
		return tryWrong(ctx, &c.flags, std.Out)
	}
	return inFolder(ctx, std.Out, c.Keep, func(dir string) (bool, error) {
		o, err := runCampaign(ctx, &c.flags, std.Out, dir)
		return o.good(), err
	})
}
