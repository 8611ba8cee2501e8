//go:build unix

package trigger

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"farmwire/diff"
	"farmwire/event"
)

// delivery returns a try of the end of a session on a worker with a host name.
func delivery(t *testing.T, hostName string) Delivery {
	t.Helper()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	change := diff.Change{
		Kind:     diff.Ended,
		Sequence: 8,
		Session: diff.Session{
			WorkerKey: diff.WorkerKey{FarmID: "farm-f", FleetID: "fleet-l", WorkerID: "worker-w"},
			QueueID:   "queue-q", JobID: "job-j", SessionID: "session-s",
			LifecycleStatus: "ENDED", TargetLifecycleStatus: "ENDED",
			StartedAt: start, EndedAt: start.Add(time.Minute + 5*time.Millisecond),
		},
		Observed: diff.Bounds{After: start, Before: start.Add(time.Hour), Exact: true},
	}
	env := event.Envelope{Region: "eu-west-1", Recorded: start.Add(time.Hour)}
	if hostName != "" {
		env.Status = &diff.WorkerStatus{Status: "RUNNING", HostName: hostName}
	}
	record := event.Encode(&change, env)
	decoded, err := event.Decode(record.Key, record.Value, record.Headers)
	if err != nil {
		t.Fatal(err)
	}
	return Delivery{Record: record, Event: decoded, Attempt: 2}
}

// buffer is a writer for several commands.
type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// testKillDelay is how long the commands of newCommand have to end.
const testKillDelay = 200 * time.Millisecond

// newCommand returns a command that is killed soon, and what it writes. All of that is read, however late, on a busy machine.
func newCommand(t *testing.T, timeout time.Duration, args ...string) (c *Command, stdout, stderr *buffer) {
	t.Helper()
	stdout, stderr = new(buffer), new(buffer)
	c, err := NewCommand(CommandConfig{Args: args, Timeout: timeout, Stdout: stdout, Stderr: stderr})
	if err != nil {
		t.Fatal(err)
	}
	c.killDelay, c.pipeDelay = testKillDelay, time.Minute
	return c, stdout, stderr
}

// script writes a shell script and returns its path.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func wantResult(t *testing.T, want, got Result) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A command is told the event on stdin and in variables, and nothing of Farmwire's settings.
func TestCommandIsTold(t *testing.T) {
	t.Setenv("FARMWIRE_SASL_PASSWORD", "secret")
	t.Setenv("FARMWIRE_WEBHOOK", "https://hooks.example/secret")
	t.Setenv("Farmwire_Group", "g")
	t.Setenv("FARMWIRE_ID", "another")
	t.Setenv("FARMWIRER", "not ours")
	t.Setenv("FARMWIRE", "not ours")
	t.Setenv("AWS_PROFILE", "studio")
	d := delivery(t, "render-7")
	c, stdout, _ := newCommand(t, time.Minute, part(t, "listen")...)
	wantResult(t, Result{}, c.Deliver(t.Context(), d))
	var got heard
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatal(err)
	}

	var ours []string
	for _, variable := range got.Environment {
		if strings.HasPrefix(strings.ToUpper(variable), "FARMWIRE") {
			ours = append(ours, variable)
		}
	}
	slices.Sort(ours)
	want := []string{
		"FARMWIRE=not ours",
		"FARMWIRER=not ours",
		"FARMWIRE_ATTEMPT=2",
		"FARMWIRE_CHANGE=ended",
		"FARMWIRE_ENDED_AT=2026-03-01T12:01:00.005Z",
		"FARMWIRE_FARM_ID=farm-f",
		"FARMWIRE_FLEET_ID=fleet-l",
		"FARMWIRE_HOST_NAME=render-7",
		"FARMWIRE_ID=session-s.000008",
		"FARMWIRE_INFERRED=false",
		"FARMWIRE_JOB_ID=job-j",
		"FARMWIRE_LIFECYCLE_STATUS=ENDED",
		"FARMWIRE_QUEUE_ID=queue-q",
		"FARMWIRE_REGION=eu-west-1",
		"FARMWIRE_SEQUENCE=8",
		"FARMWIRE_SESSION_ID=session-s",
		"FARMWIRE_STARTED_AT=2026-03-01T12:00:00.000Z",
		"FARMWIRE_TIME=2026-03-01T12:01:00.005Z",
		"FARMWIRE_WORKER_ID=worker-w",
	}
	if d := cmp.Diff(want, ours); d != "" {
		t.Errorf("variables (-want +got):\n%s", d)
	}
	if !slices.Contains(got.Environment, "AWS_PROFILE=studio") {
		t.Error("the command has lost a variable of this process")
	}

	line, isLine := strings.CutSuffix(got.Stdin, "\n")
	if !isLine || strings.Contains(line, "\n") {
		t.Errorf("stdin is not one line: %q", got.Stdin)
	}
	var attributes struct {
		ID, SpecVersion, DataContentType string
		Data                             json.RawMessage
	}
	if err := json.Unmarshal([]byte(line), &attributes); err != nil {
		t.Fatal(err)
	}
	if attributes.ID != "session-s.000008" || attributes.SpecVersion != "1.0" || attributes.DataContentType != "application/json" ||
		string(attributes.Data) != string(d.Record.Value) {
		t.Errorf("stdin is %s", line)
	}
}

// Values that are absent are empty, and NUL characters are left out.
func TestEventVariablesWithoutValues(t *testing.T) {
	d := delivery(t, "")
	d.Event.Session.EndedAt = time.Time{}
	d.Event.Session.JobID = "a\x00b\nc"
	d.Event.Inferred = true
	got := eventVariables(&d)
	for _, want := range []string{"FARMWIRE_HOST_NAME=", "FARMWIRE_ENDED_AT=", "FARMWIRE_JOB_ID=ab\nc", "FARMWIRE_INFERRED=true"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	c, _, _ := newCommand(t, time.Minute, part(t, "exit", "0")...)
	wantResult(t, Result{}, c.Deliver(t.Context(), d))
}

func TestCommandEnds(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want Result
	}{
		"exit 0":   {[]string{"exit", "0"}, Result{}},
		"exit 3":   {[]string{"exit", "3"}, Result{Outcome: Refused, Reason: "the command exited with 3", Exit: 3}},
		"exit 137": {[]string{"exit", "137"}, Result{Outcome: Refused, Reason: "the command exited with 137", Exit: 137}},
		"exit 75":  {[]string{"exit", "75"}, Result{Outcome: Unavailable, Reason: "the command exited with 75: what it needs is not there", Exit: 75}},
		"SIGKILL":  {[]string{"kill", "9"}, Result{Outcome: Refused, Reason: "the command was ended by signal 9"}},
		"SIGTERM":  {[]string{"kill", "15"}, Result{Outcome: Refused, Reason: "the command was ended by signal 15"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _ := newCommand(t, time.Minute, part(t, test.args...)...)
			wantResult(t, test.want, c.Deliver(t.Context(), delivery(t, "render-7")))
		})
	}
}

// A command need not read the event, also if it is longer than a pipe holds.
func TestCommandDoesNotRead(t *testing.T) {
	d := delivery(t, "render-7")
	d.Record.Value = []byte(`"` + strings.Repeat("long", 1<<18) + `"`)
	for code, want := range map[string]Result{
		"0": {},
		"4": {Outcome: Refused, Reason: "the command exited with 4", Exit: 4},
	} {
		c, _, _ := newCommand(t, time.Minute, part(t, "exit", code)...)
		c.pipeDelay = time.Hour // would be waited for if stdin held up the try
		wantResult(t, want, c.Deliver(t.Context(), d))
	}
}

// A record that is no event is refused, and not delivered as something else.
func TestCommandRefusesWhatIsNotJSON(t *testing.T) {
	d := delivery(t, "render-7")
	d.Record.Value = []byte("{")
	c, _, _ := newCommand(t, time.Minute, part(t, "exit", "0")...)
	wantResult(t, Result{Outcome: Refused, Reason: "the value of the event is not JSON"}, c.Deliver(t.Context(), d))
}

// timeOut gives a command ever more time, until n processes hang before it is up. It returns their numbers and how long
// the last try took.
func timeOut(t *testing.T, n int, argsOf func(folder string) []string) (pids []int, took time.Duration) {
	t.Helper()
	for timeout := 250 * time.Millisecond; timeout < time.Minute; timeout *= 2 {
		folder := t.TempDir()
		c, _, _ := newCommand(t, timeout, argsOf(folder)...)
		began := time.Now()
		result := c.Deliver(t.Context(), delivery(t, "render-7"))
		took = time.Since(began) - timeout
		wantResult(t, Result{Outcome: Refused, Reason: fmt.Sprintf("the command ran for longer than %v and was ended", timeout)}, result)
		if countPIDs(folder) == n {
			return awaitPIDs(t, folder, n), took
		}
	}
	t.Fatal("the processes do not start")
	return nil, 0
}

// When the time is up, nothing of the group is left, though both the command and its children ignore SIGTERM.
func TestCommandTimeout(t *testing.T) {
	pids, _ := timeOut(t, 3, func(folder string) []string { return part(t, "hang", folder, "child", "child") })
	for _, pid := range pids {
		awaitEnd(t, pid)
	}
}

// The command ends by SIGTERM, but its child does not: the child gets its time too, and is killed then.
func TestCommandTimeoutOfChild(t *testing.T) {
	pids, took := timeOut(t, 1, func(folder string) []string {
		return []string{script(t, part(t)[0]+" hang "+folder+" & wait")}
	})
	awaitEnd(t, pids[0])
	if took < testKillDelay {
		t.Errorf("the child was killed after %v", took)
	}
}

// A command that ends by SIGTERM is not waited for longer, even if it was stopped. Exit code 0 does not count any more.
func TestCommandEndsBySIGTERM(t *testing.T) {
	for name, text := range map[string]string{
		"exits with 0": `trap 'exit 0' TERM; while :; do sleep 0.01; done`,
		"exits with 5": `trap 'exit 5' TERM; while :; do sleep 0.01; done`,
		"is killed":    `exec sleep 60`,
		"was stopped":  `kill -STOP $$`,
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _ := newCommand(t, 300*time.Millisecond, script(t, text))
			c.killDelay = time.Hour
			result := c.Deliver(t.Context(), delivery(t, "render-7"))
			result.Stderr = nil // the shell may say that it was terminated
			wantResult(t, Result{Outcome: Refused, Reason: "the command ran for longer than 300ms and was ended"}, result)
		})
	}
}

// A stop is nobody's no. It ends the group as a time-out does.
func TestCommandStops(t *testing.T) {
	folder := t.TempDir()
	c, _, _ := newCommand(t, time.Minute, part(t, "hang", folder, "child")...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan Result, 1)
	go func() { done <- c.Deliver(ctx, delivery(t, "render-7")) }()
	pids := awaitPIDs(t, folder, 2)
	cancel()
	want := Result{Outcome: Unavailable, Reason: "the trigger stopped before the command had ended"}
	wantResult(t, want, <-done)
	for _, pid := range pids {
		awaitEnd(t, pid)
	}
	c.args = []string{"/nonexistent"} // nothing is begun any more, or this would be Impossible
	wantResult(t, want, c.Deliver(ctx, delivery(t, "render-7")))
}

// A child that the command leaves behind, and that keeps its pipes open, does not hold up the try, and goes on.
func TestCommandLeavesChild(t *testing.T) {
	folder := t.TempDir()
	d := delivery(t, "render-7")
	d.Record.Value = []byte(`"` + strings.Repeat("long", 1<<18) + `"`) // so that stdin is held up as well
	c, _, stderr := newCommand(t, time.Minute, part(t, "leave", folder)...)
	c.pipeDelay = 5 * time.Second // in which also a busy machine reads what was written
	wantResult(t, Result{Stderr: []byte("left")}, c.Deliver(t.Context(), d))
	for _, pid := range awaitPIDs(t, folder, 1) {
		if !isRunning(pid) {
			t.Errorf("the child %d was ended", pid)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if stderr.String() != "left\n" {
		t.Errorf("%q was passed on", stderr)
	}
}

func TestCommandNamesNoArguments(t *testing.T) {
	c, _, _ := newCommand(t, 0, "/bin/sh", "-c", "secret")
	if c.String() != "command /bin/sh" {
		t.Error(c)
	}
	if c.timeout != 10*time.Minute {
		t.Error(c.timeout)
	}
}
