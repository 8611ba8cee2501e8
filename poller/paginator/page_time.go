package paginator

import (
	"errors"
	"strings"
	"time"
)

const secondsLayout = "2006-01-02T15:04:05"

// timeInUTC reads an RFC 3339 time, and converts its text to UTC. The text keeps every digit of the fraction except
// zeros at its end; the time has nine digits. A time without a zone is taken to be in UTC. Leap seconds, and t and z in
// lower case, are errors, because the SDK does not read them either.
func timeInUTC(wire string) (time.Time, string, error) {
	refused := errors.New("it has a time that is not in the form of RFC 3339")
	if len(wire) < len(secondsLayout) {
		return time.Time{}, "", refused
	}
	seconds, rest := wire[:len(secondsLayout)], wire[len(secondsLayout):]
	fraction := ""
	if digits, ok := strings.CutPrefix(rest, "."); ok {
		zone := strings.TrimLeft(digits, "0123456789")
		fraction = digits[:len(digits)-len(zone)]
		if fraction == "" {
			return time.Time{}, "", refused
		}
		rest = zone
	}
	offset, ok := zoneOffset(rest)
	if !ok {
		return time.Time{}, "", refused
	}
	t, err := time.Parse(secondsLayout, wire[:len(wire)-len(rest)]) // Go reads a fraction that the layout lacks
	if err != nil || t.Format(secondsLayout) != seconds {           // and hours of one digit
		return time.Time{}, "", refused
	}
	t = t.Add(-offset)
	if t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}, "", refused
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		fraction = "." + fraction
	}
	return t, t.Format(secondsLayout) + fraction + "Z", nil
}

// zoneOffset reads Z, ±hh:mm, or no zone at all. It reports false for anything else.
func zoneOffset(zone string) (time.Duration, bool) {
	if zone == "" || zone == "Z" {
		return 0, true
	}
	t, err := time.Parse("-07:00", zone)
	if err != nil || len(zone) != len("-07:00") {
		return 0, false
	}
	_, seconds := t.Zone()
	offset := time.Duration(seconds) * time.Second
	return offset, offset.Abs() < 24*time.Hour
}
