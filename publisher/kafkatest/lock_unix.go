//go:build unix

package kafkatest

import (
	"os"
	"syscall"
)

// lockFile waits until this process alone holds the lock. The system releases it when the file is closed or the process
// ends.
func lockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }
