package coverage_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever sequence of requests, answers, failures, commits and hand-overs there is, the laws of laws_test.go hold.
func TestPropertyLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rapid.Uint64().Draw(t, "seed"))
		steps := rapid.IntRange(50, 1500).Draw(t, "steps")
		w.outages = rapid.Bool().Draw(t, "outages")
		w.handovers = rapid.Bool().Draw(t, "hand-overs")
		w.deletions = rapid.Bool().Draw(t, "deletions")
		w.estimates = rapid.Bool().Draw(t, "estimates are wrong")
		for range steps {
			w.step()
		}
		w.settle()
		w.checkOutages()
		w.checkGoodAnswers()
	})
}

// What rapid finds must not depend on luck alone: all kinds of things happen in a long run.
func TestPropertyWorldIsBusy(t *testing.T) {
	w := newWorld(t, 7)
	w.outages, w.handovers, w.deletions, w.estimates = true, true, true, true
	for range 8000 {
		w.step()
	}
	w.settle()
	w.checkOutages()
	w.checkGoodAnswers()
	for what, n := range map[string]int{
		"closed gaps": w.closed, "gaps of deleted workers": w.deletedGaps, "gaps without an owner": w.downs, "heartbeats": w.heartbeats,
		"entries of behind": w.entries, "heartbeats with all watermarks": w.complete, "outages of everything": w.longOutages,
		"gaps of a part": w.partGaps, "unresolved gaps": w.unresolvedGaps,
	} {
		if n < 3 {
			t.Errorf("%s: only %d", what, n)
		}
	}
	if w.now.Sub(epoch) < time.Hour {
		t.Errorf("the run was only %v long", w.now.Sub(epoch))
	}
}
