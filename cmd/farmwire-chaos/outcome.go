package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"farmwire/cmd/farmwire-chaos/check"
	"farmwire/cmd/farmwire-chaos/instance"
)

// outcome is what came of a campaign.
type outcome struct {
	report    *check.Report
	tampered  bool  // farmwire audit found something
	ownEnds   int   // how often instances ended by themselves
	exitCodes []int // of graceful stops
	untried   []string
}

// good reports whether the check found nothing wrong, and everything was tried that was to be tried.
func (o outcome) good() bool {
	return o.report != nil && o.report.Total() == 0 && len(o.untried) == 0 && !o.tampered
}

func (o outcome) print(out io.Writer) error {
	failed := slices.DeleteFunc(slices.Clone(o.exitCodes), func(code int) bool { return code == 0 })
	fmt.Fprintf(out, "instances ended by themselves: %d times; graceful stops: %d, of which %d with another exit code than 0: %v\n",
		o.ownEnds, len(o.exitCodes), len(failed), failed)
	for _, what := range o.untried {
		fmt.Fprintln(out, "not tried:", what)
	}
	const each = 5
	return o.report.Print(out, each)
}

// finish lets the farm go on undisturbed for a while, stops it and the instances, reads the topics and checks them.
func finish(ctx context.Context, t *testbed, f *flags, out io.Writer) (outcome, error) {
	t.farm.SetFaults()
	// A restart ends the back-off times that the faults have left behind.
	t.restart(ctx)
	begun := time.Now()
	err := t.awaitReady(ctx)
	if err == nil {
		err = t.awaitListed(ctx, begun)
	}
	until := time.Now()
	calm := until
	if err != nil {
		fmt.Fprintln(out, err) // the check finds what is not published
		calm = time.Time{}
	} else {
		fmt.Fprintf(out, "every worker was listed %s after the restart\n", until.Sub(begun).Round(time.Second))
	}
	pause(ctx, f.Settle)
	if err := t.farm.Close(); err != nil {
		return outcome{}, err
	}
	pause(ctx, time.Second)
	var o outcome
	o.ownEnds, o.exitCodes = t.stopInstances(ctx)
	if err := errors.Join(readTopics(ctx, t.kafka.InnerAddrs(), t.dir), t.log.write(t.dir)); err != nil {
		return o, err
	}
	if err := joinEnded(t.dir, t.endedBefore); err != nil {
		return o, err
	}
	if len(t.endedBefore) == 0 { // else the audit rightly misses what was in the topics that were deleted
		clean, err := t.audit(ctx, out)
		if err != nil {
			return o, err
		}
		o.tampered = !clean
	}
	o.report, err = checkFolder(t.dir, check.Input{
		Region: instance.Region, Partitions: t.partitions, Until: until, Grace: f.Grace * 9 / 10, JudgeListings: f.JudgeListings,
		GapAfter: f.GapAfter, Calm: calm, Fresh: freshOf(calm)})
	return o, err
}
