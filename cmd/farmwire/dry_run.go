package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"farmwire/cmd/view"
	"farmwire/event"
	"farmwire/status"
)

// showEvents returns how a dry run shows an event: as a line for people on a terminal, and elsewhere as a line of JSON, a
// CloudEvent in its structured form.
func showEvents(out io.Writer) func(event.Record) error {
	if !view.IsTerminal(out) {
		return func(r event.Record) error {
			line, err := json.Marshal(r)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "%s\n", line)
			return err
		}
	}
	return showForPeople(view.New(out, view.Options{Width: view.Width(out), Colour: view.HasColour(out)}))
}

// showForPeople prints the events as lines, below a legend that comes with the first.
func showForPeople(v *view.View) func(event.Record) error {
	legend := false
	return func(r event.Record) error {
		e, err := event.Decode(r.Key, r.Value, r.Headers)
		if err != nil {
			return err
		}
		if !legend {
			if err := v.Legend(); err != nil {
				return err
			}
			legend = true
		}
		return v.Event(e, -1)
	}
}

// summarize prints what a dry run saw and how its requests went. It returns an error if something was refused that run
// needs, or if no request was answered.
func (c *runCmd) summarize(w io.Writer, p status.Polling) error {
	all := status.Polling{Farms: p.Farms, Fleets: p.Fleets, Workers: p.Workers, OpenSessions: p.OpenSessions, Operations: map[string]status.Operation{}}
	for _, name := range operations() {
		all.Operations[name] = p.Operations[name] // also those that were never tried
	}
	if err := all.WriteSummary(w); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	if refused := c.refused(p.Operations); len(refused) > 0 {
		return fmt.Errorf("the service refuses what run needs: check the credentials, and that they allow deadline:%s", strings.Join(refused, ", deadline:"))
	}
	if !p.Answered && len(p.Operations) > 0 {
		return errors.New("no request was answered: the log says why, and run publishes nothing until Deadline Cloud answers")
	}
	return nil
}

// operations are the operations of the Deadline Cloud API that run uses.
func operations() []string {
	return []string{"ListFarms", "ListFleets", "ListWorkers", "ListSessionsForWorker", "BatchGetSession", "GetSession"}
}

// refused returns the operations that run needs with these flags and that the service refuses.
func (c *runCmd) refused(by map[string]status.Operation) []string {
	lookups := []string{"BatchGetSession", "GetSession"} // one of them is enough
	anyLookup := slices.ContainsFunc(lookups, func(name string) bool { return !isRefused(by[name]) })
	return slices.DeleteFunc(operations(), func(name string) bool {
		switch {
		case name == "ListFarms" && len(c.Farm) > 0, name == "ListFleets" && len(c.Farm) == 1 && len(c.Fleet) > 0:
			return true
		case slices.Contains(lookups, name) && anyLookup:
			return true
		}
		return !isRefused(by[name])
	})
}

// isRefused reports whether the service does not allow an operation, somewhere or at all. That a worker or a session was
// not found is no refusal, because it may have been deleted.
func isRefused(o status.Operation) bool {
	return o.Failed["denied"] > 0 || o.Answered == 0 && o.Failed["credentials"]+o.Failed["refused"] > 0
}
