package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// life is the true life of the example's session n, with a state shown at each of the given seconds.
func life(n int, states ...lifecycle) truth {
	t := truth{SessionID: example(n, 1, "", "", 0).Session.SessionID, Transitions: transitions(states)}
	for _, s := range states {
		if s.Ended {
			t.EndedAt = s.Shown
		}
	}
	return t
}

func shown(status, target string, second float64) lifecycle {
	return lifecycle{Status: status, Target: target, Ended: status == "ENDED", Shown: at(second)}
}

func TestTransitions(t *testing.T) {
	got := transitions([]lifecycle{
		shown("STARTED", "", 0),
		shown("UPDATE_IN_PROGRESS", "", 1),
		shown("UPDATE_FAILED", "ENDED", 2),
		shown("PAUSED", "ENDED", 3),
		shown("STARTED", "ENDED", 4),
		{Status: "ENDED", Target: "ENDED", Ended: true, Shown: at(5)},
		{Status: "ENDED", Target: "ENDED", Ended: true, Shown: at(6)},
	})
	want := []transition{
		{"started", "STARTED", at(0)},
		{"updating", "UPDATE_IN_PROGRESS", at(1)},
		{"updatefailed", "UPDATE_FAILED", at(2)},
		{"ending", "UPDATE_FAILED", at(2)},
		{"changed", "PAUSED", at(3)},
		{"changed", "STARTED", at(4)},
		{"ended", "ENDED", at(5)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("transitions (-want +got):\n%s", diff)
	}
}

// TestSettle has one case for each thing that an account can find.
func TestSettle(t *testing.T) {
	whole := life(1, shown("STARTED", "", 2), shown("UPDATE_IN_PROGRESS", "", 10), shown("UPDATE_SUCCEEDED", "", 11), shown("ENDED", "", 20))
	started, updating := example(1, 1, "started", "STARTED", 1.9), example(1, 2, "updating", "UPDATE_IN_PROGRESS", 9.9)
	updated, ended := example(1, 3, "updated", "UPDATE_SUCCEEDED", 10.9), example(1, 4, "ended", "ENDED", 19.9)
	numbered := func(e event, sequence uint64) event { e.Sequence = sequence; return e }
	d := 420 * time.Millisecond

	for _, test := range []struct {
		name   string
		record []truth
		events []event
		want   account
	}{
		{"all told", []truth{whole}, []event{started, updating, updated, ended},
			account{Transitions: 4, Told: 4, Events: 4, Delays: []time.Duration{d, d, d, d}}},
		{"a status passed between two polls", []truth{whole}, []event{started, numbered(updated, 2), numbered(ended, 3)},
			account{Transitions: 4, Told: 3, Passed: 1, Events: 3, Delays: []time.Duration{d, d, d}}},
		{"the start is missed", []truth{whole}, []event{numbered(updating, 1), numbered(updated, 2), numbered(ended, 3)},
			account{Transitions: 4, Told: 3, Events: 3, Delays: []time.Duration{d, d, d}, MissedStarts: []string{whole.SessionID}}},
		{"the end is missed", []truth{whole}, []event{started, updating, updated},
			account{Transitions: 4, Told: 3, Events: 3, Delays: []time.Duration{d, d, d}, MissedEnds: []string{whole.SessionID}}},
		{"nothing is told", []truth{whole}, nil,
			account{Transitions: 4, Passed: 2, MissedStarts: []string{whole.SessionID}, MissedEnds: []string{whole.SessionID}}},
		{"the present state is late", []truth{life(1, shown("STARTED", "", 2), shown("UPDATE_IN_PROGRESS", "", 10))}, []event{started},
			account{Transitions: 2, Told: 1, Events: 1, Delays: []time.Duration{d}, Late: []string{whole.SessionID}}},
		{"there and back between two polls", []truth{life(1, shown("STARTED", "", 2), shown("UPDATE_IN_PROGRESS", "", 10), shown("UPDATE_SUCCEEDED", "", 11),
			shown("UPDATE_IN_PROGRESS", "", 30), shown("UPDATE_SUCCEEDED", "", 30.1))}, []event{started, updating, updated},
			account{Transitions: 5, Told: 3, Passed: 2, Events: 3, Delays: []time.Duration{d, d, d}}},
		{"the target is late", []truth{life(1, shown("STARTED", "", 2), shown("STARTED", "ENDED", 10))}, []event{started},
			account{Transitions: 2, Told: 1, Events: 1, Delays: []time.Duration{d}, Late: []string{whole.SessionID}}},
		{"after the account's end", []truth{life(1, shown("STARTED", "", 2), shown("ENDED", "", 101))}, []event{started},
			account{Transitions: 1, Told: 1, Events: 1, Delays: []time.Duration{d}}},
		{"history", []truth{life(1, shown("STARTED", "", -10), shown("ENDED", "", -5))}, nil, account{}},
		{"open before the watch", []truth{life(1, shown("STARTED", "", -10), shown("UPDATE_IN_PROGRESS", "", 0.2), shown("ENDED", "", 20))},
			[]event{example(1, 1, "discovered", "UPDATE_IN_PROGRESS", 0), numbered(ended, 2)},
			account{Transitions: 1, Told: 1, Discovered: 1, Events: 2, Delays: []time.Duration{d}}},
		{"forgotten", []truth{{SessionID: whole.SessionID, Forgotten: true, Transitions: whole.Transitions}},
			[]event{started, numbered(example(1, 2, "vanished", "STARTED", 30), 2)},
			account{Transitions: 3, Told: 1, Passed: 2, Events: 2, Delays: []time.Duration{d}}},
		{"vanished though it is known", []truth{life(1, shown("STARTED", "", 2))}, []event{started, numbered(example(1, 2, "vanished", "STARTED", 30), 2)},
			account{Transitions: 1, Told: 1, Events: 2, Delays: []time.Duration{d}, Invented: []string{whole.SessionID + ".vanished"}}},
		{"told twice", []truth{whole}, []event{started, updating, updated, ended, ended},
			account{Transitions: 4, Told: 4, Events: 5, Delays: []time.Duration{d, d, d, d},
				Invented: []string{ended.ID}, Disordered: []string{ended.ID}}},
		{"a session that never was", nil, []event{started},
			account{Events: 1, Invented: []string{started.ID}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := settle(test.record, test.events, func(truth) time.Time { return noon }, at(100))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("account (-want +got):\n%s", diff)
			}
			clean := len(test.want.MissedStarts)+len(test.want.MissedEnds)+len(test.want.Late)+len(test.want.Invented)+len(test.want.Disordered) == 0
			if got.complete() != clean {
				t.Errorf("complete is %t", got.complete())
			}
		})
	}
}

// TestMatchTakesTheLatest: of two like changes between two polls an event tells the second, so that its delay is not made longer than it is.
func TestMatchTakesTheLatest(t *testing.T) {
	happened := transitions([]lifecycle{
		shown("STARTED", "", 0), shown("UPDATE_IN_PROGRESS", "", 1), shown("UPDATE_SUCCEEDED", "", 2),
		shown("UPDATE_IN_PROGRESS", "", 3), shown("UPDATE_SUCCEEDED", "", 9),
	})
	got := match(happened, []event{example(1, 1, "started", "STARTED", 0), example(1, 2, "updating", "UPDATE_IN_PROGRESS", 4)})
	if diff := cmp.Diff([]int{0, 3}, got); diff != "" {
		t.Errorf("matches (-want +got):\n%s", diff)
	}
}

func TestPercentile(t *testing.T) {
	var a account
	if got := a.percentile(50); got >= 0 {
		t.Errorf("percentile of nothing is %s", got)
	}
	for i := range 200 {
		a.Delays = append(a.Delays, time.Duration(i+1))
	}
	for p, want := range map[int]time.Duration{50: 100, 95: 190, 99: 198, 100: 200} {
		if got := a.percentile(p); got != want {
			t.Errorf("p%d is %d, want %d", p, got, want)
		}
	}
}
