package main

import (
	"io"
	"slices"
	"testing"

	"farmwire/status"
)

func TestRefused(t *testing.T) {
	denied := status.Operation{Failed: map[string]uint64{"denied": 2}}
	all := func(change map[string]status.Operation) map[string]status.Operation {
		by := map[string]status.Operation{}
		for _, name := range operations() {
			by[name] = status.Operation{Answered: 3}
		}
		for name, o := range change {
			by[name] = o
		}
		return by
	}
	for name, c := range map[string]struct {
		selected selection
		by       map[string]status.Operation
		want     []string
	}{
		"all answered":           {by: all(nil)},
		"nothing was tried":      {by: map[string]status.Operation{}},
		"farms":                  {by: all(map[string]status.Operation{"ListFarms": denied}), want: []string{"ListFarms"}},
		"farms, with --farm":     {selected: selection{farms: []string{"f"}}, by: all(map[string]status.Operation{"ListFarms": denied, "ListFleets": denied}), want: []string{"ListFleets"}},
		"with farm and fleet":    {selected: selection{farms: []string{"f"}, fleets: []string{"l"}}, by: all(map[string]status.Operation{"ListFarms": denied, "ListFleets": denied})},
		"with farms and fleet":   {selected: selection{farms: []string{"f", "g"}, fleets: []string{"l"}}, by: all(map[string]status.Operation{"ListFleets": denied}), want: []string{"ListFleets"}},
		"workers and sessions":   {by: all(map[string]status.Operation{"ListWorkers": denied, "ListSessionsForWorker": denied}), want: []string{"ListWorkers", "ListSessionsForWorker"}},
		"of one fleet only":      {by: all(map[string]status.Operation{"ListWorkers": {Answered: 9, Failed: map[string]uint64{"denied": 1}}}), want: []string{"ListWorkers"}},
		"one of two lookups":     {by: all(map[string]status.Operation{"BatchGetSession": denied})},
		"both lookups":           {by: all(map[string]status.Operation{"BatchGetSession": denied, "GetSession": denied}), want: []string{"BatchGetSession", "GetSession"}},
		"what only saves time":   {by: all(map[string]status.Operation{"BatchGetWorker": denied, "ListSessions": denied})},
		"a worker was deleted":   {by: all(map[string]status.Operation{"ListSessionsForWorker": {Failed: map[string]uint64{"not_found": 1}}})},
		"denied, then throttled": {by: all(map[string]status.Operation{"ListWorkers": {Answered: 9, Failed: map[string]uint64{"denied": 1, "throttled": 1}}}), want: []string{"ListWorkers"}},
		"throttled":              {by: all(map[string]status.Operation{"ListWorkers": {Failed: map[string]uint64{"throttled": 4}}})},
		"bad credentials":        {by: map[string]status.Operation{"ListFarms": {Failed: map[string]uint64{"credentials": 1}}}, want: []string{"ListFarms"}},
		"renewed credentials":    {by: all(map[string]status.Operation{"ListFarms": {Answered: 4, Failed: map[string]uint64{"credentials": 1}}})},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.selected.refused(c.by); !slices.Equal(got, c.want) {
				t.Errorf("refused %q, want %q", got, c.want)
			}
		})
	}
}

// A dry run fails if run would not work, and says why.
func TestSummarizeFails(t *testing.T) {
	answered := map[string]status.Operation{"ListFarms": {Answered: 1}}
	missing := status.Failure{FarmID: "farm-1", Operation: "ListFleets", Failures: 1, Reason: "not_found"}
	deleted := status.Failure{FarmID: "farm-1", FleetID: "fleet-1", Operation: "ListWorkers", Failures: 1, Reason: "not_found"}
	for name, c := range map[string]struct {
		selected selection
		polling  status.Polling
		want     string
	}{
		"it works":              {polling: status.Polling{Answered: true, Operations: answered}},
		"no farm at all":        {polling: status.Polling{Answered: true, Targets: 1, Operations: answered}, want: "the service lists no farm: check AWS_REGION, and that the credentials are of the right account and may see its farms"},
		"farms not read yet":    {polling: status.Polling{Answered: true, Targets: 1, PendingTargets: 1, Operations: answered}},
		"stopped at once":       {want: "no request was answered before the stop: let the dry run go on for longer"},
		"nothing but failures":  {polling: status.Polling{Operations: map[string]status.Operation{"ListFarms": {Failed: map[string]uint64{"server_error": 4}}}}, want: "no request succeeded: the log says why, and run publishes nothing until one does"},
		"no such farm":          {selected: selection{farms: []string{"farm-1"}}, polling: status.Polling{Discovery: []status.Failure{missing}}, want: "the service does not find farm farm-1: check --farm, --fleet and AWS_REGION"},
		"no such fleet in it":   {selected: selection{[]string{"farm-1"}, []string{"fleet-1"}}, polling: status.Polling{Answered: true, Discovery: []status.Failure{deleted}}, want: "the service does not find fleet fleet-1 of farm farm-1: check --farm, --fleet and AWS_REGION"},
		"no such fleet at all":  {selected: selection{fleets: []string{"fleet-1"}}, polling: status.Polling{Answered: true, MissingFleets: []string{"fleet-1"}}, want: "the service does not find fleet fleet-1: check --farm, --fleet and AWS_REGION"},
		"not searched yet":      {selected: selection{fleets: []string{"fleet-1"}}, polling: status.Polling{Answered: true, PendingTargets: 1, MissingFleets: []string{"fleet-1"}}},
		"a found fleet is gone": {polling: status.Polling{Answered: true, Discovery: []status.Failure{deleted}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := c.selected.summarize(io.Discard, status.Report{Polling: c.polling}); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("error %q, want %q", got, c.want)
			}
		})
	}
}
