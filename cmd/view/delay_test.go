package view

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"farmwire/diff"
	"farmwire/event"
)

func TestDelayText(t *testing.T) {
	seconds := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	for _, c := range []struct {
		least, most  float64
		wide, narrow string
	}{
		{-1, -1, "–", "–"},
		{0, 0, "0.00s", "0.0s"}, {0.314, 0.314, "0.31s", "0.3s"}, {9.99, 9.99, "9.99s", "10s"}, {75.4, 75.4, "75s", "75s"},
		{99.6, 99.6, "2m", "2m"}, {720, 720, "12m", "12m"}, {5 * 3600, 5 * 3600, "5h", "5h"}, {30 * 86400, 30 * 86400, "30d", "30d"},
		{0.9, -1, "–", "–"}, {7.9, -1, "≥7s", "≥7s"}, {7200, -1, "≥2h", "≥2h"},
		{0.02, 0.31, "≤0.4s", "≤1s"}, {0.02, 3.14, "≤3.2s", "≤4s"}, {0.02, 9.95, "≤10s", "≤10s"}, {0.02, 30, "≤30s", "≤30s"},
		{0.02, 99.1, "≤2m", "≤2m"}, {0.02, 7000, "≤2h", "≤2h"},
		{1, 1.1, "1–2s", "≤2s"}, {32.9, 45.1, "32–46s", "≤46s"}, {32, 700, "32s–12m", "≤12m"}, {150, 6900, "2m–2h", "≤2h"},
		{5940, 86400 * 99, "99m–99d", "≤99d"},
	} {
		d := Delay{seconds(c.least), seconds(c.most)}
		if wide, narrow := d.text(false), d.text(true); wide != c.wide || narrow != c.narrow {
			t.Errorf("%+v: %s, %s, want %s, %s", d, wide, narrow, c.wide, c.narrow)
		}
	}
}

// Whatever a delay of less than 99 days is, its text fits its column.
func TestDelayFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.Int64Range(-1, int64(99*24*time.Hour))
		d := Delay{time.Duration(times.Draw(t, "least")), time.Duration(times.Draw(t, "most"))}
		if wide, narrow := d.text(false), d.text(true); length(wide) > 7 || length(narrow) > 4 {
			t.Errorf("%+v: %s, %s", d, wide, narrow)
		}
	})
}

func TestDelayOf(t *testing.T) {
	of := func(change func(*event.Event)) Delay {
		e := example(1, diff.Updated, "UPDATE_SUCCEEDED", 10) // between 10 and 10.5
		e.RecordedTime = at(11)
		change(&e)
		return DelayOf(e)
	}
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		change func(*event.Event)
		want   Delay
	}{
		"bounds":              {func(*event.Event) {}, Delay{500 * ms, time.Second}},
		"no upper bound":      {func(e *event.Event) { e.Observed.After = time.Time{} }, Delay{500 * ms, -1}},
		"exact":               {func(e *event.Event) { e.Observed.Exact, e.Time = true, at(9) }, Delay{2 * time.Second, 2 * time.Second}},
		"exact, clocks apart": {func(e *event.Event) { e.Observed.Exact, e.Time = true, at(12) }, Delay{0, 0}},
		"a snapshot":          {func(e *event.Event) { e.Snapshot, e.Observed.Exact, e.Time = true, true, at(9) }, NoDelay()},
	} {
		if got := of(c.change); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// A line with the date precedes the first event if its day is not today, and each event whose day is not that of the event before.
func TestDays(t *testing.T) {
	var out bytes.Buffer
	v := New(&out, Options{Width: 80})
	today := time.Now()
	for _, recorded := range []time.Time{today, today, today.Add(-48 * time.Hour), today.Add(-48 * time.Hour), today} {
		e := example(1, diff.Updated, "UPDATE_SUCCEEDED", 10)
		e.RecordedTime = recorded
		if err := v.Event(e, NoDelay()); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, line[:2])
	}
	if want := "12 12 20 12 12 20 12"; strings.Join(got, " ") != want {
		t.Errorf("lines begin with %s, want %s:\n%s", got, want, &out)
	}
	if day := today.Add(-48 * time.Hour).UTC().Format("2006-01-02\n"); !strings.Contains(out.String(), day) {
		t.Errorf("there is no line %s:\n%s", day, &out)
	}
}

// The line of a session ends with its end, though that is not printed.
func TestSkip(t *testing.T) {
	var out bytes.Buffer
	v := New(&out, Options{Width: 80})
	show := func(e event.Event) {
		if err := v.Event(e, NoDelay()); err != nil {
			t.Fatal(err)
		}
	}
	show(example(0, diff.Started, "STARTED", 1))
	show(example(1, diff.Started, "STARTED", 2))
	v.Skip(example(1, diff.Updated, "UPDATE_SUCCEEDED", 3))
	v.Skip(example(0, diff.Ended, "ENDED", 3))
	v.Skip(example(2, diff.Ended, "ENDED", 3))
	show(example(1, diff.Updated, "UPDATE_SUCCEEDED", 4))
	lines := strings.Split(out.String(), "\n")
	if !strings.Contains(lines[1], "│┬ ") || strings.Contains(lines[2], "│") || !strings.Contains(lines[2], " ┼ ") {
		t.Errorf("the lines:\n%s", &out)
	}
}

// What comes from elsewhere does not control the terminal.
func TestControlCharacters(t *testing.T) {
	var out bytes.Buffer
	e := example(0, diff.Changed, "\x1b[2J", 1)
	e.Status.HostName = "a\nb\u009b"
	if err := New(&out, Options{Width: 80}).Event(e, NoDelay()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), " \ufffd[2J ") || !strings.HasSuffix(out.String(), " a\ufffdb\ufffd\n") || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%q", &out)
	}
}
