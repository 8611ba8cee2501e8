//go:build unix

package trigger

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Of 10 MB of stderr the last 4 KiB are kept, and all is passed on without being held in memory.
func TestCommandFloods(t *testing.T) {
	var passed counter
	c, err := NewCommand(CommandConfig{Args: part(t, "flood"), Stderr: &passed})
	if err != nil {
		t.Fatal(err)
	}
	c.pipeDelay = time.Minute // a busy machine may read the rest late
	d := delivery(t, "render-7")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	result := c.Deliver(t.Context(), d)
	runtime.ReadMemStats(&after)
	if n := passed.bytes.Load(); n != 10_000_000 {
		t.Errorf("%d bytes were passed on", n)
	}
	// What was allocated, freed or not, is mostly a goroutine and a channel for each write.
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
	var all strings.Builder
	for n := 99_900; n < 100_000; n++ {
		fmt.Fprintf(&all, "%08d%s\n", n, strings.Repeat("-", 91))
	}
	want := all.String()[all.Len()-4096:]
	wantResult(t, Result{Stderr: []byte(want)}, result)
}

// counter counts what is written to it.
type counter struct{ bytes atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.bytes.Add(int64(len(p)))
	return len(p), nil
}

// A hundred commands write parts of lines in turn. Their lines arrive whole, and each knows its own stderr.
func TestCommandsAtOnce(t *testing.T) {
	const commands, lines = 100, 20
	text := `for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		printf '%s' "$FARMWIRE_ATTEMPT " >&2; printf out; printf '%s\n' "$n" >&2; echo " $FARMWIRE_ATTEMPT"
	done`
	c, stdout, stderr := newCommand(t, time.Minute, "/bin/sh", "-c", text)
	d := delivery(t, "render-7")
	done := make(chan error)
	for n := range commands {
		go func() {
			of := d
			of.Attempt = n
			result := c.Deliver(t.Context(), of)
			var want strings.Builder
			for line := range lines {
				fmt.Fprintf(&want, "%d %d\n", n, line+1)
			}
			if result.Outcome != Delivered || string(result.Stderr) != want.String() {
				done <- fmt.Errorf("command %d: %+v, %q", n, result, result.Stderr)
				return
			}
			done <- nil
		}()
	}
	for range commands {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	want := map[string]int{}
	for n := range commands {
		want[fmt.Sprintf("out %d", n)] = lines
		for line := range lines {
			want[fmt.Sprintf("%d %d", n, line+1)] = 1
		}
	}
	for line := range strings.Lines(stdout.String() + stderr.String()) {
		line = strings.TrimSuffix(line, "\n")
		if want[line]--; want[line] < 0 {
			t.Errorf("%q is no line, or came too often", line)
		}
	}
	for line, n := range want {
		if n > 0 {
			t.Errorf("%q is missing %d times", line, n)
		}
	}
}

// blocked is a writer that blocks until it is opened.
type blocked struct{ opened chan struct{} }

func (b blocked) Write(p []byte) (int, error) {
	<-b.opened
	return len(p), nil
}

// A writer that blocks holds up a command no longer than its time, and one that has ended hardly at all.
func TestWriterBlocks(t *testing.T) {
	t.Parallel()
	writer := blocked{make(chan struct{})}
	t.Cleanup(func() { close(writer.opened) })
	for _, test := range []struct {
		text    string
		timeout time.Duration
		want    Result
	}{
		{`echo 1; echo 2 >&2; exit 3`, time.Minute, Result{Outcome: Refused, Reason: "the command exited with 3", Exit: 3, Stderr: []byte("2\n")}},
		{`echo 3; echo 4 >&2; exit 0`, time.Minute, Result{Stderr: []byte("4\n")}},
		{
			`echo 5 >&2; while :; do echo 100 bytes; done`, 5 * time.Second,
			Result{Outcome: Refused, Reason: "the command ran for longer than 5s and was ended", Stderr: []byte("5\n")},
		},
	} {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			c, err := NewCommand(CommandConfig{
				Args:    []string{"/bin/sh", "-c", test.text},
				Timeout: test.timeout, Stdout: writer, Stderr: writer,
			})
			if err != nil {
				t.Fatal(err)
			}
			c.pipeDelay = 3 * time.Second // in which also a busy machine reads what was written
			wantResult(t, test.want, c.Deliver(t.Context(), delivery(t, "render-7")))
		})
	}
}
