// Package process starts child processes that do not outlive this program. On Linux the kernel kills them when the
// program ends, and Ctrl-C in the terminal does not reach them. On other systems the program must end them.
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
	err   error // returned by cmd.Wait; set before ended is closed
}

// Start starts a command. It sets the command's SysProcAttr.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	cmd.SysProcAttr = attributes()
	started := make(chan error)
	go func() {
		// The kernel kills the child when the thread that started it ends, so this thread must last as long.
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

// Run starts a command and waits for its end. It returns the same errors as [exec.Cmd.Run].
func Run(cmd *exec.Cmd) error {
	p, err := Start(cmd)
	if err != nil {
		return err
	}
	<-p.ended
	return p.err
}

// Ended returns a channel that is closed when the process has ended and all its output has been read.
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

// State returns how the process ended. It must not be called before Ended is closed.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// ID is the process id.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Kill sends SIGKILL. It returns [os.ErrProcessDone] if the process has ended.
func (p *Process) Kill() error { return p.cmd.Process.Kill() }

// Terminate sends SIGTERM. It returns [os.ErrProcessDone] if the process has ended.
func (p *Process) Terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// Pause sends SIGSTOP. The process does not run until Resume, and its connections stay open. Pause returns
// [errors.ErrUnsupported] on systems without this signal.
func (p *Process) Pause() error { return pause(p.cmd.Process) }

// Resume sends SIGCONT. It returns [errors.ErrUnsupported] on systems without this signal.
func (p *Process) Resume() error { return resume(p.cmd.Process) }

// Stop sends SIGTERM and waits for the end of the process. If the process has not ended after the timeout, Stop sends
// SIGKILL.
func (p *Process) Stop(timeout time.Duration) error {
	if p.Terminate() == nil {
		select {
		case <-p.ended:
			return nil
		case <-time.After(timeout):
		}
	}
	return p.End()
}

// End sends SIGKILL and waits for the end of the process. It returns nil if the process has ended before.
func (p *Process) End() error {
	if err := p.Kill(); err != nil && p.Running() {
		return err
	}
	<-p.ended
	return nil
}
