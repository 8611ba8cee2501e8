package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"farmwire/poller/schedule/simulation"
)

// The size of a plot, in pixels. A plot has a panel for each number of workers.
const (
	panelWidth   = 196
	panelHeight  = 220
	panelsApart  = 92 // room for the labels at the lines
	plotLeft     = 72
	plotTop      = 34
	plotBottom   = 44
	lineDistance = 13 // between two labels
)

// look is how a policy is drawn. The colours can be read on white and on black.
type look struct{ colour, dashes string }

func lookOf(p policy) look {
	switch p {
	case roundRobin:
		return look{"#c0611f", "6 4"}
	case reference:
		return look{"#3d8a4e", "2 3"}
	default:
		return look{"#2b7de0", "none"}
	}
}

const grey = "#7a7a7a" // of text and axes, likewise

// scale turns a value into pixels, by its logarithm.
type scale struct{ least, most, from, to float64 }

func (s scale) at(value float64) float64 {
	return s.from + (s.to-s.from)*math.Log(value/s.least)/math.Log(s.most/s.least)
}

// plot draws the mean delays of a mix against the rate, both logarithmic, as SVG.
func plot(mix simulation.Mix, rows []row) string {
	var sizes []int
	for _, r := range rows {
		if !slices.Contains(sizes, r.workers) {
			sizes = append(sizes, r.workers)
		}
	}
	slices.Sort(sizes)
	rates, y := axes(rows)
	width := plotLeft + len(sizes)*(panelWidth+panelsApart)
	height := plotTop + panelHeight + plotBottom
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title desc" `+
		`font-family="system-ui,sans-serif" font-size="12" fill="%s">`+"\n", width, height, width, height, grey)
	fmt.Fprintf(&b, "<title id=\"title\">Mean delay of starts and ends against requests a second, mix %s</title>\n<desc id=\"desc\">%s</desc>\n",
		mix, describe(sizes, rows))
	for i, workers := range sizes {
		left := float64(plotLeft + i*(panelWidth+panelsApart))
		x := scale{rates[0], max(rates[len(rates)-1], 2*rates[0]), left, left + panelWidth}
		drawAxes(&b, x, y, rates, i == 0)
		fmt.Fprintf(&b, "<text x=\"%.0f\" y=\"%d\" font-weight=\"bold\">%s workers</text>\n", left, plotTop-14, thousands(workers))
		drawLines(&b, x, y, slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.workers != workers }))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// axes returns the rates of all panels, and the scale of the delays: whole powers of ten.
func axes(rows []row) (rates []float64, y scale) {
	least, most := math.Inf(1), 0.0
	for _, r := range rows {
		rates = append(rates, r.rate)
		for _, f := range r.by {
			if f.Mean > 0 {
				least, most = min(least, f.Mean), max(most, f.Mean)
			}
		}
	}
	slices.Sort(rates)
	if most == 0 {
		least, most = 1, 10
	}
	low, high := math.Floor(math.Log10(least)), math.Ceil(math.Log10(most))
	return slices.Compact(rates), scale{math.Pow(10, low), math.Pow(10, max(high, low+1)), plotTop + panelHeight, plotTop}
}

// drawAxes draws the grid of a panel. The delays stand at the first one only, because all have the same.
func drawAxes(b *strings.Builder, x, y scale, rates []float64, first bool) {
	fmt.Fprintf(b, `<path fill="none" stroke="%s" stroke-opacity=".3" d="`, grey)
	for delay := y.least; delay < 1.001*y.most; delay *= 10 {
		fmt.Fprintf(b, "M%.1f %.1fH%.1f", x.from, y.at(delay), x.to)
	}
	for _, rate := range rates {
		fmt.Fprintf(b, "M%.1f %.1fV%.1f", x.at(rate), y.from, y.to)
	}
	b.WriteString("\"/>\n")
	for delay := y.least; first && delay < 1.001*y.most; delay *= 10 {
		label := fmt.Sprintf("%.3g s", delay)
		if delay > 1 {
			label = thousands(int(delay+.5)) + " s"
		}
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", x.from-6, y.at(delay)+4, label)
	}
	for _, rate := range rates {
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%v</text>\n", x.at(rate), y.from+16, rate)
	}
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">requests a second</text>\n", (x.from+x.to)/2, y.from+34)
}

// drawLines draws the lines of a panel, with a label at the end of each.
func drawLines(b *strings.Builder, x, y scale, rows []row) {
	type label struct {
		of policy
		y  float64
	}
	var labels []label
	for _, p := range []policy{roundRobin, reference, ours} { // ours is drawn over the others
		var points []string
		var last float64
		for _, r := range rows {
			if f := r.by[p]; f.Mean > 0 {
				last = y.at(f.Mean)
				points = append(points, fmt.Sprintf("%.1f,%.1f", x.at(r.rate), last))
			}
		}
		if len(points) == 0 {
			continue
		}
		labels = append(labels, label{p, last})
		l := lookOf(p)
		fmt.Fprintf(b, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\" points=\"%s\"/>\n",
			l.colour, l.dashes, strings.Join(points, " "))
		for _, point := range points {
			cx, cy, _ := strings.Cut(point, ",")
			fmt.Fprintf(b, "<circle cx=\"%s\" cy=\"%s\" r=\"2.5\" fill=\"%s\"/>\n", cx, cy, l.colour)
		}
	}
	slices.SortStableFunc(labels, func(a, b label) int { return cmp.Compare(a.y, b.y) })
	below := y.from // no label is lower than those after it need
	for i := len(labels) - 1; i >= 0; i-- {
		labels[i].y = min(labels[i].y, below)
		below = labels[i].y - lineDistance
	}
	for _, l := range labels {
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" fill=\"%s\">%s</text>\n", x.to+7, l.y+4, lookOf(l.of).colour, l.of)
	}
}

// describe says in words what the plot shows, from the smallest to the largest rate.
func describe(sizes []int, rows []row) string {
	var said []string
	for _, workers := range sizes {
		for _, p := range []policy{ours, roundRobin, reference} {
			var of []row
			for _, r := range rows {
				if _, ok := r.by[p]; ok && r.workers == workers {
					of = append(of, r)
				}
			}
			if len(of) > 0 {
				first, last := of[0], of[len(of)-1]
				said = append(said, fmt.Sprintf("%s workers, %s: from %s s at %v requests a second to %s s at %v.",
					thousands(workers), p, number(first.by[p].Mean), first.rate, number(last.by[p].Mean), last.rate))
			}
		}
	}
	return strings.Join(said, " ")
}
