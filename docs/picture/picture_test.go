package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLine(t *testing.T) {
	got := parseLine("a \x1b[1;32mgreen\x1b[0m \x1b[38;5;208morange\x1b[39m\x1b[K\x1b[2mdim")
	want := []span{
		{0, "a ", style{}}, {2, "green", style{"#56d364", true, false}}, {7, " ", style{}},
		{8, "orange", style{"#ff8700", false, false}}, {14, "dim", style{"", false, true}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(span{}, style{})); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

func TestExcerpt(t *testing.T) {
	event := func(n int) string { return fmt.Sprintf("\x1b[2m10:00:00.%03d\x1b[0m  event", n) }
	lines := []string{"title", "", event(1), event(2), event(3), "", "account"}
	for most, want := range map[int][]string{
		2: {"title", "", "…", event(2), event(3), "", "account"},
		3: lines,
		9: lines,
	} {
		got, err := excerpt(lines, most)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%d events: %v (-want +got):\n%s", most, err, diff)
		}
	}
	if _, err := excerpt([]string{"title"}, 2); err == nil {
		t.Error("a run without events makes no picture")
	}
}

// The picture is well-formed, has each word in its own column, and draws what must join as strokes.
func TestDraw(t *testing.T) {
	picture := draw([][]span{parseLine("10:00  \x1b[31m│┴\x1b[0m <ended> now"), parseLine("")})
	for _, want := range []string{
		`<text x="14" y="27" textLength="40">10:00</text>`,
		`<path fill="none" stroke="#ff7b72" stroke-width="1.5" d="M74 14v17M82 14v8m-3 0h6"/>`,
		`<text x="94" y="27" textLength="88">&lt;ended&gt; now</text>`,
		`viewBox="0 0 196 62"`,
	} {
		if !bytes.Contains(picture, []byte(want)) {
			t.Errorf("the picture lacks %s:\n%s", want, picture)
		}
	}
	wellFormed(t, picture)
}

// The picture in the README is one that a browser shows, and not too large.
func TestPictureOfTheReadme(t *testing.T) {
	picture, err := os.ReadFile("../demo.svg")
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, picture)
	if len(picture) > 60_000 {
		t.Errorf("the picture has %d bytes", len(picture))
	}
	if text := string(picture); !strings.Contains(text, "Farmwire") || !strings.Contains(text, ">ended<") {
		t.Error("the picture does not show the demo")
	}
}

func wellFormed(t *testing.T, picture []byte) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(picture))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
