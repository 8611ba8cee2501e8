package coverage_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"farmwire/coverage"
)

// What was given to the poller decides which lists count. As long as one of them is missing there is no watermark, and then it is
// the oldest of them.
func TestListsThatCount(t *testing.T) {
	for name, tc := range map[string]struct {
		config coverage.Config
		lists  []func(*example) // one every ten seconds
		want   []string         // the watermark announced after each
	}{
		"nothing is given: everything from ListFarms on": {
			lists: []func(*example){
				func(e *example) { e.listFarms("f") },
				func(e *example) { e.listFleets("f", "a") },
				func(e *example) { e.listWorkers("f/a") },
				func(e *example) { e.listFleets("f", "a") },
				func(e *example) { e.listFarms("f") },
			},
			want: []string{"never", "never", "10s", "10s", "30s"}, // At last that of ListWorkers is the oldest.
		},
		"farms: everything from ListFleets of each on": {
			config: coverage.Config{Farms: []string{"f", "g"}},
			lists: []func(*example){
				func(e *example) { e.listFleets("f", "a") },
				func(e *example) { e.listWorkers("f/a") },
				func(e *example) { e.listFleets("g") },
				func(e *example) { e.listFleets("f", "a") },
			},
			want: []string{"never", "never", "10s", "20s"},
		},
		"one farm without fleets": {
			config: coverage.Config{Farms: []string{"f"}},
			lists: []func(*example){
				func(e *example) { e.listFleets("f", "a") },
				func(e *example) { e.listWorkers("f/a") },
			},
			want: []string{"never", "10s"},
		},
		"one farm and fleets: only ListWorkers of these": {
			config: coverage.Config{Farms: []string{"f"}, Fleets: []string{"a", "b"}},
			lists: []func(*example){
				func(e *example) { e.listWorkers("f/a") },
				func(e *example) { e.listWorkers("f/b") },
				func(e *example) { e.listWorkers("f/a") },
			},
			want: []string{"never", "10s", "20s"},
		},
		"several farms: the fleets are not looked at": {
			config: coverage.Config{Farms: []string{"f", "g"}, Fleets: []string{"a"}},
			lists: []func(*example){
				func(e *example) { e.listWorkers("f/a") },
				func(e *example) { e.listWorkers("g/a") },
				func(e *example) { e.listFleets("f", "a") },
				func(e *example) { e.listFleets("g", "a") },
			},
			want: []string{"never", "never", "never", "10s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExample(t, tc.config)
			for i, list := range tc.lists {
				list(e.at(float64(10 * (i + 1))))
				records, _ := e.tracker.Take(e.now, true)
				if got := when(records[len(records)-1].Heartbeat.Watermark.Announced); got != tc.want[i] {
					t.Errorf("after list %d the watermark is %s, want %s", i+1, got, tc.want[i])
				}
			}
		})
	}
}

// What is stored of a fleet that is left out now neither holds back the watermarks nor is behind, and its gaps are over. The same
// holds for a farm.
func TestLeftOutFleetsDoNotCount(t *testing.T) {
	for name, config := range map[string]coverage.Config{
		"a fleet": {Farms: []string{"f"}, Fleets: []string{"a"}},
		"a farm":  {Farms: []string{"f"}},
	} {
		t.Run(name, func(t *testing.T) {
			leftOut := map[string]string{"a fleet": "f/b", "a farm": "g/b"}[name]
			all := coverage.Watermark{Changes: seconds(100), Announced: seconds(100), Starts: seconds(100)}
			both := coverage.Affects{Announced: true, Starts: true}
			old := coverage.Watermark{Announced: seconds(10), Starts: seconds(10)}
			stored := &coverage.State{
				Alive: seconds(100), Watermark: all, NextGap: 4,
				Behind: []coverage.Behind{
					{Gap: 1, Scope: scope(leftOut + "/w3"), Affects: both, Watermark: old},
					{Gap: 2, Scope: scope(leftOut), Affects: both, Watermark: old},
					{Gap: 3, Scope: scope(leftOut + "/w2"), Affects: both, Watermark: old},
				},
				Gaps: []coverage.Gap{
					{Number: 2, Reason: coverage.Denied, Affects: both, Scope: scope(leftOut), From: seconds(10)},
					{Number: 3, Reason: coverage.Failing, Affects: both, Scope: scope(leftOut + "/w2"), From: seconds(10)},
				},
				Workers: workers("f/a/w1", leftOut+"/w2", leftOut+"/w3"),
			}
			e := newExample(t, config)
			e.at(110).own(stored)
			e.at(120)
			e.listFleets("f", "a")
			e.listWorkers("f/a", "w1")
			e.list("f/a/w1", 1)
			want := []string{
				"gap 2 is over: denied, " + leftOut + " from 10s to 100s",
				"gap 3 is over: failing, " + leftOut + "/w2 from 10s to 100s",
				"watermark: changes 120s announced 120s starts 120s",
			}
			got := e.take(true)
			slices.Sort(got)
			e.expect(want, got)
			if d := len(e.state.Workers); d != 1 {
				t.Errorf("%d workers are stored, want 1", d)
			}
		})
	}
}

// If a complete list lacks a fleet, its workers are deleted, the gaps that concern only it or something in it are over, and
// nothing of it is behind. The same holds for a farm.
func TestDeletedFleet(t *testing.T) {
	for name, tc := range map[string]struct {
		remove func(*example)
		want   []string
	}{
		"a fleet": {
			remove: func(e *example) { e.listFarms("f"); e.listFleets("f", "b") },
			want: []string{
				"gap 1 is over: denied, f/a from 10s to 100s",
				"gap 2 is over: deleted, f/a from 20s to 100s: w1 from 20s to 100s, w2 from 21s to 100s",
				"watermark: changes 100s announced 100s starts 100s",
			},
		},
		"its farm": {
			remove: func(e *example) { e.listFarms() },
			want: []string{
				"gap 1 is over: denied, f/a from 10s to 100s",
				"gap 2 is over: deleted, f/a from 20s to 100s: w1 from 20s to 100s, w2 from 21s to 100s",
				"gap 3 is over: deleted, f/b from 95s to 100s: w3 from 95s to 100s",
				"watermark: changes 100s announced 100s starts 100s",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExample(t, coverage.Config{})
			e.at(10).discover("f", "f/a/w1", "f/a/w2", "f/b/w3")
			e.at(20).list("f/a/w1", 1)
			e.at(21).list("f/a/w2", 1)
			for _, n := range []float64{30, 95} {
				e.at(n).fails(coverage.Denied, coverage.ListWorkers, "f/a")
				e.listWorkers("f/b", "w3")
				e.list("f/b/w3", 1)
			}
			e.publishes(
				"gap 1 begins: denied, f/a from 10s, affects announced starts",
				"watermark: changes 95s announced 10s starts 10s", // of ListFarms and ListFleets
				"behind because of gap 1: f/a, announced 10s starts 10s",
			)
			tc.remove(e.at(100))
			e.listWorkers("f/b", "w3") // Nobody asks for it if its farm is deleted, but it may be under way.
			if name == "a fleet" {
				e.list("f/b/w3", 1)
			}
			e.publishes(tc.want...)
			if len(e.state.Gaps) > 0 {
				t.Errorf("stored are the open gaps %+v", e.state.Gaps)
			}
		})
	}
}

// Deleted workers of a fleet are collected for a minute. Until they are published they hold back the watermark of starts.
func TestDeletedWorkersAreCollected(t *testing.T) {
	e := newExample(t, coverage.Config{Farms: []string{"f"}, Fleets: []string{"a", "b"}})
	e.at(10).listWorkers("f/a", "w1", "w2", "w3")
	e.listWorkers("f/b", "w4")
	for i, w := range []string{"f/a/w1", "f/a/w2", "f/a/w3", "f/b/w4"} {
		e.at(float64(20+i)).list(w, 1)
	}
	e.at(30).listWorkers("f/a", "w2", "w3")
	e.at(40).listWorkers("f/a", "w3")
	e.listWorkers("f/b")
	e.at(89).list("f/a/w3", 1)
	e.expect(nil, e.take(false))
	if e.tracker.IsDue(e.now) {
		t.Error("something is due before a minute has passed")
	}
	if got := when(e.state.Watermark.Starts); got != "20s" {
		t.Errorf("the watermark of starts is %s, want 20s, when w1 was listed", got)
	}
	if len(e.state.Workers) != 4 {
		t.Errorf("a successor must find out that they are gone, but only %v are stored", e.state.Workers)
	}
	e.at(90)
	if !e.tracker.IsDue(e.now) {
		t.Error("nothing is due after a minute")
	}
	e.expect([]string{"gap 1 is over: deleted, f/a from 20s to 40s: w1 from 20s to 30s, w2 from 21s to 40s"}, e.take(false))
	e.at(100)
	e.expect([]string{"gap 2 is over: deleted, f/b from 23s to 40s: w4 from 23s to 40s"}, e.take(false))
	e.publishes("watermark: changes 89s announced 40s starts 40s")
}

// A record names at most 1,000 deleted workers.
func TestManyDeletedWorkers(t *testing.T) {
	e := newExample(t, coverage.Config{Farms: []string{"f"}, Fleets: []string{"a"}})
	ids := numbered("w", 0, 2100)
	e.at(10).listWorkers("f/a", ids...)
	e.at(20).listWorkers("f/a")
	records, _ := e.tracker.Take(e.now, true)
	var sizes []int
	var named []string
	for _, r := range records {
		if r.Gap != nil {
			sizes = append(sizes, len(r.Gap.Workers))
			named = append(named, slices.Collect(maps.Keys(r.Gap.Workers))...)
		}
	}
	slices.Sort(named)
	if fmt.Sprint(sizes) != "[1000 1000 100]" || !slices.Equal(named, ids) {
		t.Errorf("records name %v workers, %d in all", sizes, len(named))
	}
}

// A fleet that is denied from the beginning holds back every watermark until it is a gap. Then the watermarks wait only for what
// else was not looked at yet. Nothing is claimed of the fleet, and the gap begins at no time, because there was no good answer.
func TestDeniedFromTheBeginning(t *testing.T) {
	e := newExample(t, coverage.Config{})
	e.at(10).listFarms("f")
	e.listFleets("f", "a", "b")
	e.listWorkers("f/a", "w1")
	e.fails(coverage.Denied, coverage.ListWorkers, "f/b")
	e.publishes("watermark: changes never announced never starts never")
	e.at(70).fails(coverage.Denied, coverage.ListWorkers, "f/b")
	e.publishes(
		"gap 1 begins: denied, f/b from never, affects announced starts",
		"watermark: changes never announced 10s starts never", // w1 is not listed yet
		"behind because of gap 1: f/b, announced never starts never",
	)
	e.at(80).list("f/a/w1", 1, "s1")
	e.publishes(
		"watermark: changes 80s announced 10s starts 10s", // the lists of farms and fleets are the oldest
		"behind because of gap 1: f/b, announced never starts never",
	)
	e.at(90).listWorkers("f/b", "w2")
	e.publishes( // w2 is new, and nobody has listed it before or after the gap
		"gap 1 is over: denied, f/b from never to 90s",
		"watermark: changes 80s announced 10s starts 10s",
		"behind because of gap 1: f/b/w2, starts never",
	)
	e.at(100).list("f/b/w2", 1)
	e.publishes("watermark: changes 80s announced 10s starts 10s")
}

// A worker that one list of several pages lacks may have moved from page to page. If the next one lacks it too, it is gone.
func TestGoneOfSeveralPages(t *testing.T) {
	for _, tc := range []struct {
		pages int
		want  []bool // whether w2 is gone after each list that lacks it
	}{
		{1, []bool{true}},
		{2, []bool{false, true}},
	} {
		e := newExample(t, oneFleet)
		list := func(at float64, ids ...string) {
			r := e.at(at).send(coverage.ListWorkers, "f/a")
			for range tc.pages - 1 {
				e.answer(r, coverage.Answer{UnderWay: true})
				r = e.sendNext(r)
			}
			a := coverage.Answer{Complete: true}
			for _, id := range ids {
				a.Shown = append(a.Shown, scope("f/a/"+id))
			}
			e.answer(r, a)
		}
		list(10, "w1", "w2")
		e.take(true)
		for n, want := range tc.want {
			list(float64(20+10*n), "w1")
			words := strings.Join(e.take(true), "; ")
			if got := strings.Contains(words, "deleted"); got != want {
				t.Errorf("%d pages, list %d that lacks it: gone %v, want %v: %s", tc.pages, n+1, got, want, words)
			}
		}
	}
}
