package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"farmwire/cmd/view"
)

// delayMeaning is what the legend says of the delays. The demo knows them exactly, because the farm tells when it showed what.
const delayMeaning = "from when an answer could show the change to its arrival from Kafka"

// intro prints what the demo is, where other programs can connect, and how to read the lines that follow.
func intro(v *view.View, title string, at addresses) error {
	broker := strings.Join(at.Brokers, ",")
	lines := [][]view.Cell{
		{},
		{cell(" Farmwire ", 0, view.Bold), cell(title, 0, view.Plain)},
		{},
	}
	for _, row := range [][2]string{
		{"Kafka", broker + "   topics " + at.Topics + ".events .ended .state"},
		{"", "kcat -C -b " + broker + " -X isolation.level=read_committed -t " + at.Topics + ".events"},
		{"metrics", "http://" + at.HTTP + "/metrics   probes /livez /readyz"},
		{"farm", "AWS_ENDPOINT_URL_DEADLINE=" + at.Farm + " AWS_DISABLE_HOST_PREFIX_INJECTION=true"},
		{"", "aws deadline list-farms   (any region, any credentials)"},
	} {
		lines = append(lines, []view.Cell{cell(" "+row[0], 10, view.Dim), cell(row[1], 0, view.Plain)})
	}
	for _, line := range append(lines, nil) {
		if err := v.Line(line...); err != nil {
			return err
		}
	}
	return v.Legend()
}

func cell(text string, width int, style view.Style) view.Cell {
	return view.Cell{Text: text, Width: width, Style: style}
}

// print prints the account.
func (a account) print(v *view.View) error {
	lines := [][]view.Cell{
		{},
		{cell(" Account", 0, view.Bold), cell(" of "+view.Long(a.Ran), 0, view.Plain)},
		{},
	}
	for _, line := range slices.Concat(lines, a.rows(), [][]view.Cell{nil}) {
		if err := v.Line(line...); err != nil {
			return err
		}
	}
	return nil
}

// rows returns the lines of the account.
func (a account) rows() [][]view.Cell {
	calls, by := a.calls()
	rate := fmt.Sprintf("%.1f a second, because this farm lives %g times as fast as a real one", float64(calls)/max(a.Ran, time.Millisecond).Seconds(), a.Speed)
	rows := [][]view.Cell{
		row("happened", fmt.Sprint(a.Transitions), "transitions on the farm while it was watched", view.Plain),
		row("events", fmt.Sprint(a.Events), fmt.Sprintf("read from Kafka: %d tell a transition, %d a session open before", a.Told, a.Discovered), view.Plain),
		row("delay", view.Seconds(a.percentile(50)), fmt.Sprintf("p50, p95 %s, p99 %s, from when an answer could show the change",
			view.Seconds(a.percentile(95)), view.Seconds(a.percentile(99))), view.Plain),
		row("API calls", fmt.Sprint(calls), rate, view.Plain),
		row("", "", by, view.Plain),
		row("unseen", fmt.Sprint(a.Passed), "statuses that came and went between two polls, which no poll can see", view.Plain),
	}
	if a.Late > 0 {
		rows = append(rows,
			row("late", fmt.Sprint(a.Late), "changes that were not told within a minute, and that nothing shows to be lost:", view.Yellow),
			row("", "", "this machine is too slow for this speed; try a lower --speed or fewer --workers", view.Yellow))
	}
	switch {
	case a.missed():
	case a.Late > 0:
		rows = append(rows, row("missed", "0", "every other start and end was told, once and in order", view.Green))
	default:
		rows = append(rows, row("missed", "0", "every start and every end was told, once and in order", view.Green))
	}
	return slices.Concat(rows,
		accuse("no event told the start of", a.MissedStarts),
		accuse("no event told the end of", a.MissedEnds),
		accuse("no event told the present state of", a.MissedStates),
		accuse("nothing happened that fits the event", a.Invented),
		accuse("published twice, or out of order:", a.Disordered))
}

// row returns a line of the account.
func row(what, figure, words string, style view.Style) []view.Cell {
	return []view.Cell{cell(" "+what, 12, view.Dim), cell(fmt.Sprintf("%6s", figure), 8, view.Bold.And(style)), cell(words, 0, style)}
}

// accuse returns rows that say what is wrong with some sessions or events. They have the whole ids, so that somebody can
// look for them.
func accuse(what string, ids []string) (rows [][]view.Cell) {
	const most = 10
	for i, id := range ids {
		if i == most {
			return append(rows, row("", fmt.Sprint(len(ids)-most), "more", view.Red))
		}
		rows = append(rows, row("missed", "", what+" "+id, view.Red))
	}
	return rows
}

// calls returns the number of API calls, in all and by operation, the most frequent first.
func (a account) calls() (total int, by string) {
	operations := slices.Sorted(maps.Keys(a.Calls))
	slices.SortStableFunc(operations, func(x, y string) int { return a.Calls[y] - a.Calls[x] })
	var parts []string
	for _, o := range operations {
		total += a.Calls[o]
		parts = append(parts, fmt.Sprintf("%s %d", o, a.Calls[o]))
	}
	return total, strings.Join(parts, ", ")
}
