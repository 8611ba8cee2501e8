package main

import (
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
		run  runCmd
		by   map[string]status.Operation
		want []string
	}{
		"all answered":           {by: all(nil)},
		"nothing was tried":      {by: map[string]status.Operation{}},
		"farms":                  {by: all(map[string]status.Operation{"ListFarms": denied}), want: []string{"ListFarms"}},
		"farms, with --farm":     {run: runCmd{Farm: []string{"f"}}, by: all(map[string]status.Operation{"ListFarms": denied, "ListFleets": denied}), want: []string{"ListFleets"}},
		"with farm and fleet":    {run: runCmd{Farm: []string{"f"}, Fleet: []string{"l"}}, by: all(map[string]status.Operation{"ListFarms": denied, "ListFleets": denied})},
		"with farms and fleet":   {run: runCmd{Farm: []string{"f", "g"}, Fleet: []string{"l"}}, by: all(map[string]status.Operation{"ListFleets": denied}), want: []string{"ListFleets"}},
		"workers and sessions":   {by: all(map[string]status.Operation{"ListWorkers": denied, "ListSessionsForWorker": denied}), want: []string{"ListWorkers", "ListSessionsForWorker"}},
		"of one fleet only":      {by: all(map[string]status.Operation{"ListWorkers": {Answered: 9, Failed: map[string]uint64{"denied": 1}}}), want: []string{"ListWorkers"}},
		"one of two lookups":     {by: all(map[string]status.Operation{"BatchGetSession": denied})},
		"both lookups":           {by: all(map[string]status.Operation{"BatchGetSession": denied, "GetSession": denied}), want: []string{"BatchGetSession", "GetSession"}},
		"a worker was deleted":   {by: all(map[string]status.Operation{"ListSessionsForWorker": {Failed: map[string]uint64{"not_found": 1}}})},
		"denied, then throttled": {by: all(map[string]status.Operation{"ListWorkers": {Answered: 9, Failed: map[string]uint64{"denied": 1, "throttled": 1}}}), want: []string{"ListWorkers"}},
		"throttled":              {by: all(map[string]status.Operation{"ListWorkers": {Failed: map[string]uint64{"throttled": 4}}})},
		"bad credentials":        {by: map[string]status.Operation{"ListFarms": {Failed: map[string]uint64{"credentials": 1}}}, want: []string{"ListFarms"}},
		"renewed credentials":    {by: all(map[string]status.Operation{"ListFarms": {Answered: 4, Failed: map[string]uint64{"credentials": 1}}})},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.run.refused(c.by); !slices.Equal(got, c.want) {
				t.Errorf("refused %q, want %q", got, c.want)
			}
		})
	}
}
