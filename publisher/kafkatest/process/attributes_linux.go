package process

import "syscall"

// attributes let a child die with the thread that started it, and give it a process group of its own.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
