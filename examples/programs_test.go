//go:build unix

package examples

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
)

// The Python example writes each end into its database once, though a group without offsets reads all of them again.
func TestPython(t *testing.T) {
	needsPython(t)
	s, dir := newSource(t), t.TempDir()
	run := func(group string) *process {
		return start(t, dir, nil, "python3", folder(t, "python/worker_time.py"), "--brokers", s.brokers, "--group", group)
	}
	s.publish(t, kgo.TryAbort, ends(7, 8, 9)...)
	s.publish(t, kgo.TryCommit, ends(1, 2, 3)...)
	p := run("first")
	want := []string{"session-1.000002 90.500 s", "session-2.000002 90.500 s", "session-3.000002 90.500 s"}
	if d := cmp.Diff(want, p.take(t, 3)); d != "" {
		t.Errorf("printed (-want +got):\n%s", d)
	}
	p.stop(t)

	s.publish(t, kgo.TryCommit, ends(4)...)
	p = run("first")
	if d := cmp.Diff([]string{"session-4.000002 90.500 s"}, p.take(t, 1)); d != "" {
		t.Errorf("after a restart (-want +got):\n%s", d)
	}
	p.stop(t)

	p = run("second")
	want = []string{"session-1.000002 is a repeat", "session-2.000002 is a repeat", "session-3.000002 is a repeat", "session-4.000002 is a repeat"}
	if d := cmp.Diff(want, p.take(t, 4)); d != "" {
		t.Errorf("by another group (-want +got):\n%s", d)
	}
	p.stop(t)
	query := "import sqlite3; print(sqlite3.connect('worker-time.sqlite').execute('SELECT queue, sum(seconds) FROM ends GROUP BY queue ORDER BY 1').fetchall())"
	cmd := exec.Command("python3", "-c", query)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "[('queue-0', 181.0), ('queue-1', 181.0)]\n" {
		t.Errorf("the database has %s, %v", out, err)
	}
}

// The JavaScript example writes each session that is over into its ledger once, though a line was cut off by a crash and a group
// without offsets reads everything again.
func TestJavaScript(t *testing.T) {
	needsNode(t)
	s, dir := newSource(t), t.TempDir()
	run := func(group string) *process {
		return start(t, dir, nil, "node", folder(t, "javascript/over.js"), "--brokers", s.brokers, "--group", group)
	}
	before := change(4, diff.Ended, 2)
	before.Snapshot = true
	s.publish(t, kgo.TryAbort, ends(7, 8, 9)...)
	s.publish(t, kgo.TryCommit, append(ends(1, 2), before, change(3, diff.Started, 1), change(3, diff.Vanished, 2))...)
	p := run("first")
	want := []string{"session-1.000002 ended", "session-2.000002 ended", "session-3.000002 vanished"}
	if d := cmp.Diff(want, p.take(t, 3)); d != "" {
		t.Errorf("printed (-want +got):\n%s", d)
	}
	p.stop(t)

	ledger := filepath.Join(dir, "over.jsonl")
	whole, err := os.ReadFile(ledger)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ledger, whole[:len(whole)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	p = run("second")
	got := strings.Join(p.take(t, 3), "\n")
	p.stop(t)
	if strings.Count(got, "is a repeat") != 2 {
		t.Errorf("printed after the crash:\n%s", got)
	}
	again, err := os.ReadFile(ledger)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(whole), string(again)); d != "" {
		t.Errorf("the ledger (-before +after the crash):\n%s", d)
	}
	for line := range strings.Lines(string(again)) {
		var entry struct {
			Change              string
			EndedAt, OverBefore *time.Time
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil || (entry.EndedAt == nil) != (entry.Change == "vanished") || entry.OverBefore == nil {
			t.Errorf("the ledger has %s%v", line, err)
		}
	}
}

// The Go example names the sessions that are open for too long, once, and says when they are over.
func TestGo(t *testing.T) {
	s := newSource(t)
	s.publish(t, kgo.TryAbort, change(9, diff.Started, 1))
	s.publish(t, kgo.TryCommit, append(ends(1), change(2, diff.Started, 1), change(3, diff.Discovered, 1), change(2, diff.Updating, 2))...)
	p := start(t, t.TempDir(), nil, build(t, "farmwire/examples/go"), "--brokers", s.brokers, "--from", "beginning", "--limit", "30m")
	since := change(2, diff.Started, 1).Session.StartedAt.Format(time.RFC3339)
	want := []string{
		"session-2 on " + hostName + " has been open since " + since + " (job job-1)",
		"session-3 on  has been open since " + since + " (job job-1)",
	}
	if d := cmp.Diff(want, p.take(t, 2)); d != "" {
		t.Errorf("printed (-want +got):\n%s", d)
	}
	s.publish(t, kgo.TryCommit, change(2, diff.Ended, 3), change(3, diff.Vanished, 2))
	if d := cmp.Diff([]string{"session-2 is over (ended)", "session-3 is over (vanished)"}, p.take(t, 2)); d != "" {
		t.Errorf("printed at the end (-want +got):\n%s", d)
	}
	p.stop(t)
}
