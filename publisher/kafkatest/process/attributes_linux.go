package process

import "syscall"

// attributes make the kernel kill the child when the thread that started it ends. They also give the child its own
// process group, which Ctrl-C does not reach.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
