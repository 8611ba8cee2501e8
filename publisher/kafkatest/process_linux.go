package kafkatest

import "syscall"

// processAttributes lets a child die with the thread that started it, and keeps the terminal's Ctrl-C from it.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
