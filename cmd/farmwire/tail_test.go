package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/cmd/view"
	"farmwire/consumer"
	"farmwire/diff"
	"farmwire/event"
)

// night is the time of the examples.
var night = time.Date(2026, 3, 14, 23, 59, 40, 0, time.UTC)

func second(n float64) time.Time {
	return night.Add(time.Duration(n * float64(time.Second))).Truncate(time.Millisecond)
}

// exampleSession is a session of a farm with three fleets.
func exampleSession(n int) diff.Session {
	hex := func(of string, n int) string { return fmt.Sprintf("%s-%032x", of, 0x9e3779b97f4a7c15*uint64(n+1)) }
	return diff.Session{
		WorkerKey: diff.WorkerKey{FarmID: hex("farm", 1), FleetID: hex("fleet", n%3), WorkerID: hex("worker", 10+n)},
		QueueID:   hex("queue", n%2), JobID: hex("job", n/3), SessionID: hex("session", 100+n),
		LifecycleStatus: diff.StatusStarted, StartedAt: second(float64(n) - 0.4),
	}
}

// recordOf is the record of a change that was handed to Kafka a moment after it was observed.
func recordOf(c diff.Change, host string, late time.Duration) consumer.Record {
	var worker *diff.WorkerStatus
	if host != "" {
		worker = &diff.WorkerStatus{Status: "RUNNING", HostName: host}
	}
	recorded := c.Observed.Before.Add(late)
	r := event.Encode(&c, event.Envelope{Region: "eu-west-1", Status: worker, Recorded: recorded})
	return consumer.Record{Record: r, Topic: "deadline.sessions.events", Partition: 3, Offset: 17, Time: recorded}
}

// observed is a change of a session that was seen between two seconds.
func observed(kind diff.Kind, n int, sequence uint64, status string, after, before float64) diff.Change {
	s := exampleSession(n)
	s.LifecycleStatus = status
	return diff.Change{Kind: kind, Sequence: sequence, Session: s, Observed: diff.Bounds{After: second(after), Before: second(before)}}
}

func began(n int, at float64) diff.Change {
	c := observed(diff.Started, n, 1, "STARTED", at-1.2, at)
	c.Observed.Exact = true
	return c
}

func over(n int, sequence uint64, ended, seen float64) diff.Change {
	c := observed(diff.Ended, n, sequence, "ENDED", seen-2, seen)
	c.Session.TargetLifecycleStatus, c.Session.EndedAt, c.Observed.Exact = "ENDED", second(ended), true
	return c
}

// nightShift is what a tail shows of a farm around midnight: every change, known and unknown bounds, hosts with long names or
// none, and many sessions at once.
func nightShift() (records []consumer.Record) {
	add := func(c diff.Change, host string, late time.Duration) {
		records = append(records, recordOf(c, host, late))
	}
	const soon = 15 * time.Millisecond
	found := observed(diff.Discovered, 0, 1, "UPDATE_IN_PROGRESS", 0, 1.5)
	found.Snapshot, found.Observed.After, found.Session.StartedAt = true, time.Time{}, night.Add(-3*time.Hour)
	add(found, "render-0017.lighting.studio.example", soon)
	history := over(1, 2, -7000, 1.5)
	history.Snapshot, history.Session.StartedAt = true, night.Add(-4*time.Hour)
	add(history, "comp-workstation-basement-0003", soon)
	for n := 2; n < 8; n++ {
		add(began(n, float64(n)+0.3), fmt.Sprintf("render-%04d", n), soon)
	}
	inferred := began(8, 9)
	inferred.Inferred, inferred.Session.StartedAt = true, second(-4000)
	add(inferred, "", soon)
	add(observed(diff.Updating, 8, 2, "UPDATE_IN_PROGRESS", 7, 9), "", soon)
	first := observed(diff.Started, 9, 1, "STARTED", 0, 12)
	first.Observed.After, first.Session.StartedAt = time.Time{}, time.Time{}
	add(first, "gpu-farm-rack-12-node-0420", soon)
	add(observed(diff.Updating, 3, 2, "UPDATE_IN_PROGRESS", 12, 12.4), "render-0003", soon)
	add(observed(diff.Updated, 3, 3, "UPDATE_SUCCEEDED", 13, 19.2), "render-0003", soon)
	add(observed(diff.UpdateFailed, 4, 2, "UPDATE_FAILED", 14, 21), "render-0004", 40*time.Second)
	add(observed(diff.Changed, 5, 2, "SUSPENDED_BY_SCHEDULER", -900, 22), "render-0005", soon)
	ending := observed(diff.Ending, 2, 2, "UPDATE_IN_PROGRESS", 21, 24)
	ending.Session.TargetLifecycleStatus = "ENDED"
	add(ending, "render-0002", soon)
	add(over(2, 3, 25.5, 26.1), "render-0002", soon)
	add(observed(diff.Vanished, 8, 3, "UPDATE_IN_PROGRESS", 9, 140), "", soon)
	add(over(6, 2, 30, 400), "render-0006", 90*time.Minute)
	return records
}

// TestTailWidths compares what a tail prints with files that a person can look at.
func TestTailWidths(t *testing.T) {
	for _, width := range []int{80, 120, 200} {
		for _, logs := range []bool{false, true} {
			name := fmt.Sprint(width)
			if logs {
				name += "-logs"
			}
			if logs && width != 80 {
				continue
			}
			t.Run(name, func(t *testing.T) {
				var out, warnings bytes.Buffer
				p := &tailPrinter{view: view.New(&out, view.Options{Width: width, Delay: tailDelay}), logs: logs,
					logged: map[string]bool{}, stderr: &warnings, unknown: map[string]bool{}}
				if err := p.begin("deadline.sessions.events from 2026-03-14T23:59:00Z"); err != nil {
					t.Fatal(err)
				}
				for _, r := range nightShift() {
					if err := p.print(r); err != nil {
						t.Fatal(err)
					}
				}
				if warnings.Len() > 0 {
					t.Errorf("warnings:\n%s", &warnings)
				}
				for line := range strings.Lines(out.String()) {
					if n := len([]rune(line)) - 1; n > width && !strings.HasPrefix(line, "    aws ") {
						t.Errorf("%d characters: %s", n, line)
					}
				}
				golden(t, filepath.Join("testdata", "tail", name+".txt"), out.Bytes())
			})
		}
	}
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
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
