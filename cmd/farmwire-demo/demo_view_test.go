package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// noon is the instant that the printed examples begin at.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// example is an event of session n at a second of the example, observed half a second later.
func example(n int, sequence uint64, change, status string, second float64) event {
	ids := []string{"session-0b5f9d1c2e7a4f60", "session-77c3f00d9a1b2c3d", "session-1f2e3d4c5b6a7988"}
	return event{
		ID: ids[n] + "." + change, Time: at(second + 0.5), Arrived: at(second + 0.52),
		Change: change, Sequence: sequence,
		Session: session{
			FarmID: "farm-1", FleetID: []string{"fleet-1", "fleet-2", "fleet-1"}[n], WorkerID: "worker-000000000000ab0" + string(rune('1'+n)),
			SessionID: ids[n], LifecycleStatus: status, StartedAt: noon,
		},
		Observed: bounds{After: at(second), Before: at(second + 0.5)},
		Worker:   &worker{Status: "RUNNING", HostName: "lighting-000" + string(rune('1'+n)) + ".studio.example"},
	}
}

// story is one event of every kind, of three sessions on two fleets.
func story() []event {
	found := example(0, 1, "discovered", "UPDATE_IN_PROGRESS", 1)
	found.Snapshot, found.Observed.After = true, time.Time{}
	started := example(1, 1, "started", "STARTED", 2)
	started.Time, started.Observed.Exact = at(2.1), true
	inferred := example(2, 1, "started", "STARTED", 3)
	inferred.Time, inferred.Observed.Exact, inferred.Inferred, inferred.Worker = at(2.7), true, true, nil
	updating := example(2, 2, "updating", "UPDATE_IN_PROGRESS", 3)
	updating.Worker = nil
	ending := example(1, 2, "ending", "STARTED", 61)
	ending.Session.TargetLifecycleStatus = "ENDED"
	ended := example(1, 3, "ended", "ENDED", 62)
	ended.Session.TargetLifecycleStatus, ended.Session.EndedAt = "ENDED", at(61.9)
	ended.Time, ended.Observed.Exact = at(61.9), true
	history := example(1, 2, "ended", "ENDED", 70)
	history.Snapshot, history.Session.EndedAt = true, at(9000)
	return []event{
		found, started, inferred, updating,
		example(2, 3, "updated", "UPDATE_SUCCEEDED", 4),
		example(0, 2, "updatefailed", "UPDATE_FAILED", 30),
		example(0, 3, "changed", "SOMETHING_NEW_AND_RATHER_LONG", 31),
		ending, ended,
		example(2, 4, "vanished", "UPDATE_SUCCEEDED", 63),
		history,
	}
}

// TestView compares what is printed with files that a person can look at (cat shows the colours).
func TestView(t *testing.T) {
	for _, test := range []struct {
		file   string
		colour bool
		width  int
		print  func(*view)
	}{
		{"events.txt", false, 128, printStory},
		{"events-colour.txt", true, 128, printStory},
		{"events-narrow.txt", false, 80, printStory},
		{"account-clean.txt", false, 128, func(v *view) { v.account(cleanAccount()) }},
		{"account-missed.txt", false, 128, func(v *view) { v.account(missedAccount()) }},
		{"account-missed-colour.txt", true, 128, func(v *view) { v.account(missedAccount()) }},
		{"account-nothing.txt", false, 128, func(v *view) { v.account(account{}) }},
	} {
		t.Run(test.file, func(t *testing.T) {
			var out bytes.Buffer
			test.print(newView(&out, test.colour, test.width))
			golden(t, test.file, out.Bytes())
		})
	}
}

func printStory(v *view) {
	v.intro("between a simulated farm and an embedded broker · 12 workers · seed 1", addresses{
		Brokers: []string{"127.0.0.1:9092"}, Topics: "deadline.sessions",
		HTTP: "127.0.0.1:8080", Farm: "http://127.0.0.1:8081",
	})
	delays := []time.Duration{-1, 310 * time.Millisecond, 6 * time.Second, 75 * time.Second}
	for i, e := range story() {
		v.event(e, delays[i%len(delays)])
	}
}

func cleanAccount() account {
	return account{
		Transitions: 214, Told: 210, Passed: 4, Discovered: 12, Events: 222,
		Delays: []time.Duration{200 * time.Millisecond, 480 * time.Millisecond, 610 * time.Millisecond},
		Calls:  map[string]int{"ListFarms": 4, "ListSessionsForWorker": 780, "ListFleets": 4, "ListWorkers": 20},
		Ran:    30 * time.Second,
	}
}

func missedAccount() account {
	a := cleanAccount()
	a.MissedStarts = []string{"session-0b5f9d1c2e7a4f60"}
	for range 12 {
		a.MissedEnds = append(a.MissedEnds, "session-77c3f00d9a1b2c3d")
	}
	a.Late = []string{"session-1f2e3d4c5b6a7988"}
	a.Invented = []string{"session-1f2e3d4c5b6a7988.000002"}
	a.Disordered = []string{"session-1f2e3d4c5b6a7988.000009"}
	return a
}

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestLong(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 1234 * time.Millisecond: "1.2s", 9940 * time.Millisecond: "9.9s", 9960 * time.Millisecond: "10s",
		59700 * time.Millisecond: "1m", time.Minute: "1m", 61 * time.Second: "1m1s", 10 * time.Minute: "10m",
		time.Hour - time.Second: "59m59s", time.Hour - time.Millisecond: "1h0m", time.Hour: "1h0m", 150*time.Minute + 20*time.Second: "2h30m",
	} {
		if got := long(d); got != want {
			t.Errorf("%s is printed as %q, want %q", d, got, want)
		}
	}
}
