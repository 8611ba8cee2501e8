// Command simulate runs the production schedule in virtual time against a model of Deadline Cloud, and plain round robin over
// whole listings beside it. It prints how long it takes until changes are known, and what that costs. The comment of package
// simulation says what the model assumes.
//
//	go run ./poller/schedule/simulate
//	go run ./poller/schedule/simulate --mix bursts --workers 7500 --rate 10
//	go run ./poller/schedule/simulate table --out docs/schedule
//
// The last one makes the page of figures and plots in the documentation.
package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"farmwire/cmd/command"
	"farmwire/poller/schedule/simulation"
)

// cli is the grammar of the command line.
type cli struct {
	Play  play  `cmd:"" default:"withargs" help:"Play one mix and print the figures. It is what is done without a command."`
	Table table `cmd:"" help:"Play all mixes at several sizes and rates, and write a page of figures and plots."`
}

// play is the command that simulates once.
type play struct {
	Mix       simulation.Mix `enum:"${mixes}" default:"even" help:"How sessions come about: ${enum}."`
	Workers   int            `default:"1000" help:"Number of workers."`
	Rate      float64        `default:"1" help:"Requests a second."`
	Session   time.Duration  `default:"10m" help:"Mean length of a session."`
	Seed      uint64         `default:"1" help:"Seed of the random numbers. The same flags give the same figures."`
	JobSize   int            `default:"100" help:"Mean number of sessions of a job."`
	Pages     *int           `help:"Pages of 100 sessions of a worker's listing. Default: 1, or 30 with a mix of deep histories." placeholder:"N"`
	Order     string         `enum:"newest,oldest" default:"newest" help:"Which sessions a list shows first: ${enum}. With the mix deep-history-oldest always the oldest."`
	Staleness time.Duration  `default:"15s" help:"The longest that a worker may go unlisted where the rate allows."`
	Discovery time.Duration  `default:"30s" help:"How often farms, fleets and workers are listed."`
	WarmUp    time.Duration  `default:"30m" help:"Time before the window."`
	Duration  time.Duration  `default:"1h" help:"Length of the window. Changes within it are measured."`
	Hanging   float64        `default:"0" help:"Share of the workers of which listings get no answer. Their changes are not measured." placeholder:"SHARE"`
	Refused   float64        `default:"0" help:"Share of the workers of which listings are denied. Their changes are not measured." placeholder:"SHARE"`
	Throttled float64        `default:"0" help:"Share of the requests that are throttled." placeholder:"SHARE"`
	Quota     float64        `default:"0" help:"Requests a second that the service answers; the others are throttled. 0 for no limit." placeholder:"RATE"`
}

// config returns what the flags say.
func (c *play) config() simulation.Config {
	config := simulation.Config{
		Mix: c.Mix, Workers: c.Workers, Rate: c.Rate, Session: c.Session, Seed: c.Seed, JobSize: c.JobSize,
		OldestFirst: c.Order == "oldest", Staleness: c.Staleness, Discovery: c.Discovery, WarmUp: c.WarmUp, Window: c.Duration,
		Hanging: c.Hanging, Refused: c.Refused, Throttled: c.Throttled, Quota: c.Quota,
	}
	if c.Pages == nil {
		config.Pages = simulation.Config{Mix: c.Mix}.WithDefaults().Pages
	} else {
		config.Pages = *c.Pages
	}
	return config
}

// Validate finds wrong flags.
func (c *play) Validate() error { return c.config().Check() }

// Run simulates and prints the figures.
func (c *play) Run(ctx context.Context, std command.Streams) error {
	config := c.config()
	ours, err := simulation.Play(ctx, config, simulation.NewSchedule)
	if err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	theirs, err := simulation.Play(ctx, config, newRoundRobin)
	if err != nil {
		return fmt.Errorf("round robin: %w", err)
	}
	return report(std.Out, config, ours, theirs)
}

func newRoundRobin(c simulation.Config, now time.Time) simulation.Scheduler {
	return simulation.NewRoundRobin(c.Rate, 5*time.Minute, now) // it has to spend as little on discovery as the schedule
}

// program returns the program, which tests run too.
func program() command.Program {
	var mixes []string
	for _, m := range simulation.Mixes() {
		mixes = append(mixes, string(m))
	}
	return command.Program{
		Name: "simulate",
		Description: "Simulate runs Farmwire's schedule in virtual time against a model of AWS Deadline Cloud, and plain round robin " +
			"over whole listings beside it. It prints how long it takes until the starts and ends of sessions are known.",
		Grammar: &cli{},
		Vars: kong.Vars{
			"mixes": strings.Join(mixes, ","), "sizes": joined(sizes()), "rates": joined(rates()),
		},
	}
}

// joined returns the default of a flag.
func joined[T any](values []T) string {
	texts := make([]string, 0, len(values))
	for _, v := range values {
		texts = append(texts, fmt.Sprint(v))
	}
	return strings.Join(texts, ",")
}

func main() { program().Main() }
