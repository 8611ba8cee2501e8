package coverage_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"farmwire/coverage"
)

// failListings lets the listings of workers of fleets of the farm f fail from 20 s to 90 s. The worker w0000 of each fleet is listed
// all the time, so the others fail each for itself.
func (e *example) failListings(paths map[string][]string) {
	for _, n := range []float64{20, 55, 90} {
		e.at(n)
		for _, fleet := range []string{"a", "b"} {
			for _, path := range paths[fleet] {
				e.fails(coverage.Failing, coverage.ListSessionsForWorker, path)
			}
			e.list("f/"+fleet+"/w0000", 1)
		}
	}
}

// manyWorkers lists workers of the fleets a and b, of each one more than asked for: w0000, which is not in paths. It lists one
// worker a millisecond from 10 s on.
func manyWorkers(t *testing.T, fleets map[string]int) (e *example, paths map[string][]string) {
	e = newExample(t, coverage.Config{Farms: []string{"f"}, Fleets: []string{"a", "b"}})
	paths = make(map[string][]string)
	e.at(1)
	for _, fleet := range []string{"a", "b"} {
		ids := numbered("w", 0, fleets[fleet]+1)
		e.listWorkers("f/"+fleet, ids...)
		for _, id := range ids {
			paths[fleet] = append(paths[fleet], "f/"+fleet+"/"+id)
		}
	}
	e.at(10)
	for _, fleet := range []string{"a", "b"} {
		for _, path := range paths[fleet] {
			e.list(path, 1)
			e.now = e.now.Add(time.Millisecond)
		}
		paths[fleet] = paths[fleet][1:]
	}
	return e, paths
}

// behind returns the words of the heartbeat about what is behind.
func (e *example) behind() []string {
	return slices.DeleteFunc(e.take(true), func(text string) bool { return !strings.HasPrefix(text, "behind") })
}

// At most 50 entries are behind. If there are more, those of a fleet become one, first those whose gaps are over. It has the number
// of the oldest gap and the oldest look.
func TestBehindIsWidened(t *testing.T) {
	for name, tc := range map[string]struct {
		open, over map[string]int // workers that fail, and that did until just now, by fleet
		want       []string       // nil: those of the workers
		entries    int
	}{
		"50 are not widened": {open: map[string]int{"a": 50}, entries: 50},
		"51 become their fleet": {
			open: map[string]int{"a": 51}, entries: 1,
			want: []string{"behind because of gap 1: f/a, changes 10.001s starts 10.001s"},
		},
		"each becomes its own fleet": {
			open: map[string]int{"a": 30, "b": 30}, entries: 2,
			want: []string{"behind because of gap 1: f/a, changes 10.001s starts 10.001s", "behind because of gap 31: f/b, changes 10.032s starts 10.032s"},
		},
		"those that are over come first": {
			open: map[string]int{"a": 40}, over: map[string]int{"b": 20}, entries: 41,
			want: []string{"behind because of gap 41: f/b, starts 10.042s"},
		},
		"within one fleet, too": {
			open: map[string]int{"a": 40}, over: map[string]int{"a": 20}, entries: 41,
			want: []string{"behind because of gap 41: f/a, starts 10.041s"},
		},
		"if those that are over do not suffice, the others follow": {
			open: map[string]int{"a": 51}, over: map[string]int{"b": 20}, entries: 2,
			want: []string{"behind because of gap 1: f/a, changes 10.001s starts 10.001s", "behind because of gap 52: f/b, starts 10.053s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			total := map[string]int{"a": tc.open["a"] + tc.over["a"], "b": tc.open["b"] + tc.over["b"]}
			e, paths := manyWorkers(t, total)
			looks := make(map[string]time.Time)
			for i, path := range slices.Concat(paths["a"], paths["b"]) {
				if looks[path] = seconds(10).Add(time.Duration(i+1) * time.Millisecond); i >= total["a"] {
					looks[path] = looks[path].Add(time.Millisecond) // of f/b/w0000
				}
			}
			e.failListings(paths)
			e.take(false)
			e.at(100)
			for fleet, n := range tc.over {
				for _, path := range paths[fleet][len(paths[fleet])-n:] {
					e.list(path, 2) // This closes its gap, but the look is the listing before.
				}
			}
			records, _ := e.tracker.Take(e.now, true)
			heartbeat := *records[len(records)-1].Heartbeat
			if len(heartbeat.Behind) != tc.entries {
				t.Errorf("%d entries are behind, want %d", len(heartbeat.Behind), tc.entries)
			}
			words := describe(records[len(records)-1])
			for _, want := range tc.want {
				if !slices.Contains(words, want) {
					t.Errorf("%q is not among\n%s", want, strings.Join(words, "\n"))
				}
			}
			for path, look := range looks {
				if at := effective(heartbeat, scope(path)).Starts; at.After(look) {
					t.Errorf("the heartbeat claims that %s was looked at until %s, and the last look was at %s", path, when(at), when(look))
				}
			}
		})
	}
}

// If more than 50 fleets are behind, they become their farm, and if more than 50 farms are, they become everything.
func TestBehindIsWidenedToFarms(t *testing.T) {
	for name, tc := range map[string]struct {
		farms, fleets int // that fail, and of each of these farms
		want          []string
	}{
		"fleets of two farms": {2, 30, []string{
			"behind because of gap 1: f0000, announced 10s starts 10s", "behind because of gap 31: f0001, announced 10s starts 10s",
		}},
		"fleets of 51 farms": {51, 1, []string{"behind because of gap 1: everything, announced 10s starts 10s"}},
	} {
		t.Run(name, func(t *testing.T) {
			farms := numbered("f", 0, tc.farms)
			e := newExample(t, coverage.Config{Farms: farms})
			for _, farm := range farms {
				fleets := append(numbered("l", 0, tc.fleets), "well")
				e.at(5).listFleets(farm, fleets...)
				e.at(10)
				for _, fleet := range fleets {
					e.listWorkers(farm + "/" + fleet)
				}
			}
			for _, n := range []float64{20, 55, 90} {
				e.at(n)
				for _, farm := range farms {
					for _, fleet := range numbered("l", 0, tc.fleets) {
						e.fails(coverage.Denied, coverage.ListWorkers, farm+"/"+fleet)
					}
					e.listWorkers(farm + "/well")
				}
			}
			e.expect(tc.want, e.behind())
		})
	}
}

// The watermark does not go back for what has caught up with its gap, but is still older. That is behind until it is not older.
func TestCaughtUpButOlder(t *testing.T) {
	e := newExample(t, oneFleet)
	all := func(at float64) {
		e.at(at).listWorkers("f/a", "w1", "w2")
		e.list("f/a/w1", 1)
	}
	all(10)
	e.list("f/a/w2", 1)
	for _, n := range []float64{20, 50, 80} {
		e.at(n).fails(coverage.Failing, coverage.ListSessionsForWorker, "f/a/w2")
		all(n)
	}
	e.publishes(
		"gap 1 begins: failing, f/a/w2 from 10s, affects changes starts",
		"watermark: changes 80s announced 80s starts 80s",
		"behind because of gap 1: f/a/w2, changes 10s starts 10s",
	)
	e.at(100).list("f/a/w2", 2)
	all(150)
	e.publishes(
		"gap 1 is over: failing, f/a/w2 from 10s to 100s",
		"watermark: changes 150s announced 150s starts 150s",
		"behind because of gap 1: f/a/w2, starts 10s",
	)
	all(160)
	e.list("f/a/w2", 2) // counts as that of 100s, which is the end of the gap
	e.publishes(
		"watermark: changes 160s announced 160s starts 150s",
		"behind because of gap 1: f/a/w2, starts 100s",
	)
	e.at(170).list("f/a/w2", 2)
	e.publishes("watermark: changes 170s announced 160s starts 160s")
}

// At most 200 gaps are open. What fails beyond that holds back the watermark. When a gap is over, there is room for another.
func TestMostGapsThatAreOpen(t *testing.T) {
	e, paths := manyWorkers(t, map[string]int{"a": 203})
	e.failListings(paths)
	e.at(91).listWorkers("f/a", numbered("w", 0, 204)...)
	e.listWorkers("f/b", "w0000")
	e.list("f/b/w0000", 1)
	begun := 0
	for _, text := range e.take(true) {
		if strings.HasPrefix(text, "gap") {
			begun++
		}
	}
	if begun != 200 || len(e.state.Gaps) != 200 {
		t.Errorf("%d gaps have begun, and %d are stored", begun, len(e.state.Gaps))
	}
	if got := when(e.state.Watermark.Starts); got != "10.201s" {
		t.Errorf("the watermark of starts is %s, want that of the oldest worker without a gap, 10.201s", got)
	}
	if got := e.behindOf("f/a"); got != "10.001s" {
		t.Errorf("the fleet is behind at %s", got)
	}

	e.at(100).list(paths["a"][0], 1)
	e.list(paths["a"][1], 1)
	e.expect([]string{
		"gap 1 is over: failing, f/a/w0001 from 10.001s to 100s",
		"gap 201 begins: failing, f/a/w0201 from 10.201s, affects changes starts",
		"gap 2 is over: failing, f/a/w0002 from 10.002s to 100s",
		"gap 202 begins: failing, f/a/w0202 from 10.202s, affects changes starts",
	}, e.take(false))
	if got := when(e.state.Watermark.Starts); got != "10.203s" {
		t.Errorf("the watermark of starts is %s, want that of the worker which has no gap yet", got)
	}
}

// behindOf returns when starts is of what is stored as behind in a scope.
func (e *example) behindOf(path string) string {
	for _, b := range e.state.Behind {
		if b.Scope == scope(path) {
			return when(b.Watermark.Starts)
		}
	}
	return "not at all"
}
