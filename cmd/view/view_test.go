package view

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/diff"
	"farmwire/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

// noon is the instant that the printed examples begin at.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// example is an event of session n at a second of the example, observed half a second later.
func example(n int, kind diff.Kind, status string, second float64) event.Event {
	ids := []string{"session-0b5f9d1c2e7a4f60", "session-77c3f00d9a1b2c3d", "session-1f2e3d4c5b6a7988"}
	e := event.Event{Time: at(second + 0.5), Status: &diff.WorkerStatus{Status: "RUNNING", HostName: "lighting-000" + string(rune('1'+n)) + ".studio.example"}}
	e.Kind = kind
	e.Session = diff.Session{
		WorkerKey: diff.WorkerKey{FarmID: "farm-1", FleetID: []string{"fleet-1", "fleet-2", "fleet-1"}[n], WorkerID: "worker-000000000000ab0" + string(rune('1'+n))},
		SessionID: ids[n], LifecycleStatus: status, StartedAt: noon,
	}
	e.Observed = diff.Bounds{After: at(second), Before: at(second + 0.5)}
	return e
}

// story is one event of every kind, of three sessions on two fleets.
func story() []event.Event {
	found := example(0, diff.Discovered, "UPDATE_IN_PROGRESS", 1)
	found.Snapshot, found.Observed.After = true, time.Time{}
	started := example(1, diff.Started, "STARTED", 2)
	started.Time, started.Observed.Exact = at(2.1), true
	inferred := example(2, diff.Started, "STARTED", 3)
	inferred.Time, inferred.Observed.Exact, inferred.Inferred, inferred.Status = at(2.7), true, true, nil
	updating := example(2, diff.Updating, "UPDATE_IN_PROGRESS", 3)
	updating.Status = nil
	ending := example(1, diff.Ending, "UPDATE_IN_PROGRESS", 61)
	ending.Session.TargetLifecycleStatus = "ENDED"
	ended := example(1, diff.Ended, "ENDED", 62)
	ended.Session.TargetLifecycleStatus, ended.Session.EndedAt = "ENDED", at(61.9)
	ended.Time, ended.Observed.Exact = at(61.9), true
	history := example(1, diff.Ended, "ENDED", 70)
	history.Snapshot, history.Session.EndedAt = true, at(9000)
	return []event.Event{
		found, started, inferred, updating,
		example(2, diff.Updated, "UPDATE_SUCCEEDED", 4),
		example(0, diff.UpdateFailed, "UPDATE_FAILED", 30),
		example(0, diff.Changed, "SOMETHING_NEW_AND_RATHER_LONG", 31),
		ending, ended,
		example(2, diff.Vanished, "UPDATE_SUCCEEDED", 63),
		history,
	}
}

// TestView compares what is printed with files that a person can look at (cat shows the colours).
func TestView(t *testing.T) {
	for file, o := range map[string]Options{
		"events.txt":        {Width: 128, Delay: legend},
		"events-colour.txt": {Width: 128, Delay: legend, Colour: true},
		"events-narrow.txt": {Width: 80, Delay: legend},
		"events-wide.txt":   {Width: 180, Delay: legend},
		"events-dryrun.txt": {Width: 80},
	} {
		t.Run(file, func(t *testing.T) {
			var out bytes.Buffer
			print(t, New(&out, o))
			golden(t, file, out.Bytes())
		})
	}
}

// legend is what the legend says of the delays.
const legend = "from when an answer could show the change to its arrival from Kafka"

func print(t *testing.T, v *View) {
	if err := v.Legend(); err != nil {
		t.Fatal(err)
	}
	exactly := func(d time.Duration) Delay { return Delay{d, d} }
	delays := []Delay{NoDelay(), exactly(310 * time.Millisecond), exactly(6 * time.Second), exactly(75 * time.Second),
		{20 * time.Millisecond, 3140 * time.Millisecond}, {32 * time.Second, 45100 * time.Millisecond}, {7 * time.Second, -1}}
	for i, e := range story() {
		if err := v.Event(e, delays[i%len(delays)]); err != nil {
			t.Fatal(err)
		}
	}
}

// On 80 columns each line has the worker, and a status that has a name of the service's is whole.
func TestEightyColumns(t *testing.T) {
	for _, delay := range []string{"", legend} {
		for _, e := range story() {
			var out bytes.Buffer
			if err := New(&out, Options{Width: 80, Delay: delay}).Event(e, Delay{35 * time.Second, 75 * time.Second}); err != nil {
				t.Fatal(err)
			}
			line := strings.TrimSuffix(out.String(), "\n")
			host := "ab03"
			if e.Status != nil {
				host = e.Status.HostName[8:13]
			}
			status := e.Session.LifecycleStatus
			if e.Kind == diff.Changed {
				status = "SOMETHING_NEW_AND…"
			}
			if length(line) > 80 || !strings.HasSuffix(line, host) || !strings.Contains(line, " "+status+" ") {
				t.Errorf("%d characters: %s", length(line), line)
			}
		}
	}
}

// However wide a terminal is, no line of an event is wider, and a wide one has the session's id.
func TestWidths(t *testing.T) {
	e := example(2, diff.UpdateFailed, "UPDATE_IN_PROGRESS", 9)
	for width := 1; width < 300; width++ {
		var out bytes.Buffer
		if err := New(&out, Options{Width: width, Delay: legend}).Event(e, Delay{}); err != nil {
			t.Fatal(err)
		}
		line := strings.TrimSuffix(out.String(), "\n")
		if length(line) > width || width >= 170 && !strings.HasSuffix(line, e.Session.SessionID) {
			t.Errorf("on %d columns: %s", width, line)
		}
	}
}

func TestErrorsOfTheOutput(t *testing.T) {
	full := errors.New("full")
	v := New(failing{full}, Options{Width: 80})
	if err := v.Event(story()[0], NoDelay()); !errors.Is(err, full) {
		t.Errorf("an event: %v", err)
	}
	if err := v.Legend(); !errors.Is(err, full) {
		t.Errorf("the legend: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		want string
	}{
		{"render-0001", 11, "render-0001"}, {"lighting-0001", 11, "light…-0001"}, {"lighting-0001", 5, "ligh…"}, {"", 3, ""},
	} {
		if got := shorten(c.name, c.n); got != c.want {
			t.Errorf("%q in %d characters is %q, want %q", c.name, c.n, got, c.want)
		}
	}
}

func TestLong(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 1234 * time.Millisecond: "1.2s", 9940 * time.Millisecond: "9.9s", 9960 * time.Millisecond: "10s",
		59700 * time.Millisecond: "1m", time.Minute: "1m", 61 * time.Second: "1m1s", 10 * time.Minute: "10m",
		time.Hour - time.Second: "59m59s", time.Hour - time.Millisecond: "1h0m", time.Hour: "1h0m", 150*time.Minute + 20*time.Second: "2h30m",
	} {
		if got := Long(d); got != want {
			t.Errorf("%s is printed as %q, want %q", d, got, want)
		}
	}
}

// When there are fewer or more columns, the sessions in those that stay keep theirs, and the drawing is as wide as the columns.
func TestResizedLanes(t *testing.T) {
	l := newLanes(3)
	for n := range 3 {
		l.draw(example(n, diff.Started, "STARTED", 1))
	}
	for _, c := range []struct {
		columns, session int
		want             string
	}{{2, 1, "│┼"}, {5, 1, "│┼   "}, {5, 0, "┼│   "}, {5, 2, "││┼  "}} {
		l.resize(c.columns)
		strokes, _ := l.draw(example(c.session, diff.Updated, "UPDATE_SUCCEEDED", 2))
		drawn := ""
		for _, s := range strokes {
			drawn += string(s.Rune)
		}
		if drawn != c.want {
			t.Errorf("%d columns: %q, want %q", c.columns, drawn, c.want)
		}
	}
}
