package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/diff"
	"farmwire/event"
)

// noon is the instant that the examples begin at.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// example is an event of session n at a second of the example, observed half a second later.
func example(n int, sequence uint64, kind diff.Kind, status string, second float64) arrival {
	id := []string{"session-0b5f9d1c2e7a4f60", "session-77c3f00d9a1b2c3d", "session-1f2e3d4c5b6a7988"}[n]
	return arrival{Arrived: at(second + 0.52), Event: event.Event{
		ID: id + "." + string(kind), Time: at(second + 0.5),
		Change: diff.Change{
			Kind: kind, Sequence: sequence,
			Session:  diff.Session{SessionID: id, LifecycleStatus: status, StartedAt: noon},
			Observed: diff.Bounds{After: at(second), Before: at(second + 0.5)},
		},
	}}
}

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
		{diff.Started, "STARTED", at(0)},
		{diff.Updating, "UPDATE_IN_PROGRESS", at(1)},
		{diff.UpdateFailed, "UPDATE_FAILED", at(2)},
		{diff.Ending, "UPDATE_FAILED", at(2)},
		{diff.Changed, "PAUSED", at(3)},
		{diff.Changed, "STARTED", at(4)},
		{diff.Ended, "ENDED", at(5)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("transitions (-want +got):\n%s", diff)
	}
}

// TestSettle has one case for each thing that an account can find.
func TestSettle(t *testing.T) {
	whole := life(1, shown("STARTED", "", 2), shown("UPDATE_IN_PROGRESS", "", 10), shown("UPDATE_SUCCEEDED", "", 11), shown("ENDED", "", 20))
	started, updating := example(1, 1, diff.Started, "STARTED", 1.9), example(1, 2, diff.Updating, "UPDATE_IN_PROGRESS", 9.9)
	updated, ended := example(1, 3, diff.Updated, "UPDATE_SUCCEEDED", 10.9), example(1, 4, diff.Ended, "ENDED", 19.9)
	numbered := func(e arrival, sequence uint64) arrival { e.Sequence = sequence; return e }
	d := 420 * time.Millisecond

	for _, test := range []struct {
		name   string
		record []truth
		events []arrival
		want   account
	}{
		{"all told", []truth{whole}, []arrival{started, updating, updated, ended},
			account{Transitions: 4, Told: 4, Events: 4, Delays: []time.Duration{d, d, d, d}}},
		{"a status passed between two polls", []truth{whole}, []arrival{started, numbered(updated, 2), numbered(ended, 3)},
			account{Transitions: 4, Told: 3, Passed: 1, Events: 3, Delays: []time.Duration{d, d, d}}},
		{"the start is missed", []truth{whole}, []arrival{numbered(updating, 1), numbered(updated, 2), numbered(ended, 3)},
			account{Transitions: 4, Told: 3, Events: 3, Delays: []time.Duration{d, d, d}, MissedStarts: []string{whole.SessionID}}},
		{"the end is missed", []truth{whole}, []arrival{started, updating, updated},
			account{Transitions: 4, Told: 3, Events: 3, Delays: []time.Duration{d, d, d}, MissedEnds: []string{whole.SessionID}}},
		{"nothing is told", []truth{whole}, nil,
			account{Transitions: 4, Passed: 2, MissedStarts: []string{whole.SessionID}, MissedEnds: []string{whole.SessionID}}},
		{"the present state is missed", []truth{life(1, shown("STARTED", "", 2), shown("UPDATE_IN_PROGRESS", "", 10))}, []arrival{started},
			account{Transitions: 2, Told: 1, Events: 1, Delays: []time.Duration{d}, MissedStates: []string{whole.SessionID}}},
		{"there and back between two polls", []truth{life(1, shown("STARTED", "", 2), shown("UPDATE_IN_PROGRESS", "", 10), shown("UPDATE_SUCCEEDED", "", 11),
			shown("UPDATE_IN_PROGRESS", "", 30), shown("UPDATE_SUCCEEDED", "", 30.1))}, []arrival{started, updating, updated},
			account{Transitions: 5, Told: 3, Passed: 2, Events: 3, Delays: []time.Duration{d, d, d}}},
		{"the target is missed", []truth{life(1, shown("STARTED", "", 2), shown("STARTED", "ENDED", 10))}, []arrival{started},
			account{Transitions: 2, Told: 1, Events: 1, Delays: []time.Duration{d}, MissedStates: []string{whole.SessionID}}},
		{"after the account's end", []truth{life(1, shown("STARTED", "", 2), shown("ENDED", "", 101))}, []arrival{started},
			account{Transitions: 1, Told: 1, Events: 1, Delays: []time.Duration{d}}},
		{"history", []truth{life(1, shown("STARTED", "", -10), shown("ENDED", "", -5))}, nil, account{}},
		{"open before the watch", []truth{life(1, shown("STARTED", "", -10), shown("UPDATE_IN_PROGRESS", "", 0.2), shown("ENDED", "", 20))},
			[]arrival{example(1, 1, diff.Discovered, "UPDATE_IN_PROGRESS", 0), numbered(ended, 2)},
			account{Transitions: 1, Told: 1, Discovered: 1, Events: 2, Delays: []time.Duration{d}}},
		{"forgotten", []truth{{SessionID: whole.SessionID, Forgotten: true, Transitions: whole.Transitions}},
			[]arrival{started, numbered(example(1, 2, diff.Vanished, "STARTED", 30), 2)},
			account{Transitions: 3, Told: 1, Passed: 2, Events: 2, Delays: []time.Duration{d}}},
		{"vanished though it is known", []truth{life(1, shown("STARTED", "", 2))}, []arrival{started, numbered(example(1, 2, diff.Vanished, "STARTED", 30), 2)},
			account{Transitions: 1, Told: 1, Events: 2, Delays: []time.Duration{d}, Invented: []string{whole.SessionID + ".vanished"}}},
		{"told twice", []truth{whole}, []arrival{started, updating, updated, ended, ended},
			account{Transitions: 4, Told: 4, Events: 5, Delays: []time.Duration{d, d, d, d},
				Invented: []string{ended.ID}, Disordered: []string{ended.ID}}},
		{"a session that never was", nil, []arrival{started},
			account{Events: 1, Invented: []string{started.ID}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			due := true
			by := rules{func(truth) time.Time { return noon }, at(100), func(truth, time.Time) bool { return due }}
			got := settle(test.record, test.events, by)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("account (-want +got):\n%s", diff)
			}
			clean := len(test.want.MissedStarts)+len(test.want.MissedEnds)+len(test.want.MissedStates)+len(test.want.Invented)+len(test.want.Disordered) == 0
			if got.missed() == clean {
				t.Errorf("missed is %t", got.missed())
			}
			// What is not due yet is late. What was told is not concerned.
			due = false
			got = settle(test.record, test.events, by)
			want := test.want
			want.MissedStates, want.MissedEnds, want.MissedStarts = nil, nil, got.MissedStarts
			want.Late = len(test.want.MissedStates) + len(test.want.MissedEnds) + len(test.want.MissedStarts) - len(got.MissedStarts)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("account when nothing is due (-want +got):\n%s", diff)
			}
			if test.events != nil && len(got.MissedStarts) != len(test.want.MissedStarts) {
				t.Error("a start before an event that was told is called late, but it can't come any more")
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
	got := match(happened, []arrival{example(1, 1, diff.Started, "STARTED", 0), example(1, 2, diff.Updating, "UPDATE_IN_PROGRESS", 4)})
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
