//go:build unix

package kafkatest

import (
	"os"
	"syscall"
)

// lockFile waits until this process has the exclusive lock of the file. Closing the file or the end of the process
// releases the lock.
func lockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }
