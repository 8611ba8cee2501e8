package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"farmwire/poller/schedule"
	"farmwire/poller/schedule/simulation"
)

// report prints the figures of the schedule and of round robin.
func report(out io.Writer, c simulation.Config, ours, theirs simulation.Result) error {
	if _, err := fmt.Fprintf(out, "mix %s, seed %d, workers %d, requests a second %v, mean session %v, pages of a listing %d\n"+
		"sessions that started in %v: %d; pages that must be listed for them, for each request: %.2f\n"+
		"starts that nothing could announce: %.1f %%\n\n",
		c.Mix, c.Seed, c.Workers, c.Rate, c.Session, c.Pages, c.Window, ours.Sessions, ours.Load, 100*ours.Unannounced); err != nil {
		return err
	}
	var err error
	row := func(name string, a, b any, ratio string) {
		_, failed := fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("%-27s %15v %15v %8s", name, a, b, ratio), " "))
		err = errors.Join(err, failed)
	}
	row("", "schedule", "round robin", "ratio")
	delays := func(name string, a, b simulation.Delays) {
		seconds := func(of string, a, b time.Duration) {
			row(name+" known, "+of, fmt.Sprintf("%.1f s", a.Seconds()), fmt.Sprintf("%.1f s", b.Seconds()), ratio(a, b))
		}
		seconds("mean", a.Mean(), b.Mean())
		seconds("p50", a.Quantile(.5), b.Quantile(.5))
		seconds("p99", a.Quantile(.99), b.Quantile(.99))
	}
	delays("changes", ours.All, theirs.All)
	delays("starts", ours.Starts, theirs.Starts)
	delays("ends", ours.Ends, theirs.Ends)
	if c.Mix == simulation.Updates {
		delays("updates", ours.Updates, theirs.Updates)
		row("updates never seen", ours.UpdatesMissed, theirs.UpdatesMissed, "")
	}
	row("sessions lost", share(ours.Lost, ours.Sessions), share(theirs.Lost, theirs.Sessions), "")
	row("still not known at the end", ours.Unseen, theirs.Unseen, "")
	row("longest unlisted", fmt.Sprintf("%.0f s", ours.LongestUnlisted.Seconds()),
		fmt.Sprintf("%.0f s", theirs.LongestUnlisted.Seconds()), ratio(ours.LongestUnlisted, theirs.LongestUnlisted))
	for _, kind := range []schedule.Kind{
		schedule.ListFarms, schedule.ListFleets, schedule.ListWorkers, schedule.BatchGetWorker, schedule.ListSessionsForWorker,
		schedule.ListSessions, schedule.BatchGetSession, schedule.GetSession,
	} {
		row(kind.Operation(), ours.Requests[kind], theirs.Requests[kind], "")
	}
	row("requests that failed", failed(ours), failed(theirs), "")
	return err
}

// ratio says how many times smaller the figure of the schedule is.
func ratio(ours, theirs time.Duration) string {
	if ours <= 0 || theirs <= 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", float64(theirs)/float64(ours))
}

func share(n, of int) string {
	return fmt.Sprintf("%d (%.1f %%)", n, 100*float64(n)/float64(max(1, of)))
}

func failed(r simulation.Result) int {
	n := 0
	for _, count := range r.Failed {
		n += count
	}
	return n
}
