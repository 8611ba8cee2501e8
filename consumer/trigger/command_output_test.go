package trigger

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// However the output comes, it is passed on in whole lines, and only the ends of lines are added.
func TestCopyLinesKeepsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.OneOf(
			rapid.String(),
			rapid.Just(strings.Repeat("日本", maxLine/5)), // not a divisor of the limit
			rapid.Just(strings.Repeat("x", maxLine)),
			rapid.Just(strings.Repeat("x", maxLine+1)),
			rapid.Just(strings.Repeat("\x80", 2*maxLine+1)),
		)
		text := strings.Join(rapid.SliceOfN(line, 0, 8).Draw(t, "lines"), rapid.SampledFrom([]string{"\n", "\n\n", ""}).Draw(t, "end"))
		sizes := rapid.SliceOfN(rapid.IntRange(1, 100_000), 1, 5).Draw(t, "sizes")
		var got writes
		copyLines(newLineSink(&got), &chunks{text: text, sizes: sizes}, nil)
		whole := strings.Join(got, "")
		for _, w := range got {
			if !strings.HasSuffix(w, "\n") {
				t.Fatalf("%.100q is no whole line", w)
			}
		}
		for l := range strings.Lines(whole) {
			if len(l) > maxLine+1 {
				t.Fatalf("a line of %d bytes", len(l))
			}
		}
		if utf8.ValidString(text) != utf8.ValidString(whole) {
			t.Fatal("a character was divided")
		}
		// All that is added are ends of lines, and none where the line is not too long.
		for len(whole) > 0 {
			gotLine, gotRest, _ := strings.Cut(whole, "\n")
			wantLine, wantRest, _ := strings.Cut(text, "\n")
			switch {
			case gotLine == wantLine:
				whole, text = gotRest, wantRest
			case strings.HasPrefix(wantLine, gotLine) && len(gotLine) > maxLine-utf8.UTFMax:
				whole, text = gotRest, text[len(gotLine):]
			default:
				t.Fatalf("%.100q and not %.100q", gotLine, wantLine)
			}
		}
		if text != "" {
			t.Fatalf("%.100q is missing", text)
		}
	})
}

// writes collects what is written.
type writes []string

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, string(p))
	return len(p), nil
}

// chunks reads a text in chunks of some sizes.
type chunks struct {
	text  string
	sizes []int
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.sizes[0])], c.text)
	c.text, c.sizes = c.text[n:], append(c.sizes[1:], c.sizes[0])
	return n, nil
}

// The tail is the end of what was written, but for a part of a character.
func TestStderrTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tail stderrTail
		var all []byte
		for range rapid.IntRange(0, 6).Draw(t, "writes") {
			p := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 5000), rapid.Custom(func(t *rapid.T) []byte {
				return []byte(strings.Repeat(rapid.StringN(1, 3, -1).Draw(t, "text"), rapid.IntRange(0, 3000).Draw(t, "times")))
			})).Draw(t, "p")
			if n, err := tail.Write(p); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
			all = append(all, p...)
			if cap(tail.kept) > 3*maxStderrTail {
				t.Fatalf("%d bytes are kept", cap(tail.kept))
			}
		}
		got := tail.bytes()
		if !bytes.HasSuffix(all, got) || len(got) > maxStderrTail || len(got) < min(len(all), maxStderrTail-utf8.UTFMax+1) {
			t.Fatalf("%d bytes of %d", len(got), len(all))
		}
		if utf8.Valid(all) && !utf8.Valid(got) {
			t.Fatalf("a character was divided: %q", got[:4])
		}
		if len(all) <= maxStderrTail && len(got) != len(all) {
			t.Fatalf("%d bytes of %d, though all fits", len(got), len(all))
		}
	})
}

// Nothing is left out of a short text or of one that is not UTF-8.
func TestStderrTailIsNotUTF8(t *testing.T) {
	for text, want := range map[string]int{"\x80short": 6, strings.Repeat("\x80", 5000): maxStderrTail} {
		var tail stderrTail
		_, _ = tail.Write([]byte(text))
		if got := tail.bytes(); len(got) != want || !strings.HasSuffix(text, string(got)) {
			t.Errorf("%d bytes of %d, want %d", len(got), len(text), want)
		}
	}
}

// Several commands write at once. Their lines are not mixed.
func TestLineSinkIsShared(t *testing.T) {
	var got writes // fails under the race detector if it is written to at once
	sink := newLineSink(&got)
	done := make(chan struct{})
	for n := range 10 {
		go func() {
			text := strings.Repeat(fmt.Sprintf("command %d\n", n), 1000)
			copyLines(sink, &chunks{text: text, sizes: []int{1, 7, 100}}, nil)
			done <- struct{}{}
		}()
	}
	for range 10 {
		<-done
	}
	lines := 0
	for line := range strings.Lines(strings.Join(got, "")) {
		if lines++; len(line) != len("command 0\n") || !strings.HasPrefix(line, "command ") {
			t.Fatalf("%q", line)
		}
	}
	if lines != 10_000 {
		t.Errorf("%d lines", lines)
	}
}
