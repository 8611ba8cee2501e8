package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a writer that blocks while it is shut.
type gate struct {
	mu     sync.Mutex
	opened sync.Cond
	shut   bool
	pace   time.Duration // of each write
	full   bool          // each write takes ten bytes and fails
	text   bytes.Buffer
}

func newGate() *gate {
	g := &gate{}
	g.opened.L = &g.mu
	return g
}

func (g *gate) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
	g.opened.Broadcast()
}

func (g *gate) Write(text []byte) (int, error) {
	time.Sleep(g.pace)
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.shut {
		g.opened.Wait()
	}
	if g.full {
		text = text[:min(10, len(text))]
		g.text.Write(text)
		return len(text), syscall.ENOSPC
	}
	return g.text.Write(text)
}

func (g *gate) lines() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Split(strings.TrimSuffix(g.text.String(), "\n"), "\n")
}

// told is the line about dropped lines in these tests.
func told(lines uint64, since time.Time) []byte {
	return fmt.Appendf(nil, "dropped %d since %s\n", lines, since.UTC().Format(time.TimeOnly))
}

// numbered writes the lines from first to last.
func numbered(w io.Writer, first, last int) {
	for i := first; i <= last; i++ {
		fmt.Fprintf(w, "line %d %s\n", i, strings.Repeat(".", i%200))
	}
}

// A writer that blocks holds up no Write and costs no more than a bounded buffer. When it goes on, the lines before the
// first that was dropped come, then one line with the number, then the later ones.
func TestLineSinkThatIsBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newGate()
		to.shut = true
		s := newLineSink(to)
		s.reportDropped(told)
		began := time.Now()
		numbered(s, 1, 1)
		synctest.Wait() // until it blocks in the write of this line
		numbered(s, 2, 20_000)
		if took := time.Since(began); took != 0 {
			t.Errorf("the writes took %s", took)
		}
		if len(s.waiting) > mostWaiting || cap(s.waiting) > 2*mostWaiting {
			t.Errorf("%d bytes wait", len(s.waiting))
		}
		if s.Sync(); time.Since(began) > stillFor {
			t.Errorf("Sync took %s", time.Since(began))
		}
		to.set(func() { to.shut = false })
		synctest.Wait()
		numbered(s, 20_001, 20_003)
		s.close()
		synctest.Wait()
		kept, lines := 0, to.lines()
		for kept < len(lines) && strings.HasPrefix(lines[kept], fmt.Sprintf("line %d ", kept+1)) {
			kept++
		}
		if kept < 1000 || kept+4 != len(lines) {
			t.Fatalf("%d lines are in order, of %d", kept, len(lines))
		}
		if want := strings.TrimSuffix(string(told(uint64(20_000-kept), began)), "\n"); lines[kept] != want {
			t.Errorf("%q, want %q", lines[kept], want)
		}
		for i, line := range lines[kept+1:] {
			if !strings.HasPrefix(line, fmt.Sprintf("line %d ", 20_001+i)) {
				t.Errorf("then %q", line)
			}
		}
		if s.droppedLines() != uint64(20_000-kept) {
			t.Errorf("%d dropped lines are counted", s.droppedLines())
		}
	})
}

// A writer that fails gets the rest again until it takes it, so that a disk that was full has whole lines.
func TestLineSinkThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newGate()
		to.full = true
		s := newLineSink(to)
		s.reportDropped(told)
		numbered(s, 100, 103)
		synctest.Wait()
		began := time.Now()
		if s.Sync(); time.Since(began) > stillFor {
			t.Errorf("Sync took %s", time.Since(began))
		}
		to.set(func() { to.full = false })
		time.Sleep(retryWrite)
		synctest.Wait()
		if lines := to.lines(); len(lines) != 4 || !strings.HasPrefix(lines[0], "line 100 .") || !strings.HasPrefix(lines[3], "line 103 .") {
			t.Errorf("%q", lines)
		}
		s.close()
	})
}

// Nothing is lost at the end, even if the writer is slow.
func TestLineSinkLosesNothingAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newGate()
		to.pace = stillFor / 2
		s := newLineSink(to)
		numbered(s, 1, 200)
		s.close()
		if lines := to.lines(); len(lines) != 200 {
			t.Errorf("%d lines", len(lines))
		}
		synctest.Wait()
	})
}

// No write to a pipe ends within a line that the pipe can take in one piece.
func TestWholeLines(t *testing.T) {
	line := strings.Repeat("x", 999) + "\n"
	for text, want := range map[string]int{
		line: 1000, line + "half": 1004, strings.Repeat(line, 5): 4000, strings.Repeat("x", 5000) + "\n" + line: 5001, strings.Repeat("x", 5000): 5000,
	} {
		if got := wholeLines([]byte(text)); got != want {
			t.Errorf("%d of %d bytes, want %d", got, len(text), want)
		}
	}
}

// Before a stop, a reader that stands still holds the writer up. After it, it is waited for no longer than a moment.
func TestStoppableWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newGate()
		to.shut = true
		time.AfterFunc(time.Hour, func() { to.set(func() { to.shut = false }) })
		began := time.Now()
		if _, err := (&stoppableWriter{ctx: t.Context(), to: to}).Write([]byte("one\n")); err != nil || time.Since(began) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		to.set(func() { to.shut = true })
		ctx, stop := context.WithCancel(t.Context())
		w := &stoppableWriter{ctx: ctx, to: to}
		time.AfterFunc(time.Minute, stop)
		began = time.Now()
		if _, err := w.Write([]byte("two\n")); err == nil || time.Since(began) != time.Minute+stopPatience {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		began = time.Now()
		if _, err := w.Write([]byte("three\n")); err == nil || time.Since(began) != 0 {
			t.Errorf("then %v after %s", err, time.Since(began))
		}
		to.set(func() { to.shut = false })
		synctest.Wait()
		if got := strings.Join(to.lines(), " "); got != "one two" {
			t.Errorf("written: %q", got)
		}
	})
}
