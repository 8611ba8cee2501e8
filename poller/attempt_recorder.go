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

// maxRetryAfter is the longest pause that is obeyed. A longer Retry-After counts as this.
const maxRetryAfter = 5 * time.Minute

// recorder is the HTTP client of one request. It records when the request was sent, and the headers of the
// answer that the SDK does not return.
type recorder struct {
	service *service
	next    deadline.HTTPClient

	sent       time.Time // zero if the SDK sent nothing
	sentTick   uint64
	status     int           // 0 if there was no answer
	retryAfter time.Duration // 0 if the answer does not say
	date       time.Time     // zero if the answer does not say
}

// options is an option of an operation. It makes the SDK send through the recorder, and only once.
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

// body is the body of an answer, cut off after maxBody bytes.
type body struct {
	io.Reader
	io.Closer
}

// retryAfter reads the value of a Retry-After header, which is a number of seconds or a date. The pause until
// a date counts from the date of the answer. It is 0 if the value is empty or not valid, and at most
// maxRetryAfter.
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
