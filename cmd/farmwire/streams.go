package main

import "io"

// streams are the standard streams of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// outputWriter writes to standard output and remembers the first error, because kong does not return every error of
// printing the help.
type outputWriter struct {
	to  io.Writer
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
	if w.err == nil {
		w.err = err
	}
	return n, err
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

// Fd returns the file descriptor of the other writer.
func (s scrubber) Fd() uintptr { return fileDescriptor(s.to) }

// fileDescriptor returns the file descriptor of a writer, or a value that no file has if the writer has none.
func fileDescriptor(w io.Writer) uintptr {
	if f, ok := w.(interface{ Fd() uintptr }); ok {
		return f.Fd()
	}
	return ^uintptr(0)
}
