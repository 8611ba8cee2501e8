package trigger

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Every status has its outcome, over HTTP/1.1 and HTTP/2.
func TestWebhookStatuses(t *testing.T) {
	special := map[int]Outcome{410: Impossible, 429: Unavailable, 502: Unavailable, 503: Unavailable, 504: Unavailable}
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if (r.ProtoMajor == 2) != http2 {
				t.Errorf("%s", r.Proto)
			}
			status, _ := strconv.Atoi(r.Header.Get("Ce-Sequence"))
			rw.Header().Set("Location", "/"+webhookCanary)
			rw.Header().Set("X-Other", webhookCanary)
			rw.WriteHeader(status)
			if status != 204 && status != 304 {
				_, _ = rw.Write([]byte(webhookCanary))
			}
		}))
		server.EnableHTTP2 = http2
		server.StartTLS()
		defer server.Close()
		w := newTestWebhook(t, server.URL)
		w.transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
		d := endDelivery(t)
		for status := 200; status <= 599; status++ {
			for i := range d.Record.Headers {
				if d.Record.Headers[i].Key == "ce_sequence" {
					d.Record.Headers[i].Value = []byte(strconv.Itoa(status))
				}
			}
			r := w.Deliver(t.Context(), d)
			want, ok := special[status]
			if !ok && status > 299 {
				want = Refused
			}
			named := strings.HasPrefix(r.Reason, "the webhook answered with HTTP "+strconv.Itoa(status))
			if r.Outcome != want || r.Status != status || r.RetryAfter != 0 || named != (want != Delivered) {
				t.Errorf("%d is %+v", status, r)
			}
			checkReason(t, r)
		}
	}
}

// A redirect is not followed, wherever it leads, and is no missing answer.
func TestWebhookFollowsNoRedirect(t *testing.T) {
	followed := false
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{"/" + webhookCanary, "https://" + webhookCanary + "/", "%zz" + webhookCanary, ""} {
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				followed = followed || r.URL.RawQuery == ""
				rw.Header().Set("Location", location)
				rw.WriteHeader(status)
			}))
			r := newTestWebhook(t, server.URL).Deliver(t.Context(), endDelivery(t))
			if r.Outcome != Refused || r.Status != status || !strings.Contains(r.Reason, "redirects are not followed") {
				t.Errorf("%d to %q: %+v", status, location, r)
			}
			checkReason(t, r)
			server.Close()
		}
	}
	if followed {
		t.Error("it was followed")
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := func(at time.Time) string { return at.Format(http.TimeFormat) }
	for name, test := range map[string]struct {
		retryAfter, date string
		want             time.Duration
	}{
		"none":                  {"", date(now), 0},
		"seconds":               {"120", "", 2 * time.Minute},
		"seconds with a date":   {"120", date(now.Add(-time.Hour)), 2 * time.Minute},
		"no seconds":            {"0", "", 0},
		"an hour":               {"3600", "", time.Hour},
		"more than an hour":     {"3601", "", time.Hour},
		"nanoseconds overflow":  {"9223372037", "", time.Hour},
		"too large":             {strings.Repeat("9", 60), "", time.Hour},
		"negative":              {"-5", "", 0},
		"a fraction":            {"1.5", "", 0},
		"words":                 {"soon", "", 0},
		"a date by our clock":   {date(now.Add(time.Minute)), "", time.Minute},
		"a date by their clock": {date(now.Add(10 * time.Minute)), date(now.Add(9 * time.Minute)), time.Minute},
		"their clock is wrong":  {date(now.Add(time.Minute)), "yesterday", time.Minute},
		"a date that is over":   {date(now.Add(-time.Minute)), "", 0},
		"over by their clock":   {date(now.Add(time.Minute)), date(now.Add(time.Hour)), 0},
		"a date in a year":      {date(now.AddDate(1, 0, 0)), "", time.Hour},
		"an old form of dates":  {now.Add(time.Minute).Format(time.ANSIC), "", time.Minute},
	} {
		header := http.Header{"Retry-After": {test.retryAfter}, "Date": {test.date}}
		if got := retryAfter(header, now); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// Retry-After is obeyed where the webhook is not available, and nowhere else.
func TestWebhookObeysRetryAfter(t *testing.T) {
	for status, want := range map[int]int{429: 7, 502: 7, 503: 7, 504: 7, 500: 0, 301: 0, 410: 0, 200: 0} {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "7")
			rw.WriteHeader(status)
		}))
		if r := newTestWebhook(t, server.URL).Deliver(t.Context(), endDelivery(t)); r.RetryAfter != time.Duration(want)*time.Second {
			t.Errorf("%d: %+v", status, r)
		}
		server.Close()
	}
}

// A connection is used again after a short answer. After a long one, and after one that does not end, it is closed, and the
// status counts all the same.
func TestWebhookDrains(t *testing.T) {
	for name, test := range map[string]struct {
		write  func(http.ResponseWriter, *http.Request)
		closes bool
		takes  time.Duration // at least
	}{
		"short": {func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(make([]byte, 1000)) }, false, 0},
		"64 KiB chunked": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.(http.Flusher).Flush()
			_, _ = rw.Write(make([]byte, drainLimit))
		}, false, 0},
		"endless": {func(rw http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = rw.Write(make([]byte, 1<<20))
			}
		}, true, 0},
		"cut": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "1000")
			_, _ = rw.Write(make([]byte, 10))
			rw.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, true, 0},
		"hanging": {func(rw http.ResponseWriter, r *http.Request) { rw.(http.Flusher).Flush(); <-r.Context().Done() }, true, drainTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var connections atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(test.write))
			server.Config.ConnState = countConnections(&connections)
			server.Start()
			defer server.Close()
			w := newTestWebhook(t, server.URL)
			tries, fastest := int64(0), time.Hour
			// Also the http package closes a connection if it is not told within 50 ms that the request was written, which happens
			// on a busy machine. So several tries are made until one uses the connection of another.
			for tries < 2 || tries < 20 && !test.closes && connections.Load() == tries {
				began := time.Now()
				if r := w.Deliver(t.Context(), endDelivery(t)); r.Outcome != Delivered || r.Status != 200 {
					t.Errorf("%+v", r)
				}
				took := time.Since(began)
				if took < test.takes {
					t.Errorf("it took %s", took)
				}
				tries, fastest = tries+1, min(fastest, took)
			}
			if fastest > test.takes+drainTimeout {
				t.Errorf("it took %s", fastest)
			}
			if n := connections.Load(); (n == tries) != test.closes {
				t.Errorf("%d connections for %d tries", n, tries)
			}
		})
	}
}

// A webhook holds at most so many connections when many events were posted at once, and none when it is closed.
func TestWebhookBoundsIdleConnections(t *testing.T) {
	const many = 2 * idleConnections
	var gate, done sync.WaitGroup
	gate.Add(many)
	var open sync.Map
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { gate.Done(); gate.Wait() }))
	server.Config.ConnState = trackConnections(&open)
	server.Start()
	defer server.Close()
	w := newTestWebhook(t, server.URL)
	for range many {
		done.Go(func() {
			if r := w.Deliver(context.Background(), endDelivery(t)); r.Outcome != Delivered {
				t.Errorf("%+v", r)
			}
		})
	}
	done.Wait()
	waitForConnections(t, &open, idleConnections)
	w.Close()
	waitForConnections(t, &open, 0)
}
