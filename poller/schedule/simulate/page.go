package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"farmwire/poller/schedule/simulation"
)

// page is what the table shows.
type page struct {
	mixes []simulation.Mix
	rows  []row
	left  []cell // out
}

// row is a cell with its figures. Large farms have none of the reference.
type row struct {
	cell
	by map[policy]figures
}

// newPage returns the page of the cells of which all runs are finished.
func newPage(mixes []simulation.Mix, cells, left []cell, finished *cache) page {
	p := page{mixes: mixes, left: left}
	for _, c := range cells {
		r := row{cell: c, by: make(map[policy]figures)}
		for _, of := range c.policies() {
			if f, ok := finished.of(of, c); ok {
				r.by[of] = f
			}
		}
		if len(r.by) == len(c.policies()) {
			p.rows = append(p.rows, r)
		}
	}
	return p
}

// writePage writes README.md and a plot for each mix.
func writePage(directory string, p page) error {
	files := map[string]string{"README.md": p.markdown()}
	for _, mix := range p.mixes {
		if rows := p.of(mix); len(rows) > 0 {
			files[string(mix)+".svg"] = plot(mix, rows)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o666); err != nil {
			return fmt.Errorf("write the table: %w", err)
		}
	}
	return nil
}

// of returns the rows of a mix.
func (p page) of(mix simulation.Mix) []row {
	var rows []row
	for _, r := range p.rows {
		if r.mix == mix {
			rows = append(rows, r)
		}
	}
	return rows
}

const introduction = `# The schedule in simulation

How long it takes until the starts and ends of sessions are known, by three policies that send the same number of requests:

- **schedule**: Farmwire's own, the code that runs in production.
- **round robin**: every worker is listed in turn, all pages.
- **policy 5**: a reference. At each time it sends the request that removes the largest delay that it can expect, and it is
  told what Farmwire has to learn: how often sessions start on a worker, and how their lengths are distributed. It does not
  know what is or will be. It goes through all workers for each request, so it is played with at most 1,000.

They are played in virtual time against a model of Deadline Cloud, whose comment says what it assumes
(` + "`go doc ./poller/schedule/simulation`" + `). In short: sessions of 10 minutes on average, in jobs of 50 to 150 sessions; the
status of a worker is 15 s old at most; an answer takes 50 to 150 ms; nothing fails. Nothing here was measured at AWS.

To repeat it, which takes less than an hour on two processors that have nothing else to do:

    go run ./poller/schedule/simulate table --out docs/schedule

Finished runs are kept in ` + "`runs.jsonl`" + ` beside the page, and are not played again. So the command can be interrupted. After a
change of the code, remove that file, or the lines of the policy that was changed.

The figures of 1,000 workers at 1 request a second are medians of three seeds, but for policy 5, and all others are of one.
After half an hour of warm-up, the changes of an hour are measured; where the rate is high, both are shorter, together 25 to
60 minutes. The schedule begins without a snapshot, so it first lists every worker once, which is not over before the window of
1,000 workers at 0.5 requests a second and of 7,500 at 2 and less: there its figures are those of a first start. Policy 5 is told
what is there. Round robin and policy 5 list the workers of the fleets once in 5 minutes, and policy 5 once a minute where
workers come and go.

| column | meaning |
| --- | --- |
| load | pages of the listings that the starts need, one listing each, for each request that is sent. From 0.6 on, expect little; from 1 on, not every start can be listed |
| mean, p99 | seconds from a change to the answer that shows it, of starts and ends together; what was lost is not in it |
| gain | round robin divided by schedule, mean / p99. More than 1 is sooner |
| to policy 5 | schedule divided by policy 5, mean / p99. 1 is as good as the reference |
| lost | sessions of which the worker was deleted before they were known: schedule / round robin |
| hidden | starts that nothing could announce, because another session was open or because they ended before a heartbeat |
`

// markdown returns the page.
func (p page) markdown() string {
	var b strings.Builder
	b.WriteString(introduction)
	p.glance(&b)
	p.worse(&b)
	for _, mix := range p.mixes {
		rows := p.of(mix)
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", mix, about(mix))
		if len(rows) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n![Mean delay against requests a second, %s](%s.svg)\n\n", mix, mix)
		b.WriteString("| workers | requests a second | load | schedule | round robin | policy 5 | gain | to policy 5 | lost | hidden |\n" +
			"| --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n")
		for _, r := range rows {
			fmt.Fprintf(&b, "| %s | %v | %s\n", thousands(r.workers), r.rate, r.columns())
		}
	}
	p.leftOut(&b)
	return b.String()
}

// glance adds the table of one size and one rate.
func (p page) glance(b *strings.Builder) {
	fmt.Fprintf(b, "\n## At a glance: %s workers, %v request a second\n\n", thousands(glanceWorkers), glanceRate)
	b.WriteString("| mix | load | schedule | round robin | policy 5 | gain | to policy 5 | lost | hidden |\n" +
		"| --- | --: | --: | --: | --: | --: | --: | --: | --: |\n")
	for _, r := range p.rows {
		if r.workers == glanceWorkers && r.rate == glanceRate {
			fmt.Fprintf(b, "| [%s](#%s) | %s\n", r.mix, r.mix, r.columns())
		}
	}
}

// columns returns the columns from the load on.
func (r row) columns() string {
	ours, theirs := r.by[ours], r.by[roundRobin]
	both := func(f figures) string { return number(f.Mean) + " / " + number(f.P99) }
	against, quotient := "", ""
	if best, ok := r.by[reference]; ok {
		against, quotient = both(best), divided(ours, best)
	}
	return strings.Join([]string{
		strconv.FormatFloat(ours.Load, 'f', 2, 64), both(ours), both(theirs), against, divided(theirs, ours), quotient,
		percent(ours.Lost) + " / " + percent(theirs.Lost), percent(ours.Unannounced),
	}, " | ") + " |"
}

// worse adds where round robin is sooner, by more than five per cent.
func (p page) worse(b *strings.Builder) {
	const tolerated = 1.05
	fmt.Fprintf(b, "\n## Where round robin is sooner\n\nBy more than 5 %% in the mean, or in the 99th percentile:\n\n")
	none := true
	for _, r := range p.rows {
		ours, theirs := r.by[ours], r.by[roundRobin]
		var figures []string
		if ours.Mean > tolerated*theirs.Mean {
			figures = append(figures, fmt.Sprintf("mean %s s against %s s", number(ours.Mean), number(theirs.Mean)))
		}
		if ours.P99 > tolerated*theirs.P99 {
			figures = append(figures, fmt.Sprintf("p99 %s s against %s s", number(ours.P99), number(theirs.P99)))
		}
		if len(figures) > 0 {
			none = false
			fmt.Fprintf(b, "- %s, %s workers, %v/s (load %.2f, hidden %s): %s\n",
				r.mix, thousands(r.workers), r.rate, ours.Load, percent(ours.Unannounced), strings.Join(figures, "; "))
		}
	}
	if none {
		b.WriteString("Nowhere.\n")
	}
}

// leftOut adds the cells that were not simulated.
func (p page) leftOut(b *strings.Builder) {
	if len(p.left) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Left out\n\nRound robin takes more than %s s for one round there, so that a simulation would take very long:\n\n",
		thousands(int(longestRound.Seconds())))
	for left := p.left; len(left) > 0; {
		first := left[0]
		end := slices.IndexFunc(left, func(c cell) bool { return c.mix != first.mix || c.workers != first.workers })
		if end < 0 {
			end = len(left)
		}
		var rates []string
		for _, c := range left[:end] {
			rates = append(rates, fmt.Sprint(c.rate))
		}
		fmt.Fprintf(b, "- %s, %s workers: %s requests a second\n", first.mix, thousands(first.workers), strings.Join(rates, ", "))
		left = left[end:]
	}
}

// about says what a mix is.
func about(mix simulation.Mix) string {
	const even = "A third of the workers has an open session at any time"
	switch mix {
	case simulation.Even:
		return even + ", and all are alike."
	case simulation.Idle:
		return "A worker has no open session for 95 % of the time."
	case simulation.Skewed:
		return "A tenth of the workers has nine tenths of the starts."
	case simulation.Busy:
		return "The next session starts soon after the last one has ended, 18 s on average."
	case simulation.Bursts:
		return "Jobs of 500 sessions, or of half as many as there are workers, start within 5 s."
	case simulation.Autoscaling:
		return "Workers are created and deleted, and their number swings by a quarter within an hour."
	case simulation.TwoAtOnce:
		return "On a third of the workers two sessions may be open at a time. Nothing announces the second one."
	case simulation.Updates:
		return even + ", and its status changes four times. Those changes are not measured."
	case simulation.DeepHistory:
		return even + ", and a worker's listing has 30 pages, the newest sessions first."
	case simulation.DeepHistoryOldest:
		return even + ", and a worker's listing has 30 pages, the oldest sessions first."
	case simulation.Regular:
		return even + ", and all sessions are about equally long: the coefficient of variation is 0.1."
	case simulation.Exponential:
		return even + ", and the lengths of sessions have an exponential distribution. Some are too short for a heartbeat."
	case simulation.HeavyTail:
		return even + ", and a few sessions are very long: the coefficient of variation is 2."
	}
	return ""
}

// number returns a number of seconds, with a decimal if it is small.
func number(seconds float64) string {
	if seconds < 9.95 {
		return strconv.FormatFloat(seconds, 'f', 1, 64)
	}
	return thousands(int(seconds + .5))
}

// thousands returns a number with commas.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// divided returns the quotients of mean and p99.
func divided(a, b figures) string {
	quotient := func(a, b float64) string {
		switch q := a / b; {
		case b <= 0:
			return "–"
		case q < 9.95:
			return strconv.FormatFloat(q, 'f', 1+one(q < 1.995), 64)
		default:
			return thousands(int(q + .5))
		}
	}
	return quotient(a.Mean, b.Mean) + " / " + quotient(a.P99, b.P99)
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// percent returns a share.
func percent(share float64) string {
	if share == 0 {
		return "0"
	}
	return strconv.FormatFloat(100*share, 'f', 1, 64) + " %"
}
