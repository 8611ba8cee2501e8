// Package view prints events as lines for people: one line for each event, with a drawing of the open sessions.
// The demo, `farmwire tail`, and `farmwire run --dry-run` on a terminal print with it.
package view

import (
	"errors"
	"io"
	"math"
	"time"

	"farmwire/diff"
	"farmwire/event"
)

// Options say how a View prints.
type Options struct {
	Width  int    // characters in a line, see Width; lines of events are cut to it, or to a terminal that has become another
	Colour bool   // whether to use the colours of the terminal, see HasColour
	Delay  string // what the legend says of the column with the delays; "": there is none
}

// View prints to one output. It remembers the open sessions, which it draws as vertical lines. Its methods must not be
// called at the same time, and return the errors of the output.
type View struct {
	out     io.Writer
	options Options
	layout  layout
	lanes   *lanes
	fleets  []string // ids in the order of their first event, for their colours
	day     string   // that of the last line, or today
}

// New returns a View that prints to out.
func New(out io.Writer, o Options) *View {
	l := layoutOf(o)
	return &View{out: out, options: o, layout: l, lanes: newLanes(l.lanes), day: dayOf(time.Now())}
}

// Legend prints how to read the lines of events, and the titles of their columns.
func (v *View) Legend() error {
	rows := [][2]string{
		{"known", "exact: told by the service · ±0.2s: between two polls · before: older"},
		{"delay", v.options.Delay},
		{"open", "open sessions: ┬ started  ╤ open before we looked  ┼ changed  ┴ ended"},
		{"marks", "◇ inferred from a later state  ◆ from before the watch began"},
	}
	for _, row := range rows {
		if row[1] == "" {
			continue
		}
		if err := v.Line(Cell{" " + row[0], 10, Dim}, Cell{row[1], 0, Dim}); err != nil {
			return err
		}
	}
	if err := v.Line(); err != nil {
		return err
	}
	return v.titles()
}

// titles prints the titles of the columns.
func (v *View) titles() error {
	l := v.layout
	time, lanes := "time, UTC", "open"
	if l.narrow {
		time = "UTC"
	}
	if l.narrow && v.options.Delay != "" {
		lanes = "" // no blank separates the two titles
	}
	cells := []Cell{{time, l.time, Dim}, {"known", l.known, Dim}}
	if v.options.Delay != "" {
		cells = append(cells, Cell{"delay", l.delay, Dim})
	}
	cells = append(cells, Cell{lanes, l.lanes, Dim}, Cell{" session", l.session, Dim},
		Cell{"change", l.change, Dim}, Cell{"state", l.state, Dim}, Cell{"worker", l.worker, Dim})
	if l.wholeID {
		cells = append(cells, Cell{"session id", 0, Dim})
	}
	return v.print(l.width, cells)
}

// Event prints the line of an event. The delay is printed only if Options.Delay is set. Before the first event of a day that is
// not today, there is a line with the day.
func (v *View) Event(e event.Event, delay Delay) error {
	if err := errors.Join(v.fit(), v.startDay(e.RecordedTime)); err != nil {
		return err
	}
	l := v.layout
	strokes, own := v.lanes.draw(e)
	colour := laneColour(own)
	cells := []Cell{
		{e.Time.UTC().Format(l.clock), l.time, Plain},
		{known(e), l.known, Dim},
	}
	if v.options.Delay != "" {
		cells = append(cells, Cell{clip(delay.text(l.narrow), l.delay-1), l.delay, delayColour(delay)})
	}
	for _, s := range strokes {
		cells = append(cells, Cell{string(s.Rune), 1, laneColour(s.Lane)})
	}
	cells = append(cells,
		Cell{" " + sessionName(e.Session.SessionID), l.session, colour},
		Cell{string(e.Kind) + mark(e), l.change, changeColour(e.Kind)},
		Cell{state(e.Session, l.state-1), l.state, Plain},
	)
	worker := Cell{shorten(workerName(e), l.worker), 0, v.fleetColour(e.Session.FleetID)}
	if l.wholeID {
		worker.Text, worker.Width = shorten(workerName(e), l.worker-2), l.worker
		cells = append(cells, worker, Cell{e.Session.SessionID, 0, Dim})
	} else {
		cells = append(cells, worker)
	}
	return v.print(l.width, cells)
}

// fit fits the columns into the terminal if its width has changed.
func (v *View) fit() error {
	width, ok := terminalWidth(v.out)
	if !ok || width == v.options.Width {
		return nil
	}
	v.options.Width = width
	v.layout = layoutOf(v.options)
	v.lanes.resize(v.layout.lanes)
	return v.titles()
}

// Skip notes an event that is not printed, so that the line of its session ends.
func (v *View) Skip(e event.Event) {
	if isLast(e.Kind) {
		v.lanes.free(e.Session.SessionID)
	}
}

// startDay prints the day of a time if it is not that of the line before.
func (v *View) startDay(t time.Time) error {
	day := dayOf(t)
	if day == v.day || t.IsZero() {
		return nil
	}
	v.day = day
	return v.Line(Cell{day, 0, Dim})
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// known says how precisely the time of a change is known: exactly, or within half of the window in which it lies.
func known(e event.Event) string {
	switch {
	case e.Observed.Exact:
		return "exact"
	case e.Observed.After.IsZero():
		return "before"
	default:
		return "±" + amount(e.Observed.Before.Sub(e.Observed.After)/2, 2, math.Round)
	}
}

// mark returns the sign that follows a change that was not observed when it happened.
func mark(e event.Event) string {
	switch {
	case e.Inferred:
		return " ◇"
	case e.Snapshot && e.Kind != diff.Discovered:
		return " ◆"
	default:
		return ""
	}
}

// state describes the session after the change, by the service's names, in at most room characters. It leaves the target
// out if there is no room, because a change of the target has its own event.
func state(s diff.Session, room int) string {
	status := clip(s.LifecycleStatus, room)
	more := ""
	switch {
	case !s.EndedAt.IsZero():
		more = " after " + Long(s.EndedAt.Sub(s.StartedAt))
	case s.TargetLifecycleStatus != "" && s.LifecycleStatus != s.TargetLifecycleStatus:
		more = " → " + s.TargetLifecycleStatus
	}
	if length(status+more) > room {
		return status
	}
	return status + more
}
