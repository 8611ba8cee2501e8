package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"farmwire/cmd/command"
	"farmwire/poller/farmtest"
)

// farmCmd is the command that serves the simulated farm alone, for any AWS client.
type farmCmd struct {
	Listen  string   `default:"127.0.0.1:0" help:"Serve on this address. Port 0 takes a free one."`
	Truth   string   `help:"At the end, write what happened to this file: JSON lines, one for each session." placeholder:"FILE"`
	Workers int      `default:"12" help:"Simulate about this many workers."`
	Fleets  int      `default:"3" help:"Simulate this many fleets. The first has a fixed size, and the others create and delete workers."`
	Fixed   bool     `help:"Give all fleets a fixed size."`
	Speed   float64  `default:"10" help:"Let the farm live this many times as fast as a real one."`
	Seed    uint64   `default:"1" help:"Simulate with this seed of the random numbers. The same seed gives the same sessions."`
	Fresh   bool     `help:"Let each start have workers and sessions of its own. Farms, fleets and queues are the same."`
	Faults  []string `help:"Inject faults: KIND, KIND=PROBABILITY or KIND=PROBABILITY/DELAY. The kind all stands for all kinds, and adds hidden quotas, a skewed clock and small pages. Kinds: ${faults}." placeholder:"KIND"`

	Sessions    int           `help:"Keep about this many sessions open. Default: three for each four workers." placeholder:"N"`
	MeanSession time.Duration `default:"20m" help:"The mean duration of a session in a real farm. --speed divides it."`
	JobSize     int           `help:"Make jobs of about this many sessions, which follow one another, so that the number of open sessions stays the same. Default: jobs of a few sessions at random times." placeholder:"N"`
	Heartbeat   time.Duration `default:"15s" help:"The time between two reports of a worker's agent in a real farm. --speed divides it. RUNNING and IDLE are what the agent last reported."`
}

// Validate finds wrong flags.
func (c *farmCmd) Validate() error {
	if c.Workers < 1 || c.Fleets < 1 {
		return errors.New("--workers and --fleets must be at least 1")
	}
	if c.Speed <= 0 {
		return errors.New("--speed must be above 0")
	}
	if c.Sessions < 0 || c.JobSize < 0 {
		return errors.New("--sessions and --job-size must not be negative")
	}
	if c.MeanSession <= 0 || c.Heartbeat <= 0 {
		return errors.New("--mean-session and --heartbeat must be above 0")
	}
	if _, err := farmtest.ParseFaults(c.Seed, c.Faults); err != nil {
		return fmt.Errorf("--faults: %w", err)
	}
	return nil
}

// Run serves until ctx ends.
func (c *farmCmd) Run(ctx context.Context, std command.Streams) error {
	cfg, err := farmtest.ParseFaults(c.Seed, c.Faults)
	if err != nil {
		return err
	}
	cfg.Workers, cfg.Fleets, cfg.Speed, cfg.TruthFile = c.Workers, c.Fleets, c.Speed, c.Truth
	cfg.Sessions, cfg.MeanSession, cfg.JobSize, cfg.Heartbeat = c.Sessions, c.MeanSession, c.JobSize, c.Heartbeat
	if c.Fixed {
		cfg.Churn = -1
	}
	if c.Fresh {
		cfg.Start = rand.Uint64()
	}
	farm := farmtest.New(cfg)
	if err := farm.Start(c.Listen); err != nil {
		return err
	}
	return errors.Join(serve(ctx, farm, std.Out), farm.Close())
}

// serve prints how to use the farm, and waits until ctx ends.
func serve(ctx context.Context, farm *farmtest.Server, out io.Writer) error {
	if _, err := fmt.Fprintf(out, "AWS_ENDPOINT_URL_DEADLINE=%s\n", farm.URL()); err != nil {
		return err
	}
	if example, ok := exampleOf(ctx, farm); ok {
		if err := example.print(out, farm.URL()); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

// farmExample holds the ids of a worker, for the examples that are printed.
type farmExample struct{ farm, fleet, worker string }

// exampleOf waits for a session and returns its worker. It returns false if ctx ended before there was one.
func exampleOf(ctx context.Context, farm *farmtest.Server) (farmExample, bool) {
	for {
		for _, s := range farm.Cloud().Truth() {
			if s.EndedAt == nil {
				return farmExample{s.FarmID, s.FleetID, s.WorkerID}, true
			}
		}
		select {
		case <-ctx.Done():
			return farmExample{}, false
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// print prints examples of how to use the farm.
func (e farmExample) print(w io.Writer, url string) error {
	_, err := fmt.Fprintf(w, `
Any credentials and any region will do. The last variable keeps the AWS CLI and boto3 from
connecting to a host named "management.127.0.0.1":

  export AWS_ENDPOINT_URL_DEADLINE=%[1]s
  export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo
  export AWS_REGION=%[2]s AWS_DEFAULT_REGION=%[2]s
  export AWS_DISABLE_HOST_PREFIX_INJECTION=true

AWS CLI:

  aws deadline list-sessions-for-worker --farm-id %[3]s \
    --fleet-id %[4]s --worker-id %[5]s

boto3:

  import boto3
  pages = boto3.client("deadline").get_paginator("list_sessions_for_worker").paginate(
      farmId=%[3]q,
      fleetId=%[4]q,
      workerId=%[5]q)
  for page in pages:
      for session in page["sessions"]:
          print(session["sessionId"], session["lifecycleStatus"])

Farmwire:

  farmwire run --dry-run

The farm lives until Ctrl-C.
`, url, region, e.farm, e.fleet, e.worker)
	return err
}
