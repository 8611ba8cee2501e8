package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// view prints the demo. It is only as wide as it is told to be, and has colour only where it is told to.
type view struct {
	out    io.Writer
	colour bool
	width  int // characters; longer lines are cut
	lanes  *lanes
	fleets []string // ids in order of appearance, for their colours
}

// newView prints to out; width is the terminal's. On a narrow one the worker's name gives way to the lanes.
func newView(out io.Writer, colour bool, width int) *view {
	return &view{
		out: out, colour: colour, width: width,
		lanes: newLanes(min(max(width-widthOfText, 6), 20)),
	}
}

// widthOfText is what an event's line takes beside the lanes and the worker.
const widthOfText = 82

// Colours of the terminal's own palette (SGR parameters), so that they fit its theme.
const (
	dim   = "2"
	bold  = "1"
	plain = ""
)

// cell is a piece of a line: text filled up to width, in one colour.
type cell struct {
	text  string
	width int
	sgr   string
}

// line prints cells; what is longer than a line goes on in the next, because it is there to be copied.
func (v *view) line(cells ...cell) {
	v.cut(math.MaxInt, cells...)
}

// cut prints at most room characters of cells.
func (v *view) cut(room int, cells ...cell) {
	var b strings.Builder
	for _, c := range cells {
		text := clip(fmt.Sprintf("%-*s", c.width, c.text), room)
		room -= utf8.RuneCountInString(text)
		if v.colour && c.sgr != plain && strings.TrimSpace(text) != "" {
			text = "\x1b[" + c.sgr + "m" + text + "\x1b[0m"
		}
		b.WriteString(text)
	}
	fmt.Fprintln(v.out, strings.TrimRight(b.String(), " "))
}

// clip cuts text to n characters.
func clip(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:max(n, 0)])
}

// event prints one event; delay is from the instant that the service could show the change until now,
// negative if that is not known.
func (v *view) event(e event, delay time.Duration) {
	strokes, own := v.lanes.draw(e)
	paint := laneColour(own)
	cells := []cell{
		{e.Time.UTC().Format("15:04:05.000"), 13, plain},
		{known(e), 9, dim},
		{seconds(delay), 8, delayColour(delay)},
	}
	for _, s := range strokes {
		cells = append(cells, cell{string(s.Rune), 1, laneColour(s.Lane)})
	}
	cells = append(cells,
		cell{" " + sessionName(e.Session.SessionID), 13, paint},
		cell{e.Change + mark(e), 14, changeColour(e.Change)},
		cell{clip(state(e), 24), 25, plain},
		cell{workerName(e), 0, v.fleetColour(e.Session.FleetID)},
	)
	v.cut(v.width, cells...)
}

// known says how well the time of a change is known: exactly, or as the width of the window it fell in.
func known(e event) string {
	switch {
	case e.Observed.Exact:
		return "exact"
	case e.Observed.After.IsZero():
		return "before"
	default:
		return "±" + strings.TrimSpace(seconds(e.Observed.Before.Sub(e.Observed.After)/2))
	}
}

// mark is the sign behind a change that was not seen as news.
func mark(e event) string {
	switch {
	case e.Inferred:
		return " ◇"
	case e.Snapshot && e.Change != "discovered":
		return " ◆"
	default:
		return ""
	}
}

// state is the session after the change, in the service's words.
func state(e event) string {
	s := e.Session
	switch {
	case !s.EndedAt.IsZero():
		return s.LifecycleStatus + " after " + long(s.EndedAt.Sub(s.StartedAt))
	case s.TargetLifecycleStatus != "" && s.LifecycleStatus != s.TargetLifecycleStatus:
		return s.LifecycleStatus + " → " + s.TargetLifecycleStatus
	default:
		return s.LifecycleStatus
	}
}

// seconds is a short duration with its unit, "–" if it is not known.
func seconds(d time.Duration) string {
	switch {
	case d < 0:
		return "–"
	case d < 10*time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	default:
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
}

// long is a duration of any length in one or two units.
func long(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour-time.Second/2:
		d = d.Round(time.Second)
		if d%time.Minute != 0 {
			return d.String()
		}
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
}
