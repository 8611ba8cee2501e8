package main

import (
	"testing"
	"time"

	"farmwire/poller/farmtest"
)

// listings gives looks of workers, at seconds of the example.
func listings(byWorker map[string][]float64) *looks {
	l := newLooks()
	for id, seconds := range byWorker {
		for _, s := range seconds {
			l.observe(farmtest.Call{Operation: farmtest.ListSessionsForWorker, WorkerID: id, Page: 1, Arrived: at(s), Outcome: farmtest.OutcomeOK})
		}
	}
	return l
}

// A change is due when its worker was listed often enough since, or when the others were: neither a slow machine nor a
// worker that is never listed again is taken for the other.
func TestHadTurn(t *testing.T) {
	often := []float64{10.5, 11, 11.5, 12, 12.5, 13, 13.5, 14}
	for _, c := range []struct {
		name  string
		looks map[string][]float64
		now   float64
		want  bool
	}{
		{"nobody was listed", nil, 100, false},
		{"the worker was listed before the change only", map[string][]float64{"w": {1, 2, 3, 9}}, 100, false},
		{"it was listed once since: the event may be on its way", map[string][]float64{"w": {9, 12}}, 100, false},
		{"it was listed again and again: what was seen is committed", map[string][]float64{"w": {12, 13, 14}}, 100, true},
		{"just now", map[string][]float64{"w": {12, 13, 14}}, 18, false},
		{"a slow machine lists all rarely", map[string][]float64{"w": {9}, "a": {12, 20}, "b": {15}, "c": {18, 30}}, 100, false},
		{"all others are listed often: this one was forgotten", map[string][]float64{"w": {9}, "a": often, "b": often, "c": {12}}, 100, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := listings(c.looks).hadTurn("w", at(10), at(c.now)); got != c.want {
				t.Errorf("had its turn: %t", got)
			}
		})
	}
}

// Listings that were refused or broken off are no looks.
func TestLooksCountAnswers(t *testing.T) {
	l := newLooks()
	for _, outcome := range []string{farmtest.OutcomeCut, farmtest.OutcomeLeft, "ThrottlingException"} {
		l.observe(farmtest.Call{Operation: farmtest.ListSessionsForWorker, WorkerID: "w", Page: 1, Arrived: at(1), Outcome: outcome})
	}
	l.observe(farmtest.Call{Operation: farmtest.ListWorkers, Page: 1, Arrived: at(1), Outcome: farmtest.OutcomeOK})
	if len(l.byWorker) > 0 || !l.silentSince(at(0)) {
		t.Errorf("looks: %v", l.byWorker)
	}
}

// Looks are forgotten after a while, and so are workers.
func TestLooksForget(t *testing.T) {
	later := lookMemory.Seconds() + 10
	l := listings(map[string][]float64{"w": {1, 2, later}, "gone": {1}})
	l.observe(farmtest.Call{Operation: farmtest.ListSessionsForWorker, WorkerID: "new", Page: 1, Arrived: at(later), Outcome: farmtest.OutcomeOK})
	if _, known := l.byWorker["gone"]; known || len(l.byWorker["w"]) != 1 {
		t.Errorf("looks: %v", l.byWorker)
	}
	if l.silentSince(at(later).Add(-time.Second)) || !l.silentSince(at(later+1)) {
		t.Error("the last look is not known")
	}
}
