//go:build unix

package trigger

import (
	"os"
	"syscall"
)

// processAttributes give a command a process group of its own, whose number is that of the process. Ctrl-C in the terminal
// does not reach it.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// terminateGroup asks the processes of a command's group to end. Those that are stopped are woken up, or they would not
// notice.
func terminateGroup(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGTERM)
	_ = syscall.Kill(-p.Pid, syscall.SIGCONT)
}

// killGroup ends the processes of a command's group.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// groupExists reports whether a process of a command's group is there. One that has ended still counts if its parent has
// not waited for it.
func groupExists(p *os.Process) bool { return syscall.Kill(-p.Pid, 0) != syscall.ESRCH }

// signalOf returns the signal that ended a process, or 0 if it exited.
func signalOf(s *os.ProcessState) int {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return int(status.Signal())
	}
	return 0
}
