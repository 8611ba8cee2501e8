package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"farmwire/cmd/command"
	"farmwire/poller/farmtest"
)

// farmCmd serves the simulated farm alone, for any AWS client.
type farmCmd struct {
	Listen  string   `default:"127.0.0.1:0" help:"Serve on this address. Port 0 takes a free one."`
	Truth   string   `help:"Write to this file, at the end, what truly happened: JSON lines, one for each session." placeholder:"FILE"`
	Workers int      `default:"12" help:"About this many workers are on the farm."`
	Fleets  int      `default:"3" help:"The farm has this many fleets. The first has a fixed size, the others scale and delete workers."`
	Speed   float64  `default:"10" help:"The farm lives this many times as fast as a real one."`
	Seed    uint64   `default:"1" help:"The farm's life follows from this number: the same seed gives the same life."`
	Faults  []string `help:"Let this go wrong: KIND, KIND=PROBABILITY or KIND=PROBABILITY/DELAY. The kind all means all of them, with hidden quotas, a skewed clock and small pages. Kinds: ${faults}." placeholder:"KIND"`
}

// Validate is called by kong.
func (c *farmCmd) Validate() error {
	if c.Workers < 1 || c.Fleets < 1 {
		return errors.New("--workers and --fleets must be at least 1")
	}
	if c.Speed <= 0 {
		return errors.New("--speed must be above 0")
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
	farm := farmtest.New(cfg)
	if err := farm.Start(c.Listen); err != nil {
		return err
	}
	fmt.Fprintf(std.Out, "AWS_ENDPOINT_URL_DEADLINE=%s\n", farm.URL())
	if example, ok := exampleOf(ctx, farm); ok {
		example.print(std.Out, farm.URL())
	}
	<-ctx.Done()
	return farm.Close()
}

// farmExample is one worker of the farm, to ask for in the printed examples.
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

// print says how to use the farm.
func (e farmExample) print(w io.Writer, url string) {
	fmt.Fprintf(w, `
Any credentials and any region will do. The last variable keeps aws cli and boto3 from asking
a host of the name "management.127.0.0.1":

  export AWS_ENDPOINT_URL_DEADLINE=%[1]s
  export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo
  export AWS_REGION=%[2]s AWS_DEFAULT_REGION=%[2]s
  export AWS_DISABLE_HOST_PREFIX_INJECTION=true

aws cli:

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
}
