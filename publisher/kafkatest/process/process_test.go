package process_test

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"farmwire/publisher/kafkatest/process"
)

// start runs a shell script, or skips the test where there is no shell.
func start(t *testing.T, script string) *process.Process {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs a shell")
	}
	p, err := process.Start(exec.Command(sh, "-c", script))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.End() })
	return p
}

func TestEnds(t *testing.T) {
	p := start(t, "exit 3")
	<-p.Ended()
	if p.Running() || p.State().ExitCode() != 3 {
		t.Errorf("running is %t and the exit code is %d, want false and 3", p.Running(), p.State().ExitCode())
	}
	if err := p.Terminate(); !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	if err := errors.Join(p.End(), p.Stop(time.Minute)); err != nil {
		t.Error(err)
	}
	if (*process.Process)(nil).Running() {
		t.Error("a nil process is running")
	}
}

// A process that ignores SIGTERM is killed.
func TestStopKills(t *testing.T) {
	p := start(t, `trap "" TERM; while :; do sleep 1; done`)
	time.Sleep(100 * time.Millisecond) // the shell has to set the trap first
	if err := p.Stop(100 * time.Millisecond); err != nil || p.Running() {
		t.Error(err)
	}
}

func TestStartFails(t *testing.T) {
	if _, err := process.Start(exec.Command("/nonexistent")); err == nil {
		t.Error("no error")
	}
}
