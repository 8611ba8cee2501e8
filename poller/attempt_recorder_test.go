package poller

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfterHeader(t *testing.T) {
	date := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":       0,
		"3":      3 * time.Second,
		"0":      0,
		"-1":     0,
		"NaN":    0,
		"soon":   0,
		"999999": maxRetryAfter,
		date.Add(4 * time.Second).Format(http.TimeFormat):  4 * time.Second,
		date.Add(-4 * time.Second).Format(http.TimeFormat): 0,
		date.Add(time.Hour).Format(http.TimeFormat):        maxRetryAfter,
	} {
		if got := retryAfter(value, date); got != want {
			t.Errorf("Retry-After %q is %v, want %v", value, got, want)
		}
	}
}
