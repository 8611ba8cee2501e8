package view

import (
	"math"
	"strconv"
	"strings"
	"time"

	"farmwire/event"
)

// Delay says how late something came: not less than Least, and not more than Most.
type Delay struct {
	Least time.Duration // negative if nothing is known
	Most  time.Duration // negative if it is not known
}

// NoDelay is a delay of which nothing is known.
func NoDelay() Delay { return Delay{-1, -1} }

// DelayOf returns how long after its change an event was handed to Kafka. If the time of the change is not known exactly, the
// delay lies between bounds. A snapshot has none, because it does not tell a change of its time. Exact times are those of the
// service's clock, and all others of Farmwire's.
func DelayOf(e event.Event) Delay {
	since := func(t time.Time) time.Duration { return max(0, e.RecordedTime.Sub(t)) }
	switch {
	case e.Snapshot:
		return NoDelay()
	case e.Observed.Exact:
		return Delay{since(e.Time), since(e.Time)}
	case e.Observed.After.IsZero():
		return Delay{since(e.Observed.Before), -1}
	default:
		return Delay{since(e.Observed.Before), since(e.Observed.After)}
	}
}

// text returns the delay in at most seven characters, or in four for a narrow line, which lack a lower bound if there is an
// upper one. Bounds are rounded so that they hold.
func (d Delay) text(narrow bool) string {
	digits := 2
	if narrow {
		digits = 1
	}
	least := amount(d.Least, 0, math.Floor)
	switch {
	case d.Least < 0, d.Most < 0 && d.Least < time.Second: // at least nothing is nothing
		return "–"
	case d.Least == d.Most:
		return amount(d.Least, digits, math.Round)
	case d.Most < 0:
		return "≥" + least
	case d.Least < time.Second || narrow: // when an answer shows a change, it is soon in Kafka
		return "≤" + amount(d.Most, digits-1, math.Ceil)
	}
	most := amount(d.Most, 0, math.Ceil)
	if unit := most[len(most)-1:]; strings.HasSuffix(least, unit) {
		least = strings.TrimSuffix(least, unit)
	}
	return least + "–" + most
}

// amount formats a duration in one unit: 0.31s, 75s, 12m, 9h, 30d. Digits is the number of them after the point if there are
// less than ten seconds.
func amount(d time.Duration, digits int, round func(float64) float64) string {
	scale := math.Pow10(digits)
	if tenth := round(d.Seconds() * scale); tenth < 10*scale {
		return strconv.FormatFloat(tenth/scale, 'f', digits, 64) + "s"
	}
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{time.Second, "s"}, {time.Minute, "m"}, {time.Hour, "h"}} {
		if n := round(float64(d) / float64(unit.length)); n < 100 {
			return strconv.FormatFloat(n, 'f', 0, 64) + unit.name
		}
	}
	return strconv.FormatFloat(round(d.Hours()/24), 'f', 0, 64) + "d"
}
