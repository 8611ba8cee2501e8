package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// addresses are where a visitor can join in.
type addresses struct {
	Brokers []string // host:port
	Topics  string   // prefix
	HTTP    string   // host:port of metrics and probes
	Farm    string   // URL of the simulated farm
}

// intro prints what the demo is, where one can join in, and how to read the lines that follow.
func (v *view) intro(title string, at addresses) {
	broker := strings.Join(at.Brokers, ",")
	v.line()
	v.line(cell{" Farmwire ", 0, bold}, cell{title, 0, plain})
	v.line()
	for _, row := range [][2]string{
		{"Kafka", broker + "   topics " + at.Topics + ".events .ended .state"},
		{"", "kcat -C -b " + broker + " -X isolation.level=read_committed -t " + at.Topics + ".events"},
		{"metrics", "http://" + at.HTTP + "/metrics   probes /livez /readyz"},
		{"farm", "AWS_ENDPOINT_URL_DEADLINE=" + at.Farm + " AWS_DISABLE_HOST_PREFIX_INJECTION=true"},
		{"", "aws deadline list-farms   (any region, any credentials)"},
	} {
		v.line(cell{" " + row[0], 10, dim}, cell{row[1], 0, plain})
	}
	v.line()
	v.legend()
	v.line()
	v.cut(v.width,
		cell{"time, UTC", 13, dim}, cell{"known", 9, dim}, cell{"delay", 8, dim},
		cell{"open", len(v.lanes.columns), dim}, cell{" session", 13, dim},
		cell{"change", 14, dim}, cell{"state", 25, dim}, cell{"worker", 0, dim},
	)
}

// legend says how to read a line.
func (v *view) legend() {
	for _, row := range [][2]string{
		{"known", "exact: told by the service · ±0.20s: between two answers · before: it was so already"},
		{"delay", "from when an answer could show the change to its arrival here, through Kafka"},
		{"open", "a line for each open session: ┬ started  ╤ open before we looked  ┼ changed  ┴ ended"},
		{"marks", "◇ inferred: passed between two polls, known from a later state"},
	} {
		v.line(cell{" " + row[0], 10, dim}, cell{row[1], 0, dim})
	}
}

// account prints the account.
func (v *view) account(a account) {
	v.line()
	v.line(cell{" Account", 0, bold}, cell{fmt.Sprintf(" of %s", long(a.Ran)), 0, plain})
	v.line()
	v.row("happened", fmt.Sprintf("%d", a.Transitions), "transitions on the farm while it was watched", plain)
	v.row("events", fmt.Sprintf("%d", a.Events), fmt.Sprintf("read from Kafka: %d tell a transition, %d a session open before", a.Told, a.Discovered), plain)
	v.row("delay", strings.TrimSpace(seconds(a.percentile(50))), fmt.Sprintf("p50, p95 %s, p99 %s, from when an answer could show the change",
		seconds(a.percentile(95)), seconds(a.percentile(99))), plain)
	calls, rate, by := a.calls()
	v.row("API calls", fmt.Sprintf("%d", calls), rate, plain)
	v.row("", "", by, plain)
	v.row("unseen", fmt.Sprintf("%d", a.Passed), "statuses that came and went between two polls, which no poll can see", plain)
	if a.complete() {
		v.row("missed", "0", "every start and every end was told, once and in order", "32")
	}
	v.accuse("no event told the start of", a.MissedStarts)
	v.accuse("no event told the end of", a.MissedEnds)
	v.accuse("no event told the present state of", a.Late)
	v.accuse("nothing true is told by", a.Invented)
	v.accuse("twice, or not in order:", a.Disordered)
	v.line()
}

// row prints a line of the account.
func (v *view) row(what, figure, words, sgr string) {
	v.line(cell{" " + what, 12, dim}, cell{fmt.Sprintf("%6s", figure), 8, join(bold, sgr)}, cell{words, 0, sgr})
}

// accuse prints what is wrong with some sessions or events, in full, because they are to be looked for.
func (v *view) accuse(what string, ids []string) {
	const most = 10
	for i, id := range ids {
		if i == most {
			v.row("", fmt.Sprintf("%d", len(ids)-most), "more", "31")
			return
		}
		v.row("missed", "", what+" "+id, "31")
	}
}

// calls gives the number of API calls, how many a second, and by operation, most first.
func (a account) calls() (total int, rate, by string) {
	operations := slices.Sorted(maps.Keys(a.Calls))
	slices.SortStableFunc(operations, func(x, y string) int { return a.Calls[y] - a.Calls[x] })
	var parts []string
	for _, o := range operations {
		total += a.Calls[o]
		parts = append(parts, fmt.Sprintf("%s %d", o, a.Calls[o]))
	}
	rate = fmt.Sprintf("%.1f a second", float64(total)/max(a.Ran, time.Millisecond).Seconds())
	return total, rate, strings.Join(parts, ", ")
}

// join puts SGR parameters together.
func join(sgr ...string) string {
	return strings.Join(slices.DeleteFunc(sgr, func(s string) bool { return s == plain }), ";")
}
