package trigger

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	longestRetryAfter = time.Hour
	drainLimit        = 64 << 10        // bytes of an answer's body
	drainTimeout      = 2 * time.Second // for the body of an answer
)

// answered returns what an answer means that came at a certain time. Nothing but its status and its time is looked at, so
// that the reason has no text of the receiver.
func answered(answer *http.Response, now time.Time) Result {
	r := Result{Outcome: Refused, Status: answer.StatusCode, Reason: "the webhook answered with " + statusText(answer.StatusCode)}
	switch status := answer.StatusCode; {
	case 200 <= status && status <= 299:
		r.Outcome, r.Reason = Delivered, ""
	case 300 <= status && status <= 399:
		r.Reason += ", and redirects are not followed"
	case status == http.StatusGone:
		r.Outcome = Impossible
	case status == http.StatusTooManyRequests, status == http.StatusBadGateway, status == http.StatusServiceUnavailable,
		status == http.StatusGatewayTimeout:
		r.Outcome = Unavailable
		r.RetryAfter = retryAfter(answer.Header, now)
	}
	return r
}

// statusText is a status with its name, which is not taken from the answer.
func statusText(status int) string {
	return strings.TrimSpace("HTTP " + strconv.Itoa(status) + " " + http.StatusText(status))
}

// retryAfter returns how long the header Retry-After of an answer asks to wait, an hour at most, and 0 if there is none that
// can be read. It is a number of seconds, or a date of the receiver's clock, which the header Date shows. Source: RFC 9110,
// section 10.2.3.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if text != "" && strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(longestRetryAfter/time.Second) { // the only error is a number that is too large
			return longestRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return min(max(until.Sub(now), 0), longestRetryAfter)
}

// drain reads the rest of an answer if it is short, so that its connection can be used again. Otherwise the connection is
// closed.
func drain(answer *http.Response, cancel func()) {
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return // the body is the connection itself, which does not end with the context
	}
	timer := time.AfterFunc(drainTimeout, cancel)
	defer timer.Stop()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, drainLimit+1))
}
