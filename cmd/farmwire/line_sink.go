package main

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// mostWaiting is how many bytes of lines wait while the writer behind a lineSink blocks: some thousand lines of the log, or
	// several minutes at level info.
	mostWaiting = 256 << 10

	stillFor     = 300 * time.Millisecond  // how long Sync waits for a writer that takes nothing
	longestFlush = 1500 * time.Millisecond // how long Sync waits for a writer that is slow
	retryWrite   = time.Second             // after a write that failed, unless there is another line before
)

// lineSink passes lines on to a writer that may block or fail: a pipe that nobody reads, a terminal that stands still, or a
// file on a full disk. Write never waits for that writer, so no work depends on it.
//
// The lines wait in a buffer. When it is full, lines are dropped and counted until the writer has taken all that waits.
// Then one line says how many were dropped. The lines that are written are whole and in order.
type lineSink struct {
	to   io.Writer
	wake chan struct{} // has a value if there is something to do for the goroutine

	mu         sync.Mutex
	notice     func(lines uint64, since time.Time) []byte // makes the line that says how many were dropped; nil: there is none
	waiting    []byte
	taken      int           // bytes that the goroutine has taken and not written yet
	moved      chan struct{} // closed after the next write
	failing    bool          // the last write failed
	closed     bool
	dropped    uint64    // lines dropped since the start
	unreported uint64    // those of them that no notice has counted
	since      time.Time // when the first of the unreported lines was dropped
}

// newLineSink returns a lineSink, which must be closed.
func newLineSink(to io.Writer) *lineSink {
	s := &lineSink{to: to, wake: make(chan struct{}, 1), moved: make(chan struct{})}
	go s.run()
	return s
}

// reportDropped makes the sink write a line about lines that were dropped. The function returns that line.
func (s *lineSink) reportDropped(notice func(lines uint64, since time.Time) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notice = notice
}

// droppedLines returns how many lines were dropped since the start.
func (s *lineSink) droppedLines() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// Write takes the lines, or drops them if too many wait. It never blocks and never fails.
func (s *lineSink) Write(lines []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.unreported > 0 || len(s.waiting)+len(lines) > mostWaiting {
		if s.unreported == 0 {
			s.since = time.Now()
		}
		n := max(1, uint64(bytes.Count(lines, []byte("\n"))))
		s.dropped += n
		s.unreported += n
	} else {
		s.waiting = append(s.waiting, lines...)
	}
	s.signal()
	return len(lines), nil
}

// Fd returns the file descriptor of the writer.
func (s *lineSink) Fd() uintptr { return fileDescriptor(s.to) }

// Sync waits until all lines are written, as long as the writer goes on taking some. It returns soon if the writer blocks or
// fails, and always returns nil.
func (s *lineSink) Sync() error {
	s.mu.Lock()
	retried := !s.failing
	s.signal() // so that a write that failed is tried once more now
	s.mu.Unlock()
	deadline := time.NewTimer(longestFlush)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		moved, empty, failing := s.moved, len(s.waiting)+s.taken == 0, s.failing
		s.mu.Unlock()
		if empty || failing && retried {
			return nil
		}
		select {
		case <-moved:
			retried = true
		case <-time.After(stillFor):
			return nil
		case <-deadline.C:
			return nil
		}
	}
}

// close writes what it can, as Sync does. Lines that come later are dropped.
func (s *lineSink) close() {
	_ = s.Sync() // it returns nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.signal()
}

// signal wakes the goroutine.
func (s *lineSink) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run writes the lines until the sink is closed. It is the only one that blocks.
func (s *lineSink) run() {
	var lines, spare []byte
	for {
		if len(lines) == 0 {
			var open bool
			if lines, open = s.take(spare); !open {
				return
			}
			spare = lines
		}
		if len(lines) == 0 {
			<-s.wake
			continue
		}
		n, err := s.to.Write(lines[:wholeLines(lines)])
		lines = lines[n:]
		s.wrote(len(lines), err)
		if err != nil {
			select {
			case <-s.wake:
			case <-time.After(retryWrite):
			}
		}
	}
}

// take returns the lines that wait, with one about dropped lines behind them, and reports whether the sink is still open.
// The lines that come from now on go into the spare buffer.
func (s *lineSink) take(spare []byte) (lines []byte, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	if s.unreported > 0 {
		if s.notice != nil {
			s.waiting = append(s.waiting, s.notice(s.unreported, s.since)...)
		}
		s.unreported = 0
	}
	lines = s.waiting
	s.waiting = spare[:0]
	s.taken = len(lines)
	return lines, true
}

// wrote notes how much of the taken lines is left after a write, and the write's error.
func (s *lineSink) wrote(left int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken, s.failing = left, err != nil
	close(s.moved)
	s.moved = make(chan struct{})
}

// wholeLines returns how much of a text to write at once: as many whole lines as a pipe takes in one piece, but at least one
// line, or the whole text if no line ends in it.
func wholeLines(text []byte) int {
	if len(text) <= atomicWrite {
		return len(text)
	}
	if end := bytes.LastIndexByte(text[:atomicWrite], '\n') + 1; end > 0 {
		return end
	}
	if end := bytes.IndexByte(text, '\n') + 1; end > 0 {
		return end
	}
	return len(text)
}
