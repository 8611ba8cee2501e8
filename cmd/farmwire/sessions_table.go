package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"farmwire/poller/paginator"
)

// column is one of the table's: what is above it and what a session has in it.
type column struct {
	title string
	cell  func(s paginator.Session, now time.Time) string
}

// The times stand with the duration between them; the longest identifiers come last.
func columns() []column {
	return []column{
		{"SESSION", func(s paginator.Session, _ time.Time) string { return text(s.SessionId) }},
		{"STATUS", func(s paginator.Session, _ time.Time) string { return plain(string(s.LifecycleStatus)) }},
		{"TARGET", func(s paginator.Session, _ time.Time) string { return plain(string(s.TargetLifecycleStatus)) }},
		{"STARTED", func(s paginator.Session, _ time.Time) string { return instant(s.StartedAt) }},
		{"ENDED", func(s paginator.Session, _ time.Time) string { return instant(s.EndedAt) }},
		{"LASTED", lasted},
		{"QUEUE", func(s paginator.Session, _ time.Time) string { return text(s.QueueId) }},
		{"JOB", func(s paginator.Session, _ time.Time) string { return text(s.JobId) }},
	}
}

const statusColumn = 1

// table writes a session a line below a line of titles, and NextToken below that.
func table(result paginator.Result, now time.Time, colour bool) []byte {
	columns := columns()
	rows := make([][]string, len(result.Sessions)+1)
	widths := make([]int, len(columns))
	for i, c := range columns {
		rows[0] = append(rows[0], c.title)
		for j, s := range result.Sessions {
			rows[j+1] = append(rows[j+1], c.cell(s, now))
		}
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	var out bytes.Buffer
	for n, row := range rows {
		for i, cell := range row {
			padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
			if i == len(row)-1 {
				padding = "\n"
			}
			if colour {
				cell = paint(cell, n == 0, i)
			}
			out.WriteString(cell + padding)
		}
	}
	if result.NextToken != "" {
		out.WriteString("\nNextToken: " + result.NextToken + "\n")
	}
	return out.Bytes()
}

// paint gives a cell its colour: titles are bold, a status has the colour of its meaning.
func paint(cell string, title bool, column int) string {
	code := "35" // a status that is new to us
	switch {
	case title:
		code = "1"
	case column != statusColumn || cell == "-":
		return cell
	case cell == "STARTED":
		code = "32"
	case cell == "UPDATE_IN_PROGRESS":
		code = "33"
	case cell == "UPDATE_SUCCEEDED":
		code = "36"
	case cell == "UPDATE_FAILED":
		code = "31"
	case cell == "ENDED":
		code = "90"
	}
	return "\x1b[" + code + "m" + cell + "\x1b[0m"
}

// hasColour reports whether colours will be seen: on a terminal that knows them, unless the user said no.
func hasColour(out io.Writer) bool {
	return isTerminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// lasted is the time between start and end, or from the start until now for an open session.
func lasted(s paginator.Session, now time.Time) string {
	var d time.Duration
	mark := ""
	switch {
	case s.StartedAt == nil:
		return "-"
	case s.EndedAt != nil:
		d = s.EndedAt.Sub(*s.StartedAt)
	case s.LifecycleStatus == "ENDED":
		return "-"
	default:
		d, mark = now.Sub(*s.StartedAt), "+"
	}
	if d < 0 {
		return "-"
	}
	return duration(d) + mark
}

// duration is exact to the millisecond below a second, to the second below a day, then to the minute.
func duration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < day:
		return d.Round(time.Second).String()
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%dd%dh%dm", d/day, d%day/time.Hour, d%time.Hour/time.Minute)
}

func instant(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func text(s *string) string {
	if s == nil {
		return "-"
	}
	return plain(*s)
}

// plain makes a cell of what the service sent: no line break and no escape sequence gets through.
func plain(s string) string {
	if s == "" {
		return "-"
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		quoted := strconv.Quote(s)
		return quoted[1 : len(quoted)-1]
	}
	return s
}
