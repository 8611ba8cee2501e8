package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"
)

// streams are the standard streams of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// outputWriter writes to standard output and remembers the first error, because kong does not return every error of
// printing the help. It does not remember that a pipe was closed: its reader has seen enough. That ends the process, unless a
// command says otherwise, which then gets the error.
type outputWriter struct {
	to io.Writer

	mu  sync.Mutex
	err error // the first one
}

// outputError is a failure to write to standard output.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

// Write writes to standard output. Its errors are of type outputError.
func (w *outputWriter) Write(text []byte) (int, error) {
	n, err := w.to.Write(text)
	if err == nil {
		return n, nil
	}
	err = outputError{err}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && !errors.Is(err, syscall.EPIPE) {
		w.err = err
	}
	return n, err
}

// failure returns the first error.
func (w *outputWriter) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Fd returns the file descriptor of standard output, which tells whether it is a terminal.
func (w *outputWriter) Fd() uintptr { return fileDescriptor(w.to) }

// scrubber removes secrets from text and writes the rest to another writer. Each Write must be of whole lines, so that no
// secret is split between two.
type scrubber struct {
	to    io.Writer
	scrub func(string) string
}

// Write writes the text without secrets, and returns the length of the whole text.
func (s scrubber) Write(text []byte) (int, error) {
	if _, err := io.WriteString(s.to, s.scrub(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Sync makes the other writer write what it has buffered.
func (s scrubber) Sync() error {
	if to, ok := s.to.(interface{ Sync() error }); ok {
		return to.Sync()
	}
	return nil
}

// Fd returns the file descriptor of the other writer.
func (s scrubber) Fd() uintptr { return fileDescriptor(s.to) }

// stopPatience is how long a stop waits for a reader of standard output that stands still.
const stopPatience = time.Second

// stoppableWriter passes text on to a writer that may block. While the context lasts, a reader that stands still holds
// everything up, as it should. After the end of the context it is waited for no longer than stopPatience. From then on Write
// writes nothing and returns the context's error. Calls must not overlap.
type stoppableWriter struct {
	ctx     context.Context
	to      io.Writer
	stopped bool // a write is still under way, so there must be no other
}

// Write writes the text.
func (w *stoppableWriter) Write(text []byte) (int, error) {
	if w.stopped {
		return 0, w.ctx.Err()
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	text = bytes.Clone(text) // the caller may change it when Write has returned, and the write may go on
	go func() {
		n, err := w.to.Write(text)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-w.ctx.Done():
	}
	select {
	case r := <-done:
		return r.n, r.err
	case <-time.After(stopPatience):
		w.stopped = true
		return 0, w.ctx.Err()
	}
}

// Fd returns the file descriptor of the other writer.
func (w *stoppableWriter) Fd() uintptr { return fileDescriptor(w.to) }

// noDescriptor is what fileDescriptor returns for a writer that has no file descriptor.
const noDescriptor = ^uintptr(0)

// fileDescriptor returns the file descriptor of a writer, or noDescriptor.
func fileDescriptor(w io.Writer) uintptr {
	if f, ok := w.(interface{ Fd() uintptr }); ok {
		return f.Fd()
	}
	return noDescriptor
}
