package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"farmwire/cmd/farmwire-chaos/instance"
)

// row is what came of one outage.
type row struct {
	name        string
	at          time.Time // when it was taken away
	took        time.Duration
	readyz, log time.Duration // after which all instances that it concerns named it; never, or 0 if they need not
	resumed     time.Duration // after which all were ready and had published what changed meanwhile; 0: they had not
	stop        instance.Stop // in the middle
	problems    []string
}

func (r *row) fail(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

const rowFormat = "%-8s %-20s %8s %8s %8s %8s %8s  %s\n"

func printHead(out io.Writer) {
	fmt.Fprintf(out, rowFormat, "at", "outage", "lasted", "/readyz", "log", "resumed", "stop", "")
}

// print prints the row, and below it each problem.
func (r *row) print(out io.Writer) {
	verdict := "ok"
	if len(r.problems) > 0 {
		verdict = "FAILED"
	}
	fmt.Fprintf(out, rowFormat, r.at.UTC().Format(time.TimeOnly), r.name, rounded(r.took), after(r.readyz), after(r.log), after(r.resumed), after(r.stop.Took), verdict)
	for _, p := range r.problems {
		fmt.Fprintln(out, "    "+p)
	}
}

// after formats the time after which something happened.
func after(d time.Duration) string {
	switch {
	case d == never:
		return "never"
	case d == 0:
		return "-"
	}
	return rounded(d)
}

func rounded(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// summary prints the table and the figures of the whole time, and reports whether all was good.
func (o *outages) summary() (good bool, err error) {
	var text strings.Builder
	printHead(&text)
	good = len(o.rows) > 0
	for _, r := range o.rows {
		good = good && len(r.problems) == 0
		r.print(&text)
	}
	var stops []instance.Stop
	for _, i := range o.instances {
		stops = slices.Concat(stops, i.Stops())
	}
	// One stop in each outage, and two of each instance at the end: a restart, and the last stop.
	good = printStops(&text, stops, len(o.rows)+2*len(o.instances)) && good
	footprints, most := o.memory.judge()
	good = printMemory(&text, footprints, o.memory.long()) && good
	fmt.Fprintf(&text, "the most memory of any process: %d MiB; events that were followed: %d\n", most>>10, o.follower.count())
	_, err = io.WriteString(o.out, text.String())
	return good, err
}

// printStops reports whether there are as many graceful stops as there must be at least, and all were good.
func printStops(out io.Writer, stops []instance.Stop, least int) (good bool) {
	var slowest instance.Stop
	failed := 0
	for _, s := range stops {
		if s.Took > slowest.Took {
			slowest = s
		}
		if s.Code != 0 || s.Took > stopWithin {
			failed++
		}
	}
	fmt.Fprintf(out, "graceful stops: %d of at least %d, of which %d failed or took longer than %s; the slowest, %s, took %s\n",
		len(stops), least, failed, stopWithin, slowest.Key, rounded(slowest.Took))
	return len(stops) >= least && failed == 0
}

// printMemory reports whether no process grew. If the campaign was long, at least one must have been judged.
func printMemory(out io.Writer, footprints []footprint, long bool) (good bool) {
	good = !long || slices.ContainsFunc(footprints, func(f footprint) bool { return f.judged })
	if !good {
		fmt.Fprintln(out, "no process ran for long enough to judge its memory")
	}
	for _, f := range footprints {
		fmt.Fprintln(out, "memory of", f)
		good = good && f.flat()
	}
	return good
}
