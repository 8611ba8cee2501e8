//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"farmwire/poller/farmtest"
)

// dryRun is the command `farmwire run --dry-run` on a farm with so much history that its output fills any pipe.
func dryRun(t *testing.T) *exec.Cmd {
	t.Helper()
	farm := farmtest.New(farmtest.Config{})
	if err := farm.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { farm.Close() })
	site := farm.Cloud().AddFarm("studio")
	worker := site.AddFleet("render").AddWorker()
	job := site.AddJob(site.NewQueue())
	for range 300 {
		worker.AddHistory(job, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	}
	worker.StartSessionAt(job, time.Now().Add(-time.Minute))
	command, err := exec.LookPath("farmwire")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(command, "run", "--dry-run", "--initial", "all")
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_ENDPOINT_URL_DEADLINE=" + farm.URL(), "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=demo", "AWS_SECRET_ACCESS_KEY=demo", "AWS_EC2_METADATA_DISABLED=true", "FARMWIRE_LISTEN=off",
	}
	return cmd
}

// stuckDryRun starts a dry run whose output nobody reads, and waits until the pipe is full. Before that a stop is over so soon that
// it may not see a second signal.
func stuckDryRun(t *testing.T) (cmd *exec.Cmd, log *bytes.Buffer) {
	t.Helper()
	cmd, log = dryRun(t), &bytes.Buffer{}
	cmd.Stderr = log
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close(); writer.Close() })
	cmd.Stdout = writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		fds := []unix.PollFd{{Fd: int32(writer.Fd()), Events: unix.POLLOUT}}
		n, err := unix.Poll(fds, 0)
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			t.Fatal(err)
		case err == nil && n == 0: // the pipe takes nothing more
			return cmd, log
		case time.Now().After(deadline):
			t.Fatal("the pipe is not full after three minutes")
		}
	}
}

// A stop of a dry run whose events nobody reads is graceful all the same.
func TestStopOfADryRunThatNobodyReads(t *testing.T) {
	cmd, log := stuckDryRun(t)
	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code says it
	if took := time.Since(began); cmd.ProcessState.ExitCode() != 0 || took > 5*time.Second {
		t.Errorf("exit code %d after %v", cmd.ProcessState.ExitCode(), took)
	}
	if !strings.Contains(log.String(), "farmwire stopped gracefully") || !strings.Contains(log.String(), "Seen: ") {
		t.Errorf("log:\n%s", log)
	}
}

// A second signal ends the process at once.
func TestSecondSignal(t *testing.T) {
	cmd, _ := stuckDryRun(t)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	began := time.Now()
	for time.Since(began) < 20*time.Second {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		select {
		case <-ended:
			if signal := cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(); signal != syscall.SIGINT {
				t.Errorf("the process ended by signal %v", signal)
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Error("the process did not end")
}
