package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/cmd/command"
	"farmwire/poller/schedule/simulation"
)

// filesOf reads all files of a directory.
func filesOf(t *testing.T, directory string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(directory, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(text)
	}
	return files
}

// The command plays every policy, writes the page and the plots, and plays nothing twice. A line that was not
// written to its end does not count.
func TestTable(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "made")
	args := "table --out " + directory + " --mix even,idle --workers 20 --rate 1"
	table := func(played int) map[string]string {
		t.Helper()
		out, said, code := run(args)
		if code != command.ExitDone || out != "" || strings.Count(said, "\n") != played {
			t.Fatalf("exit code %d, prints %q and %q; want %d runs", code, out, said, played)
		}
		return filesOf(t, directory)
	}
	first := table(2 * 3)
	page := first["README.md"]
	if rows := regexp.MustCompile(`(?m)^\| 20 \| 1 \| 0\.[0-9.]+ \| [0-9.]+ / [0-9.]+ \| [0-9.]+ / [0-9.]+ \| [0-9.]+ / [0-9.]+ \| .* \|$`).FindAllString(page, -1); len(rows) != 2 {
		t.Errorf("%d rows:\n%s", len(rows), page)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(page, -1) {
		if first[link[1]] == "" {
			t.Errorf("there is no %s", link[1])
		}
	}
	if d := cmp.Diff(first, table(0)); d != "" {
		t.Errorf("the second time it makes something else: %s", d)
	}
	cache := first["runs.jsonl"]
	if err := os.WriteFile(filepath.Join(directory, "runs.jsonl"), []byte(cache[:len(cache)-9]), 0o666); err != nil {
		t.Fatal(err)
	}
	if again := table(1); again["README.md"] != page || strings.Count(again["runs.jsonl"], "\n") != 6 {
		t.Errorf("resumed, it makes something else:\n%s", again["README.md"])
	}
}

// A run that is interrupted writes no page, and a file of runs that is none is an error.
func TestTableThatFails(t *testing.T) {
	directory := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, said strings.Builder
	args := []string{"table", "--out", directory, "--mix", "even", "--workers", "20", "--rate", "1"}
	if code := program().Run(ctx, args, command.Streams{Out: &out, Err: &said}); code != command.ExitFailed || !strings.Contains(said.String(), "canceled") {
		t.Errorf("exit code %d, prints %q", code, said.String())
	}
	if files := filesOf(t, directory); len(files) != 1 || files["runs.jsonl"] != "" {
		t.Errorf("files: %v", files)
	}
	if err := os.WriteFile(filepath.Join(directory, "runs.jsonl"), []byte("{}\nnonsense\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, said, code := run(strings.Join(args, " ")); code != command.ExitFailed || !strings.Contains(said, "runs.jsonl, line 2") {
		t.Errorf("exit code %d, prints %q", code, said)
	}
}

// cacheOf returns a cache in which the runs of a cell have figures: a third less, these, and a third more.
func cacheOf(figuresOf map[policy]figures, cells ...cell) *cache {
	c := &cache{known: make(map[trial]figures)}
	for _, at := range cells {
		for p, f := range figuresOf {
			for i, r := range at.runs(p) {
				f := f
				f.Mean, f.P99 = f.Mean*[]float64{1, 2. / 3, 4. / 3}[i], f.P99*[]float64{1, 4. / 3, 2. / 3}[i]
				c.known[r] = f
			}
		}
	}
	return c
}

// The page has the medians, what they say of each other, and what is worse than round robin. A cell that is not finished is
// not on it.
func TestPage(t *testing.T) {
	kept, left := grid([]simulation.Mix{simulation.Even, simulation.DeepHistory}, []int{1000, 7500}, []float64{.5, 1})
	known := cacheOf(map[policy]figures{
		ours:       {Mean: 20, P99: 1100, Load: .5625, Lost: .0123, Unannounced: .18},
		roundRobin: {Mean: 505, P99: 1000, Lost: .2},
		reference:  {Mean: 16, P99: 8000},
	}, kept[1:]...)
	page := newPage([]simulation.Mix{simulation.Even, simulation.DeepHistory}, kept, left, known).markdown()
	const columns = "| 0.56 | 20 / 1,100 | 505 / 1,000 | 16 / 8,000 | 25 / 0.91 | 1.25 / 0.14 | 1.2 % / 20.0 % | 18.0 % |\n"
	for _, want := range []string{
		"| [even](#even) " + columns, "| 1,000 | 1 " + columns,
		"| 7,500 | 0.5 | 0.56 | 20 / 1,100 | 505 / 1,000 |  | 25 / 0.91 |  | 1.2 % / 20.0 % | 18.0 % |\n",
		"- even, 1,000 workers, 1/s (load 0.56, hidden 18.0 %): p99 1,100 s against 1,000 s\n",
		"- deep-history, 1,000 workers: 0.5 requests a second\n- deep-history, 7,500 workers: 0.5, 1 requests a second\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "| 1,000 | 0.5 ") || strings.Contains(page, "mean 20 s against") {
		t.Errorf("the page has too much:\n%s", page)
	}
}

// The grid has all cells, and leaves out only those in which round robin would take very long.
func TestGrid(t *testing.T) {
	kept, left := grid(simulation.Mixes(), sizes(), rates())
	if len(kept)+len(left) != 13*3*7 || len(left) != 2*(1+4) {
		t.Errorf("%d cells, and %d are left out", len(kept), len(left))
	}
	for _, c := range kept {
		requests := (c.warmUp + c.window).Seconds() * c.rate
		if c.warmUp < 15*time.Minute || c.warmUp > 30*time.Minute || c.window < 10*time.Minute || c.window > time.Hour || requests > 110_000 {
			t.Errorf("%s, %d workers, %v/s: %v and %v", c.mix, c.workers, c.rate, c.warmUp, c.window)
		}
	}
}
