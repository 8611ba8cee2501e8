package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"farmwire/poller/plan"
)

// worthALine is the part of the rate, or of one request a second, from which on a use of requests is told.
const worthALine = 0.005

// listsJobs reports whether the plan has enough requests for listings of jobs to mention them.
func listsJobs(rate float64, p plan.Plan) bool { return p.Uses.Jobs >= worthALine*min(1, rate) }

// writePlan writes the plan for people.
func writePlan(out io.Writer, f plan.Farm, rate float64, p plan.Plan) error {
	var b strings.Builder
	perHour := strconv.FormatFloat(math.Round(f.Starts*time.Hour.Seconds()*10)/10, 'f', -1, 64)
	fmt.Fprintf(&b, "With %v requests a second, for %d workers and %s sessions an hour of %v each (%.0f open at a time):\n\n",
		rate, f.Workers, perHour, f.Length, f.Open())
	b.WriteString("          mean       99 of 100 within\n")
	for _, row := range []struct {
		name  string
		delay plan.Delay
	}{{"starts", p.Starts}, {"ends", p.Ends}} {
		mean, p99 := "not known", "not known"
		if row.delay != (plan.Delay{}) {
			mean, p99 = rounded(row.delay.Mean), rounded(row.delay.P99)
		}
		fmt.Fprintf(&b, "%-8s  %-9s  %s\n", row.name, mean, p99)
	}
	if p.RoundRobin {
		b.WriteString("\nAll workers are listed in turn, because with all requests that would take less than the 15s between two reports of a worker.\n")
	} else {
		fmt.Fprintf(&b, "\nThe load is %.2f: listings for new sessions take that part of the requests at most. From 0.6 on, nothing can be promised.\n",
			min(p.Load, .594)) // so that a load just below 0.6 is not said to be 0.60
	}
	b.WriteString("\nRequests a second:\n")
	decimals := max(2, 2-int(math.Floor(math.Log10(rate))))
	for _, use := range uses(p) {
		if use.rate >= worthALine*min(1, rate) {
			fmt.Fprintf(&b, "%8.*f  %s\n", decimals, use.rate, use.text)
		}
	}
	b.WriteString("\nThis assumes:\n")
	for _, text := range assumptions(f, rate, p) {
		fmt.Fprintf(&b, "- %s\n", text)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// use is what a part of the requests is used for.
type use struct {
	rate float64 // requests a second
	text string
}

func uses(p plan.Plan) []use {
	sessions := use{p.Uses.Sessions, "asking for the open sessions, each once in " + rounded(p.SessionRound)}
	discovery := use{p.Uses.Discovery, "finding farms, fleets and workers"}
	jobs := use{p.Uses.Jobs, "listing the active jobs, each once in " + rounded(p.JobRound)}
	if p.RoundRobin {
		return []use{
			{p.Uses.Listings, "listing the sessions of all workers in turn, each once in " + rounded(p.WorkerRound)},
			sessions, jobs, discovery,
		}
	}
	return []use{
		{p.Uses.Listings, "listing the sessions of workers on which a session has started"},
		{p.Uses.Statuses, "asking for the statuses of workers without an open session, each once in " + rounded(p.WorkerRound)},
		sessions, jobs, discovery,
		{p.Uses.Rest, "listing the other workers in turn, so that none is forgotten"},
	}
}

// assumptions are what must be true of the farm, so that the delays are those of the plan.
func assumptions(f plan.Farm, rate float64, p plan.Plan) []string {
	all := []string{
		"AWS answers so many requests, in about 0.1s each, and other tools leave room for them in the quota.",
		"A delay ends with the answer that shows the change. Publishing takes some milliseconds more.",
	}
	if listsJobs(rate, p) {
		all = append(all, fmt.Sprintf("At any time, %s, and each job has many sessions. Where jobs have a few sessions only, starts are seen about as late as with --jobs 0.", jobs(f.ActiveJobs())))
	}
	if p.RoundRobin {
		return all
	}
	together := "one by one"
	if f.Burst > 1 {
		together = fmt.Sprintf("in bursts of %.0f", f.Burst)
	}
	all = append(all,
		"Sessions start "+together+", on all workers alike. If few workers have most of them, delays can be twice as long.",
		"A worker reports its status every 15s. A session lasts long enough to be reported.",
	)
	if f.AtOnce == 0 && f.Open() <= float64(f.Workers) {
		all = append(all, "A session starts when no other is open on its worker.")
	}
	return all
}

// jobs is a number of jobs.
func jobs(n float64) string {
	if n == 1 {
		return "one job is active"
	}
	return strconv.FormatFloat(math.Round(n*10)/10, 'f', -1, 64) + " jobs are active"
}

// rounded returns a duration in tenths of a second, or from a minute on in seconds.
func rounded(d time.Duration) string {
	if d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}
