package consumer

import (
	"strings"
	"testing"
	"time"
)

func TestParsePosition(t *testing.T) {
	now := time.Date(2026, 11, 26, 18, 0, 0, 123456, time.FixedZone("CET", 3600))
	for text, want := range map[string]string{
		"now": "now", "beginning": "beginning",
		"15m": "2026-11-26T16:45:00Z", "1h30m": "2026-11-26T15:30:00Z",
		"2026-11-26T16:00:00Z": "2026-11-26T16:00:00Z", "2026-11-26T18:00:00+01:00": "2026-11-26T17:00:00Z",
	} {
		got, err := ParsePosition(text, now)
		if err != nil || got.String() != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
		if again, err := ParsePosition(want, now); err != nil || again.String() != want {
			t.Errorf("%s: %s, %v", want, again, err)
		}
	}
	for _, text := range []string{"", "Now", "-15m", "0s", "15", "2026-11-26", "2026-11-26T18:00:00", "0001-01-01T00:00:00Z", "secret"} {
		if got, err := ParsePosition(text, now); err == nil || text != "" && strings.Contains(err.Error(), text+" ") || !strings.HasPrefix(err.Error(), "give now, ") {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	if got, err := ParsePosition("2026-11-26T18:00:01+01:00", now); err == nil || !strings.Contains(err.Error(), "in the future") {
		t.Errorf("later: %s, %v", got, err)
	}
}
