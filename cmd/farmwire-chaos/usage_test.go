package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"farmwire/poller/farmtest"
)

// A campaign that left something out is told so.
func TestUntried(t *testing.T) {
	all := func() (*usage, farmtest.Stats) {
		each := map[string]int{farmtest.OutcomeOK: 1, denied: 1, "503": 1}
		return &usage{samples: map[string]int{"sweeps": 4, "round_robin": 1}, stopped: map[string]float64{"a": 2, "b": 1}}, farmtest.Stats{
			Calls:  map[farmtest.Operation]map[string]int{farmtest.BatchGetSession: each, farmtest.BatchGetWorker: each, farmtest.ListSessions: each},
			Faults: map[farmtest.Kind]int{farmtest.StaleStatuses: 1},
		}
	}
	for name, c := range map[string]struct {
		without func(*usage, farmtest.Stats)
		want    []string
	}{
		"everything":   {func(*usage, farmtest.Stats) {}, nil},
		"an operation": {func(_ *usage, s farmtest.Stats) { delete(s.Calls, farmtest.ListSessions) }, []string{"a denial of ListSessions", "a failure of ListSessions", "an answer to ListSessions"}},
		"failures": {func(_ *usage, s farmtest.Stats) {
			s.Calls[farmtest.BatchGetWorker] = map[string]int{farmtest.OutcomeOK: 1, denied: 2}
		}, []string{"a failure of BatchGetWorker"}},
		"stale statuses": {func(_ *usage, s farmtest.Stats) { clear(s.Faults) }, []string{"stale statuses of workers"}},
		"early stops":    {func(u *usage, _ farmtest.Stats) { clear(u.stopped) }, []string{"a listing that stops early"}},
		"a strategy":     {func(u *usage, _ farmtest.Stats) { delete(u.samples, "round_robin") }, []string{"the strategy round_robin"}},
	} {
		u, stats := all()
		c.without(u, stats)
		if d := cmp.Diff(c.want, u.missing(stats)); d != "" {
			t.Errorf("without %s (-want +got):\n%s", name, d)
		}
	}
	var out bytes.Buffer
	u, stats := all()
	u.print(&out, stats)
	for _, want := range []string{"BatchGetWorker: 503 1, AccessDeniedException 1, ok 1", "at least 3 listings stopped early; seconds with sweeps 2, with round robin 0"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q lacks %q", out.String(), want)
		}
	}
}
