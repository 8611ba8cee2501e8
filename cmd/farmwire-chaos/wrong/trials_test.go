package wrong

import (
	"context"
	"errors"
	"slices"
	"testing"

	"farmwire/cmd/farmwire-chaos/check"
)

// What the table has is not tried again: neither the wrong publisher nor the right one in the same campaign.
func TestTrialsInTheTable(t *testing.T) {
	fails := func(context.Context, Publisher, uint64) (*check.Report, error) {
		return nil, errors.New("nothing is to be run")
	}
	ts := NewTrials(1, true, &Table{rows: map[string]Trial{"one": inTable[0], "two": inTable[1]}}, fails)
	one := Publisher{Name: "one", Flags: []string{"--kills", "1"}, edits: []edit{{file: "a", old: "b"}}}
	got, err := ts.Try(t.Context(), one)
	if err != nil || got != inTable[0] || !got.Good() {
		t.Errorf("%v %v", got, err)
	}
	other := Publisher{Name: "other", Flags: one.Flags, edits: []edit{{file: "c", old: "d"}}}
	if got := ts.right[campaignOf(other, 2)]; got != clean {
		t.Errorf("of another wrong one with the same campaign: %q", got)
	}
	other.edits[0].pace = true
	if ts.right[campaignOf(other, 2)] != "" || ts.right[campaignOf(one, 1)] != "" {
		t.Error("another pace or seed is another campaign")
	}
	if _, err := ts.Try(t.Context(), Publisher{Name: "two", edits: one.edits}); err == nil {
		t.Error("the right one was to be tried, and cannot be here")
	}
	ts.tryRight = false
	if got, err := ts.Try(t.Context(), Publisher{Name: "two"}); err != nil || got.Good() {
		t.Errorf("%v %v", got, err)
	}
}

// A wrong publisher has three seeds, and the right one the seed that caught it.
func TestTrials(t *testing.T) {
	var seeds []uint64
	ts := NewTrials(5, true, nil, func(_ context.Context, p Publisher, seed uint64) (*check.Report, error) {
		seeds = append(seeds, seed)
		if len(p.edits) > 0 && seed == 6 {
			return &check.Report{Found: map[check.Kind]int{check.Hole: 2}}, nil
		}
		return &check.Report{}, nil
	})
	got, err := ts.Try(t.Context(), Publisher{Name: "a", Expect: []check.Kind{check.Hole}, edits: []edit{{file: "a"}}})
	got.took = 0
	want := Trial{name: "a", caught: true, seed: 6, found: "hole 2", right: clean}
	if err != nil || got != want || !slices.Equal(seeds, []uint64{5, 6, 6}) {
		t.Errorf("%v %v, seeds %d", got, err, seeds)
	}
	got, err = ts.Try(t.Context(), Publisher{Name: "b", Expect: []check.Kind{check.LostEnd}, edits: []edit{{file: "a"}}})
	if err != nil || got.caught || got.seed != 7 {
		t.Errorf("%v %v", got, err)
	}
}
