package trigger

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func countConnections(n *atomic.Int64) func(net.Conn, http.ConnState) {
	return func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			n.Add(1)
		}
	}
}

func trackConnections(open *sync.Map) func(net.Conn, http.ConnState) {
	return func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Store(c, nil)
		case http.StateClosed:
			open.Delete(c)
		}
	}
}

// waitForConnections waits until so many connections are open.
func waitForConnections(t *testing.T, open *sync.Map, want int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		n := 0
		open.Range(func(any, any) bool { n++; return true })
		if n == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open, want %d", n, want)
		}
	}
}

// rawServer serves connections by a function and returns its address. It closes each connection when the function returns,
// and all of them at the end of the test.
func rawServer(t *testing.T, serve func(n int, c net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	running.Go(func() {
		for n := 0; ; n++ {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			running.Go(func() { defer c.Close(); serve(n, c) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return listener.Addr().String()
}

// readRequest reads a request from a connection, and reports whether there was one.
func readRequest(r *bufio.Reader) bool {
	request, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, request.Body)
	return err == nil
}

// Where there is no valid answer, nobody was there.
func TestWebhookWithoutAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		serve func(c net.Conn)
		want  string
	}{
		"closed at once":           {func(net.Conn) {}, "closed|reset|broke"},
		"closed after the request": {func(c net.Conn) { readRequest(bufio.NewReader(c)) }, "closed|reset"},
		"reset after the request": {func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			_ = c.(*net.TCPConn).SetLinger(0)
		}, "reset"},
		"cut in the header": {func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+webhookCanary)
		}, "closed"},
		"garbage": {func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, webhookCanary+" is no HTTP\r\n\r\n")
		}, "not valid"},
		"a status that is none": {func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 2x0 "+webhookCanary+"\r\n\r\n")
		}, "not valid"},
		"two lengths": {func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"+webhookCanary)
		}, "not valid"},
		"a header without end": {func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for {
				if _, err := io.WriteString(c, "X: "+strings.Repeat(webhookCanary, 100)+"\r\n"); err != nil {
					return
				}
			}
		}, "not valid"},
		"a header of 100 KB": {func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 100_000)+"\r\n\r\n")
		}, "not valid"},
		"hints without end": {func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			for {
				if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat(webhookCanary, 100)+"\r\n\r\n"); err != nil {
					return
				}
			}
		}, "not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTestWebhook(t, "http://"+rawServer(t, func(_ int, c net.Conn) { test.serve(c) }))
			r := w.Deliver(t.Context(), endDelivery(t))
			if r.Outcome != Unavailable || r.Status != 0 || !regexp.MustCompile(test.want).MatchString(r.Reason) {
				t.Errorf("%+v, want %q", r, test.want)
			}
			checkReason(t, r)
		})
	}
}

// An answer that changes the protocol is refused, and the connection is not waited for.
func TestWebhookSwitchesNoProtocol(t *testing.T) {
	w := newTestWebhook(t, "http://"+rawServer(t, func(_ int, c net.Conn) {
		readRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 101 "+webhookCanary+"\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
	}))
	began := time.Now()
	r := w.Deliver(t.Context(), endDelivery(t))
	if r.Outcome != Refused || r.Status != 101 || time.Since(began) > 10*time.Second {
		t.Errorf("%+v after %s", r, time.Since(began))
	}
	checkReason(t, r)
}

// A receiver that hangs is given up when the time is over, whatever it hangs in.
func TestWebhookTimesOut(t *testing.T) {
	for name, test := range map[string]struct {
		scheme string
		serve  func(c net.Conn)
	}{
		"TLS handshake": {"https://", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }},
		"status":        {"http://", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }},
		"header": {"http://", func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: y\r\n")
			_, _ = io.Copy(io.Discard, c)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := rawServer(t, func(_ int, c net.Conn) { test.serve(c) })
			w, err := NewWebhook(WebhookConfig{URL: "https://localhost", Mode: BinaryMode, Timeout: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			w.request.URL.Scheme, w.request.URL.Host = strings.TrimSuffix(test.scheme, "://"), address
			began := time.Now()
			r := w.Deliver(t.Context(), endDelivery(t))
			inTime := regexp.MustCompile("no answer within 200ms|in time").MatchString(r.Reason) && time.Since(began) < 10*time.Second
			if r.Outcome != Unavailable || !inTime {
				t.Errorf("%+v after %s", r, time.Since(began))
			}
			checkReason(t, r)
		})
	}
}

// When the context ends, the try is broken off.
func TestWebhookIsBrokenOff(t *testing.T) {
	arrived := make(chan struct{})
	w := newTestWebhook(t, "http://"+rawServer(t, func(_ int, c net.Conn) {
		readRequest(bufio.NewReader(c))
		close(arrived)
		_, _ = io.Copy(io.Discard, c)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	began := time.Now()
	r := w.Deliver(ctx, endDelivery(t))
	if r.Outcome != Unavailable || !strings.Contains(r.Reason, "broken off") || time.Since(began) > 10*time.Second {
		t.Errorf("%+v after %s", r, time.Since(began))
	}
	if r := w.Deliver(ctx, endDelivery(t)); r.Outcome != Unavailable || !strings.Contains(r.Reason, "broken off") {
		t.Errorf("%+v", r)
	}
}

// A connection that the receiver closed since its last answer costs no try.
func TestWebhookRepeatsOnNewConnection(t *testing.T) {
	var requests atomic.Int64
	w := newTestWebhook(t, "http://"+rawServer(t, func(_ int, c net.Conn) {
		r := bufio.NewReader(c)
		if readRequest(r) {
			requests.Add(1)
			_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
			readRequest(r)
		}
	}))
	for range 5 {
		if r := w.Deliver(t.Context(), endDelivery(t)); r.Outcome != Delivered {
			t.Errorf("%+v", r)
		}
	}
	if n := requests.Load(); n != 5 {
		t.Errorf("%d requests were answered", n)
	}
}

// When a connection of HTTP/1.1 is found dead, the other idle ones are not tried after it.
func TestWebhookLeavesDeadConnections(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	address := rawServer(t, func(n int, c net.Conn) {
		r := bufio.NewReader(c)
		if readRequest(r) {
			if n < 2 {
				both.Done()
				both.Wait()
			}
			_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
			_, _ = io.Copy(io.Discard, r)
		}
	})
	w := newTestWebhook(t, "http://"+address)
	d := endDelivery(t)
	var first sync.WaitGroup
	for range 2 {
		first.Go(func() {
			if r := w.Deliver(context.Background(), d); r.Outcome != Delivered {
				t.Errorf("%+v", r)
			}
		})
	}
	first.Wait()
	patient := w.timeout
	for _, want := range []Outcome{Unavailable, Delivered} {
		w.timeout = patient
		if want == Unavailable {
			w.timeout = time.Second // nobody answers
		}
		if r := w.Deliver(t.Context(), d); r.Outcome != want {
			t.Errorf("%+v", r)
		}
	}
}

// A connection of HTTP/2 that died without a word is found by a ping, and the next try has a new one.
func TestWebhookFindsDeadConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	var dead atomic.Bool
	address := rawServer(t, func(n int, c net.Conn) {
		to, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			return
		}
		defer to.Close()
		go func() { _, _ = io.Copy(c, to) }()
		b := make([]byte, 1<<16)
		for {
			read, err := c.Read(b)
			if err != nil {
				return
			}
			if n == 0 && dead.Load() {
				continue
			}
			if _, err := to.Write(b[:read]); err != nil {
				return
			}
		}
	})
	w := newTestWebhook(t, "https://"+address)
	h := w.transport.HTTP2
	if h.SendPingTimeout != pingAfter || h.PingTimeout != pingTimeout || h.WriteByteTimeout != writeTimeout {
		t.Errorf("%+v", h)
	}
	h.SendPingTimeout, h.PingTimeout, w.timeout = 100*time.Millisecond, 8*time.Second, time.Minute // a busy server answers pings late
	w.transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	for i, want := range []Outcome{Delivered, Unavailable, Delivered} {
		dead.Store(i > 0)
		began := time.Now()
		r := w.Deliver(t.Context(), endDelivery(t))
		if r.Outcome != want || time.Since(began) > w.timeout*3/4 {
			t.Errorf("try %d: %+v after %s", i+1, r, time.Since(began))
		}
		checkReason(t, r)
	}
}

// A stream that is cut is no answer.
func TestWebhookOverHTTP2IsCut(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	w := newTestWebhook(t, server.URL)
	w.transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	r := w.Deliver(t.Context(), endDelivery(t))
	if r.Outcome != Unavailable || !strings.Contains(r.Reason, "broke") {
		t.Errorf("%+v", r)
	}
	checkReason(t, r)
}
