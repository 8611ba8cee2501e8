package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"farmwire/cmd/view"
	"farmwire/event"
	"farmwire/status"
)

// showEvents returns a function that prints an event: on a terminal as a line for people, and elsewhere as a line of JSON.
func showEvents(out io.Writer) func(event.Record) error {
	if !view.IsTerminal(out) {
		return printJSON(out)
	}
	return showForPeople(newView(out, ""))
}

// showForPeople returns a function that prints an event as a line for people. The first event is preceded by the legend.
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
		return v.Event(e, view.NoDelay())
	}
}

// selection is what --farm and --fleet select. Nil selects everything.
type selection struct{ farms, fleets []string }

// summarize prints what a dry run saw, how its requests went, and what is wrong. It returns an error if run would not work:
// the service refuses an operation that run needs, does not find what the flags name, lists no farm, or has answered no
// request.
func (s selection) summarize(w io.Writer, r status.Report) error {
	p, all := r.Polling, r
	all.Polling.Operations = map[string]status.Operation{}
	for _, name := range operations() {
		all.Polling.Operations[name] = p.Operations[name] // also those that were never tried
	}
	if err := all.WriteSummary(w); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	if refused := s.refused(p.Operations); len(refused) > 0 {
		return fmt.Errorf("the service refuses what run needs: check the credentials, and that they allow deadline:%s", strings.Join(refused, ", deadline:"))
	}
	if missing := s.notFound(p); len(missing) > 0 {
		return fmt.Errorf("the service does not find %s: check --farm, --fleet and AWS_REGION", enumerate(missing))
	}
	switch {
	case p.Answered && p.Targets > 0 && p.PendingTargets == 0 && p.Farms == 0:
		return errors.New("the service lists no farm: check AWS_REGION, and that the credentials are of the right account and may see its farms")
	case p.Answered:
		return nil
	case len(p.Operations) == 0:
		return errors.New("no request was answered before the stop: let the dry run go on for longer")
	}
	return errors.New("no request succeeded: the log says why, and run publishes nothing until one does")
}

// operations returns the operations of the Deadline Cloud API that run uses.
func operations() []string {
	return []string{
		"ListFarms", "ListFleets", "ListWorkers", "ListSessionsForWorker", "BatchGetSession", "GetSession", "BatchGetWorker", "ListSessions",
	}
}

// refused returns the operations that run needs for this selection and that the service refuses.
func (s selection) refused(by map[string]status.Operation) []string {
	lookups := []string{"BatchGetSession", "GetSession"} // one of them is enough
	spared := []string{"BatchGetWorker", "ListSessions"} // without them everything is seen, but later
	anyLookup := slices.ContainsFunc(lookups, func(name string) bool { return !isRefused(by[name]) })
	return slices.DeleteFunc(operations(), func(name string) bool {
		switch {
		case name == "ListFarms" && len(s.farms) > 0, name == "ListFleets" && len(s.farms) == 1 && len(s.fleets) > 0:
			return true
		case slices.Contains(spared, name), slices.Contains(lookups, name) && anyLookup:
			return true
		}
		return !isRefused(by[name])
	})
}

// isRefused reports whether the service denied an operation at least once, or accepted the credentials for none of its
// requests. That a worker or a session was not found is no refusal, because it may have been deleted.
func isRefused(o status.Operation) bool {
	return o.Failed["denied"] > 0 || o.Answered == 0 && o.Failed["credentials"]+o.Failed["refused"] > 0
}

// notFound returns the selected farms and fleets that the service does not find.
func (s selection) notFound(p status.Polling) []string {
	var missing []string
	for _, f := range p.Discovery {
		switch {
		case f.Reason != "not_found":
		case f.FleetID == "" && slices.Contains(s.farms, f.FarmID):
			missing = append(missing, "farm "+f.FarmID)
		case slices.Contains(s.fleets, f.FleetID):
			missing = append(missing, "fleet "+f.FleetID+" of farm "+f.FarmID)
		}
	}
	if p.PendingTargets == 0 { // before that, a fleet may still be found in a farm that was not read yet
		for _, fleet := range p.MissingFleets {
			missing = append(missing, "fleet "+fleet)
		}
	}
	return missing
}
