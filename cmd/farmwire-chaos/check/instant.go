package check

import "time"

// instant is a time in nanoseconds since 1970, or 0 for none. It is smaller than a time.Time, of which a million events
// would hold many.
type instant int64

// wireTime is the layout of times in events.
const wireTime = "2006-01-02T15:04:05.000Z"

func instantOf(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return instant(t.UnixNano())
}

// parseWire reads a time, which must be RFC 3339 in UTC with milliseconds.
func parseWire(text string) (instant, bool) {
	t, err := time.Parse(wireTime, text)
	if err != nil || len(text) != len(wireTime) {
		return 0, false
	}
	return instantOf(t), true
}

func (i instant) String() string {
	if i == 0 {
		return "null"
	}
	return time.Unix(0, int64(i)).UTC().Format("15:04:05.000000")
}

func (i instant) wire() string { return time.Unix(0, int64(i)).UTC().Format(wireTime) }
