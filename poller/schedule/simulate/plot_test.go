package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"farmwire/poller/schedule/simulation"
)

// element is what a plot draws.
type element struct {
	name, text string
	attributes map[string]string
}

// elements reads a plot, which must be well-formed.
func elements(t *testing.T, plot string) []element {
	t.Helper()
	var all []element
	for d := xml.NewDecoder(strings.NewReader(plot)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, plot)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: token.Name.Local, attributes: map[string]string{}}
			for _, a := range token.Attr {
				e.attributes[a.Name.Local] = a.Value
			}
			all = append(all, e)
		case xml.CharData:
			if len(all) > 0 {
				all[len(all)-1].text += strings.TrimSpace(string(token))
			}
		}
	}
}

func rowOf(workers int, rate float64, means map[policy]float64) row {
	r := row{cell: cell{mix: simulation.Even, workers: workers, rate: rate}, by: map[policy]figures{}}
	for p, mean := range means {
		r.by[p] = figures{Mean: mean}
	}
	return r
}

// A plot says what it is, has a panel for each size and a line with a label for each policy, and its axes are logarithmic.
func TestPlot(t *testing.T) {
	all := elements(t, plot(simulation.Even, []row{
		rowOf(1000, .5, map[policy]float64{ours: 100, roundRobin: 1000, reference: 99}),
		rowOf(1000, 5, map[policy]float64{ours: 10, roundRobin: 100, reference: 9.9}),
		rowOf(1000, 50, map[policy]float64{ours: 1, roundRobin: 10, reference: .99}),
		rowOf(7500, .5, map[policy]float64{ours: 100, roundRobin: 1000}),
	}))
	if svg := all[0]; svg.attributes["role"] != "img" || svg.attributes["aria-labelledby"] != "title desc" {
		t.Errorf("the plot is %v", svg.attributes)
	}
	texts, ofPolicies, lines := map[string]int{}, []float64{}, [][]float64{}
	for _, e := range all {
		texts[e.text]++
		switch {
		case e.name == "polyline":
			var numbers []float64
			for _, n := range strings.FieldsFunc(e.attributes["points"], func(r rune) bool { return r == ' ' || r == ',' }) {
				x, err := strconv.ParseFloat(n, 64)
				if err != nil {
					t.Fatal(err)
				}
				numbers = append(numbers, x)
			}
			lines = append(lines, numbers)
		case e.text == string(ours) || e.text == string(reference):
			y, _ := strconv.ParseFloat(e.attributes["y"], 64)
			ofPolicies = append(ofPolicies, y)
		}
	}
	if texts["round robin"] != 2 || texts["schedule"] != 2 || texts["policy 5"] != 1 || texts["1,000 workers"] != 1 || texts["7,500 workers"] != 1 ||
		texts["1,000 s"] != 1 || texts["0.1 s"] != 1 {
		t.Errorf("texts: %v", texts)
	}
	if desc := all[2]; desc.name != "desc" || !strings.Contains(desc.text, "1,000 workers, schedule: from 100 s at 0.5 requests a second to 1.0 s at 50.") {
		t.Errorf("description: %q", desc.text)
	}
	if math.Abs(ofPolicies[0]-ofPolicies[1]) < lineDistance {
		t.Errorf("labels overlap: %v", ofPolicies)
	}
	for _, l := range lines[:3] {
		if math.Abs(l[2]-l[0]-(l[4]-l[2])) > .2 || math.Abs(l[3]-l[1]-(l[5]-l[3])) > .2 || l[1] >= l[3] {
			t.Errorf("no straight line that falls: %v", l)
		}
	}
}

// All colours can be read on white and on the darkest background that GitHub has: their contrast is more than 4.
func TestColours(t *testing.T) {
	luminance := func(colour string) float64 {
		n, err := strconv.ParseUint(strings.TrimPrefix(colour, "#"), 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		channel := func(shift int) float64 { return math.Pow((float64(n>>shift&255)/255+.055)/1.055, 2.4) }
		return .2126*channel(16) + .7152*channel(8) + .0722*channel(0)
	}
	white, dark := luminance("#ffffff"), luminance("#0d1117")
	for _, colour := range []string{grey, lookOf(ours).colour, lookOf(roundRobin).colour, lookOf(reference).colour} {
		l := luminance(colour)
		if onWhite, onDark := (white+.05)/(l+.05), (l+.05)/(dark+.05); onWhite < 4 || onDark < 4 {
			t.Errorf("%s has a contrast of %.1f on white and %.1f on dark", colour, onWhite, onDark)
		}
	}
}
