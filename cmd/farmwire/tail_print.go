package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"farmwire/cmd/view"
	"farmwire/consumer"
	"farmwire/diff"
	"farmwire/event"
)

// tailDelay is what the legend says of the delays.
const tailDelay = "from the change to Kafka: 1.3s exactly · ≤9s at most · 2–9s between"

// tailPrinter prints the records that the flags select.
type tailPrinter struct {
	filter  consumer.Filter
	json    func(event.Record) error // nil: for people
	view    *view.View               // nil: as JSON
	logs    bool
	logged  map[string]bool // the sessions whose log was told
	stderr  io.Writer
	unknown map[string]bool // the types of events that were left out
}

// mostRemembered bounds what a tailPrinter remembers of each kind. Beyond it, something is told once more.
const mostRemembered = 10_000

func (c *tailCmd) printer(std *streams) *tailPrinter {
	t := &tailPrinter{filter: c.filter(), logs: c.Logs, logged: map[string]bool{}, stderr: std.err, unknown: map[string]bool{}}
	t.filter.Changes = c.Change
	if c.pretty(std.out) {
		t.view = newView(std.out, tailDelay)
	} else {
		t.json = printJSON(std.out)
	}
	return t
}

// begin prints for people what they are going to see.
func (t *tailPrinter) begin(what string) error {
	if t.view == nil {
		return nil
	}
	if err := t.view.Line(view.Cell{Text: " topic", Width: 10, Style: view.Dim}, view.Cell{Text: what, Style: view.Dim}); err != nil {
		return err
	}
	return t.view.Legend()
}

// print prints a record, if the flags select it. What cannot be read is left out with a warning.
func (t *tailPrinter) print(r consumer.Record) error {
	e, err := r.Event()
	switch {
	case errors.Is(err, event.ErrUnknown):
		t.warnUnknown(r)
	case err != nil:
		t.warn("a record is left out: %v", err)
	case !t.filter.Match(e):
		if t.view != nil {
			t.view.Skip(e)
		}
	case t.view == nil:
		return t.json(r.Record)
	default:
		return t.show(e)
	}
	return nil
}

// show prints an event for people, and the log of a session after its first event.
func (t *tailPrinter) show(e event.Event) error {
	if err := t.view.Event(e, view.DelayOf(e)); err != nil || !t.logs {
		return err
	}
	id := e.Session.SessionID
	told := t.logged[id]
	remember(t.logged, id)
	if e.Kind == diff.Ended || e.Kind == diff.Vanished {
		delete(t.logged, id) // no event of it follows
	}
	if told {
		return nil
	}
	return t.view.Line(view.Cell{Text: "    " + logCommand(e), Style: view.Dim})
}

// logCommand returns the command line that reads the log of a session from CloudWatch. Deadline Cloud gives each queue a log
// group, and each session a stream in it.
func logCommand(e event.Event) string {
	s, since := e.Session, e.Session.StartedAt
	if since.IsZero() {
		since = e.Time
	}
	words := []string{"aws", "logs", "tail", "/aws/deadline/" + s.FarmID + "/" + s.QueueID, "--log-stream-names", s.SessionID,
		"--since", since.UTC().Format(time.RFC3339), "--region", e.Region}
	for i := range words {
		words[i] = quoted(words[i])
	}
	return strings.Join(words, " ")
}

// quoted returns a word as a shell reads it. The ids come from elsewhere, and the line is meant to be run.
func quoted(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:._-"
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// warnUnknown warns of an event of a newer version, once for each type.
func (t *tailPrinter) warnUnknown(r consumer.Record) {
	kind := ""
	for _, h := range r.Headers {
		if h.Key == "ce_type" {
			kind = string(h.Value)
		}
	}
	if !t.unknown[kind] {
		t.warn("events of the type %q are left out, because this version does not know them: update farmwire", kind)
	}
	remember(t.unknown, kind)
}

// warn prints a warning as one line.
func (t *tailPrinter) warn(format string, args ...any) {
	fmt.Fprintf(t.stderr, "farmwire: warning: %s\n", strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; "))
}

// remember adds a name to a set. If there are too many, it forgets the others.
func remember(set map[string]bool, name string) {
	if len(set) >= mostRemembered {
		clear(set)
	}
	set[name] = true
}
