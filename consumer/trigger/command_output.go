package trigger

import (
	"bytes"
	"io"
	"slices"
	"unicode/utf8"
)

const (
	maxLine       = 64 << 10 // bytes of a line without its end; longer ones are split
	maxStderrTail = 4 << 10  // bytes
)

// lineSink is a writer that several commands share.
type lineSink struct {
	writer io.Writer
	turn   chan struct{} // has room for the one who writes
}

// newLineSink returns the sink of a writer. A sink of nil throws everything away.
func newLineSink(w io.Writer) *lineSink {
	if w == nil {
		w = io.Discard
	}
	return &lineSink{writer: w, turn: make(chan struct{}, 1)}
}

// write writes whole lines at once. It returns false if it was abandoned before they were written. Then the text must not
// be changed any more, because a writer that blocks still holds it. That writer's goroutine ends when the writer returns.
func (s *lineSink) write(text []byte, abandoned <-chan struct{}) bool {
	select {
	case s.turn <- struct{}{}:
	case <-abandoned:
		return false
	}
	written := make(chan struct{})
	go func() {
		_, _ = s.writer.Write(text)
		<-s.turn
		close(written)
	}()
	select {
	case <-written:
		return true
	case <-abandoned:
		return false
	}
}

// copyLines passes what it reads on in whole lines, until the end or an error. When it is abandoned, it throws away the
// rest.
func copyLines(to *lineSink, from io.Reader, abandoned <-chan struct{}) {
	l := lineWriter{sink: to, abandoned: abandoned}
	// The errors are those of a pipe that was closed, because a child of the command has kept it open.
	_, _ = io.Copy(&l, from)
	l.endLine()
}

// lineWriter divides into lines what one command writes.
type lineWriter struct {
	sink      *lineSink
	abandoned <-chan struct{}
	text      []byte // whole lines to write at once, and the line that has no end yet
	whole     int    // the length of the whole lines
	lost      bool   // the sink was abandoned
}

// Write never fails.
func (l *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		room := maxLine - (len(l.text) - l.whole)
		next := p[:min(len(p), room+1)]
		at := bytes.IndexByte(next, '\n')
		if at >= 0 {
			next = next[:at+1]
		}
		l.text, p = append(l.text, next...), p[len(next):]
		switch {
		case at >= 0:
			l.whole = len(l.text)
		case len(next) > room:
			end := l.whole + runeStart(l.text[l.whole:], maxLine)
			l.text = slices.Insert(l.text, end, '\n')
			l.whole = end + 1
		}
	}
	l.flush()
	return n, nil
}

// endLine ends a last line that has no end.
func (l *lineWriter) endLine() {
	if len(l.text) > 0 {
		_, _ = l.Write([]byte{'\n'})
	}
}

// flush writes the whole lines and keeps the rest.
func (l *lineWriter) flush() {
	switch {
	case l.lost:
		l.text = l.text[:0]
	case l.whole == 0:
		return
	case l.sink.write(l.text[:l.whole], l.abandoned):
		l.text = append(l.text[:0], l.text[l.whole:]...)
	default:
		l.lost, l.text = true, nil
	}
	l.whole = 0
}

// stderrTail keeps the end of what is written to it.
type stderrTail struct {
	kept []byte
	cut  bool // something came before
}

// Write never fails.
func (t *stderrTail) Write(p []byte) (int, error) {
	n := len(p)
	if len(p) > maxStderrTail {
		p = p[len(p)-maxStderrTail:]
		t.cut = true
	}
	if over := len(t.kept) + len(p) - maxStderrTail; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
		t.cut = true
	}
	t.kept = append(t.kept, p...)
	return n, nil
}

// bytes returns what was kept. It begins with a whole character.
func (t *stderrTail) bytes() []byte {
	if !t.cut {
		return t.kept
	}
	for at := range min(len(t.kept), utf8.UTFMax) {
		if utf8.RuneStart(t.kept[at]) {
			return t.kept[at:]
		}
	}
	return t.kept // not UTF-8
}

// runeStart returns the last index up to a limit at which a character begins, or the limit if the text is not UTF-8.
func runeStart(text []byte, limit int) int {
	for at := limit; at > limit-utf8.UTFMax; at-- {
		if utf8.RuneStart(text[at]) {
			return at
		}
	}
	return limit
}
