//go:build unix

package main

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// awaitClosed waits until nobody reads a pipe or terminal any more, or until ctx ends. It reports whether nobody does.
func awaitClosed(ctx context.Context, descriptor uintptr) bool {
	if descriptor == noDescriptor {
		return false
	}
	const pause = 200 // milliseconds until it looks at ctx
	for ctx.Err() == nil {
		fds := []unix.PollFd{{Fd: int32(descriptor)}} // errors and the end are always told
		if _, err := unix.Poll(fds, pause); err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
		if fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
			return true
		}
	}
	return false
}
