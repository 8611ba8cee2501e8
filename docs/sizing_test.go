package docs

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/poller/plan"
)

var update = flag.Bool("update", false, "write the tables of expected delays into the pages")

// The tables of expected delays stand between two such lines. The rest of the pages is written by hand.
const (
	sizingBegin = "<!-- The tables below are generated: go test ./docs -run TestSizing -update -->\n"
	sizingEnd   = "<!-- The end of the generated tables. -->\n"
)

// sizedFarm is a kind of farm that a table is for.
type sizedFarm struct {
	text    string
	perHour float64 // sessions that start on a worker in an hour
	length  time.Duration
	lengths string // of the flag --session-length
}

// sizedFarms are the farms of operating.md.
func sizedFarms() []sizedFarm {
	return []sizedFarm{
		{"A third of the workers is busy, and sessions last 10 minutes", 2, 10 * time.Minute, "10m"},
		{"One worker in twenty is busy, and sessions last 10 minutes", 0.3, 10 * time.Minute, "10m"},
		{"Half of the workers are busy, and sessions last an hour", 0.5, time.Hour, "1h"},
	}
}

// The tables of expected delays are what farmwire plan computes.
func TestSizing(t *testing.T) {
	var all strings.Builder
	for _, f := range sizedFarms() {
		all.WriteString("\n" + f.caption() + "\n\n" + f.table([]int{100, 250, 500, 1000, 2500, 7500}, []float64{1, 2, 5, 10, 25, 50}))
	}
	compareSizing(t, "operating.md", all.String()+"\n")
	compareSizing(t, "../README.md", "\n"+sizedFarms()[0].table([]int{100, 1000, 7500}, []float64{1, 2, 10, 50})+"\n")
}

// compareSizing compares the tables of a page with those that it should have, or writes them.
func compareSizing(t *testing.T, path, want string) {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(page), sizingBegin)
	have, tail, ended := strings.Cut(rest, sizingEnd)
	if !found || !ended {
		t.Fatalf("%s lacks the lines that the tables stand between", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+sizingBegin+want+sizingEnd+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("%s differs from the plan (-want +got); run this test with -update:\n%s", path, d)
	}
}

// caption says what the table is for, and which command gives one of its fields.
func (f sizedFarm) caption() string {
	return fmt.Sprintf("%s. For 1,000 workers at 2 requests a second:\n\n    farmwire plan --workers 1000 --sessions-per-hour %v --session-length %s --api-rate 2",
		f.text, 1000*f.perHour, f.lengths)
}

// table is a row for each number of workers, and a column for each rate.
func (f sizedFarm) table(workers []int, rates []float64) string {
	var b strings.Builder
	b.WriteString("| workers |")
	for _, rate := range rates {
		fmt.Fprintf(&b, " %v/s |", rate)
	}
	b.WriteString("\n|" + strings.Repeat(" --- |", 1+len(rates)) + "\n")
	for _, n := range workers {
		fmt.Fprintf(&b, "| %s |", grouped(n))
		for _, rate := range rates {
			fmt.Fprintf(&b, " %s |", f.field(n, rate))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// field is what can be expected of so many workers at a rate.
func (f sizedFarm) field(workers int, rate float64) string {
	farm := plan.Farm{Workers: workers, Starts: float64(workers) * f.perHour / time.Hour.Seconds(), Length: f.length, Pages: 1}
	p, err := plan.Expect(farm, rate)
	if refusal, ok := errors.AsType[*plan.Refusal](err); ok {
		if refusal.Reason == plan.TooMuchLoad {
			return fmt.Sprintf("load %.1f", p.Load)
		}
		return "– · " + seconds(p.Ends)
	}
	return seconds(p.Starts) + " · " + seconds(p.Ends)
}

// seconds is the mean and the 99th percentile of a delay in seconds.
func seconds(d plan.Delay) string {
	short := func(d time.Duration) string {
		if s := d.Seconds(); s < 9.95 {
			return fmt.Sprintf("%.1f", s)
		}
		return fmt.Sprintf("%.0f", d.Seconds())
	}
	return short(d.Mean) + "/" + short(d.P99)
}

// grouped is a number with commas between thousands.
func grouped(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
