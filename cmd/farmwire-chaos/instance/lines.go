package instance

import "bytes"

// lineWriter calls a function for every line that is written to it.
type lineWriter struct {
	line func([]byte)
	rest []byte // of a line without an end
}

// Write implements [io.Writer].
func (w *lineWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, ended := bytes.Cut(w.rest, []byte("\n"))
		if !ended {
			return len(b), nil
		}
		w.rest = rest
		w.line(line)
	}
}

// flush takes what is left for a line.
func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.line(w.rest)
	}
}
