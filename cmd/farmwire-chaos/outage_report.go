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
	good = true
	for _, r := range o.rows {
		good = good && len(r.problems) == 0
		r.print(&text)
	}
	stops := o.stops()
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
	fmt.Fprintf(&text, "graceful stops: %d, of which %d failed or took longer than %s; the slowest, %s, took %s\n",
		len(stops), failed, stopWithin, slowest.Key, rounded(slowest.Took))
	footprints, most := o.memory.judge()
	for _, f := range footprints {
		fmt.Fprintln(&text, "memory of", f)
		good = good && f.flat()
	}
	fmt.Fprintf(&text, "the most memory of any process: %d MiB; events that were followed: %d\n", most>>10, o.follower.count())
	_, err = io.WriteString(o.out, text.String())
	return good && failed == 0, err
}

// stops are the graceful stops of all instances.
func (o *outages) stops() []instance.Stop {
	var all []instance.Stop
	for _, i := range o.instances {
		all = slices.Concat(all, i.Stops())
	}
	return all
}
