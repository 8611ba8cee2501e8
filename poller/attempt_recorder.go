package poller

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
)

// maxBody is the most bytes that are read of an answer. A full page has about 100 KiB.
const maxBody = 16 << 20

// recorder is the HTTP client of one attempt. It records when the request was sent, and the headers of the
// answer that the SDK does not return.
type recorder struct {
	service *service
	next    deadline.HTTPClient

	sent       time.Time
	sentTick   uint64
	status     int
	retryAfter time.Duration
	date       time.Time
}

// options makes the SDK send through the recorder, and keeps it from retrying.
func (rec *recorder) options(o *deadline.Options) {
	rec.next, o.HTTPClient = o.HTTPClient, rec
	o.Retryer = aws.NopRetryer{}
}

// Do sends the request. It is called by the SDK.
func (rec *recorder) Do(r *http.Request) (*http.Response, error) {
	rec.sent, rec.sentTick = time.Now(), rec.service.ticks.Add(1)
	resp, err := rec.next.Do(r)
	if err != nil {
		return resp, err
	}
	rec.status = resp.StatusCode
	rec.date, _ = http.ParseTime(resp.Header.Get("Date"))
	rec.retryAfter = retryAfter(resp.Header.Get("Retry-After"), rec.date)
	resp.Body = body{io.LimitReader(resp.Body, maxBody), resp.Body}
	return resp, nil
}

// body is a body that is cut off after maxBody bytes.
type body struct {
	io.Reader
	io.Closer
}

// retryAfter reads a Retry-After header, which holds seconds or a date. A date is relative to that of the
// answer. The result is 0 if there is no header or it is not valid.
func retryAfter(value string, date time.Time) time.Duration {
	if value == "" {
		return 0
	}
	var d time.Duration
	if n, err := strconv.ParseUint(value, 10, 64); err == nil {
		d = time.Duration(min(n, uint64(maxRetryAfter/time.Second))) * time.Second
	} else if t, err := http.ParseTime(value); err == nil {
		if date.IsZero() {
			date = time.Now()
		}
		d = t.Sub(date)
	}
	return max(0, min(maxRetryAfter, d))
}
