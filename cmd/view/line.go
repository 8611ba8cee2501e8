package view

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Cell is a piece of a line: text, filled with blanks up to a width of characters, in one style.
type Cell struct {
	Text  string
	Width int
	Style Style
}

// Style is how a cell looks on a terminal with colours: the parameters of an SGR escape sequence.
type Style string

// Styles of the terminal's own palette, which fit its theme.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
)

// And returns the two styles together.
func (s Style) And(other Style) Style {
	if s == Plain || other == Plain {
		return s + other
	}
	return s + ";" + other
}

// Line prints cells. A line that is longer than the view is wide is not cut, so that it can be copied.
func (v *View) Line(cells ...Cell) error { return v.print(math.MaxInt, cells) }

// print prints at most room characters of cells as one line.
func (v *View) print(room int, cells []Cell) error {
	var b strings.Builder
	for _, c := range cells {
		text := cut(fmt.Sprintf("%-*s", c.Width, harmless(c.Text)), room)
		room -= length(text)
		if v.options.Colour && c.Style != Plain && strings.TrimSpace(text) != "" {
			text = "\x1b[" + string(c.Style) + "m" + text + "\x1b[0m"
		}
		b.WriteString(text)
	}
	_, err := fmt.Fprintln(v.out, strings.TrimRight(b.String(), " "))
	return err
}

// harmless replaces control characters. Names and statuses come from elsewhere, and must not control a terminal.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// length returns the number of characters in text.
func length(text string) int { return utf8.RuneCountInString(text) }

// cut returns the first n characters of text.
func cut(text string, n int) string {
	if length(text) <= n {
		return text
	}
	return string([]rune(text)[:max(n, 0)])
}

// clip returns text in at most n characters. An ellipsis stands for what is missing at its end.
func clip(text string, n int) string {
	if length(text) <= n {
		return text
	}
	return cut(text, n-1) + "…"
}

// shorten returns a name in at most n characters. An ellipsis stands for what is missing in its middle, because hosts
// differ by the number at their end.
func shorten(name string, n int) string {
	const end = 5 // a hyphen and four digits
	if length(name) <= n || n <= end+1 {
		return clip(name, n)
	}
	all := []rune(name)
	return cut(name, n-end-1) + "…" + string(all[len(all)-end:])
}

// Seconds formats a short duration: 0.31s, or 75s from ten seconds on. A negative duration is an unknown one and gives a
// dash.
func Seconds(d time.Duration) string {
	switch {
	case d < 0:
		return "–"
	case d < 10*time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	default:
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
}

// Long formats a duration of any length in one or two units: 1.2s, 1m1s, 2h30m.
func Long(d time.Duration) string {
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
