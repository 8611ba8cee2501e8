package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"farmwire/poller/paginator"
)

// column is a column of the table.
type column struct {
	title string
	cell  func(s paginator.Session, now time.Time) string // the text for a session
}

// columns returns the columns from left to right. The duration follows the times that it is computed from, and the
// longest identifiers come last.
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

// table returns a line of titles, a line for each session, and NextToken if there is more.
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

// paint returns a cell with its colour: titles are bold, and each status has a colour.
func paint(cell string, title bool, column int) string {
	code := "35" // an unknown status
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

// lasted returns the time between start and end. For an open session it is the time since the start, followed by a plus.
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

// duration returns a duration, rounded to milliseconds below a second, to seconds below a day, and else to minutes.
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

// instant returns a time in UTC, or a hyphen if there is none.
func instant(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// text returns a string as a cell, or a hyphen if there is none.
func text(s *string) string {
	if s == nil {
		return "-"
	}
	return plain(*s)
}

// plain returns text of the service as a cell. Characters that are not printable are escaped, because they could be line
// breaks or escape sequences of the terminal.
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
