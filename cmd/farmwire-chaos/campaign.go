package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// runCampaign disturbs farmwire, with files in dir, and checks what was published.
func runCampaign(ctx context.Context, f *flags, out io.Writer, dir string) (_ outcome, err error) {
	fmt.Fprintf(out, "seed %d: %d SIGKILL, %d SIGSTOP take-overs, %d broker kills, %d cuts, %d freezes, %d restarts, %d late produces, %d late EndTxns, %d held heartbeats, %d API outages, %d denied fleets, %d hanging workers, %d Kafka outages, %d absences; %d instances, %d brokers, %d workers, faults %s\n",
		f.Seed, f.Kills, f.Stops, f.BrokerKills, f.Cuts, f.Freezes, f.Restarts, f.LateProduces, f.LateEndTxns, f.HeldHeartbeats,
		f.APIOutages, f.DeniedFleets, f.HangingWorkers, f.KafkaOutages, f.Absences, f.Instances, f.Brokers, f.Workers, f.Faults)
	t, err := openTestbed(ctx, f, dir)
	if err != nil {
		return outcome{}, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	begun := time.Now()
	if err := t.awaitOwners(ctx); err != nil {
		return outcome{}, err
	}
	if err := t.awaitReady(ctx); err != nil {
		return outcome{}, err
	}
	watching, endWatch := context.WithCancel(ctx)
	used, watched := watchUsage(watching, t.instances)
	defer func() { endWatch(); <-watched }()
	rng := rand.New(rand.NewPCG(f.Seed, 7))
	plan := planDisturbances(f, rng)
	d := newDisturber(t, f, rng, out)
	if err := d.run(ctx, plan, begun.Add(f.Duration)); err != nil {
		return outcome{}, err
	}
	t.background.Wait()
	pause(ctx, f.Calm)
	fmt.Fprintf(out, "done in %s: %s\n", time.Since(begun).Round(time.Second), &d.counts)
	stats := t.farm.Stats()
	o, err := finish(ctx, t, f, out)
	if err != nil {
		return o, err
	}
	used.print(out, stats)
	if f.Cover {
		o.untried = used.missing(stats)
	}
	fmt.Fprintf(out, "to repeat: farmwire-chaos %s\n", f)
	return o, o.print(out)
}
