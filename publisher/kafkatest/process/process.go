// Package process starts child processes that do not outlive this program: on Linux the kernel kills them with it. The
// terminal's Ctrl-C does not reach them there.
package process

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Process is a child process. Its methods may be called from any goroutine.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of cmd.Wait, once ended is closed
}

// Start starts a command, whose SysProcAttr it sets.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	cmd.SysProcAttr = attributes()
	started := make(chan error)
	go func() {
		// The kernel takes the end of the thread that started a child for the end of its parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Run starts a command and waits for its end. Its error is that of [exec.Cmd.Run].
func Run(cmd *exec.Cmd) error {
	p, err := Start(cmd)
	if err != nil {
		return err
	}
	<-p.ended
	return p.err
}

// Ended is closed when the process has ended and everything that it wrote was read.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Running reports whether the process has not ended. A nil process is not running.
func (p *Process) Running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// State says how the process ended. It must not be called before that.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// Kill sends SIGKILL. [os.ErrProcessDone] means that the process had ended.
func (p *Process) Kill() error { return p.cmd.Process.Kill() }

// Terminate sends SIGTERM. [os.ErrProcessDone] means that the process had ended.
func (p *Process) Terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// Pause sends SIGSTOP: the process does not run until Resume, and its connections stay open. It returns
// [errors.ErrUnsupported] where there is no such signal.
func (p *Process) Pause() error { return pause(p.cmd.Process) }

// Resume sends SIGCONT.
func (p *Process) Resume() error { return resume(p.cmd.Process) }

// Stop sends SIGTERM, and SIGKILL if the process has not ended after the given time. It waits for the end.
func (p *Process) Stop(patience time.Duration) error {
	if p.Terminate() == nil {
		select {
		case <-p.ended:
			return nil
		case <-time.After(patience):
		}
	}
	return p.End()
}

// End sends SIGKILL and waits for the end.
func (p *Process) End() error {
	if err := p.Kill(); err != nil && p.Running() {
		return err
	}
	<-p.ended
	return nil
}
