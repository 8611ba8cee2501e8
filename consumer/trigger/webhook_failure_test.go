package trigger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"farmwire/cluster"
)

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

func TestWhyNoAnswer(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, test := range []struct {
		err  error
		want string
	}{
		{dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), "connection refused"},
		{dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), "no route to host"},
		{dial(os.NewSyscallError("socket", syscall.EMFILE)), "too many open files"},
		{dial(&net.DNSError{Name: webhookCanary, Server: webhookCanary, IsNotFound: true}), "the name of the host is not known"},
		{dial(&net.DNSError{Err: webhookCanary, Name: webhookCanary, IsTimeout: true}), "the name of the host cannot be looked up"},
		{dial(os.ErrDeadlineExceeded), "no connection could be made in time"},
		{&net.OpError{Op: "proxyconnect", Err: dial(syscall.ECONNREFUSED)}, "no connection through the proxy: connection refused"},
		{&net.OpError{Op: "socks", Err: io.EOF}, "no connection through the proxy: the connection was closed before there was an answer"},
		{&url.Error{Op: "Post", URL: webhookCanary, Err: errors.New(webhookCanary)}, "the connection broke, or the answer was not valid"},
		{fmt.Errorf("%s: %w", webhookCanary, io.EOF), "the connection was closed before there was an answer"},
	} {
		if got := whyNoAnswer(test.err); got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}

// closed is an address at which nobody listens. No program is given this port meanwhile.
const closed = "127.0.0.1:1"

// Nobody listens, and nobody knows the name.
func TestWebhookIsNotThere(t *testing.T) {
	r := newTestWebhook(t, "http://"+closed).Deliver(t.Context(), endDelivery(t))
	if r.Outcome != Unavailable || r.Reason != "connection refused" {
		t.Errorf("%+v", r)
	}
	w := newTestWebhook(t, "https://farmwire.invalid")
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, closed)
	}}
	w.transport.DialContext = (&net.Dialer{Resolver: resolver}).DialContext
	if r := w.Deliver(t.Context(), endDelivery(t)); r.Outcome != Unavailable || r.Reason != "the name of the host cannot be looked up" {
		t.Errorf("%+v", r)
	}
}

// refusingProxy returns the URL of a proxy that refuses every connection, and the requests that it got.
func refusingProxy(t *testing.T) (*url.URL, <-chan *http.Request) {
	requests := make(chan *http.Request, 1)
	address := rawServer(t, func(_ int, c net.Conn) {
		request, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		requests <- request
		_, _ = io.WriteString(c, "HTTP/1.1 407 "+webhookCanary+"\r\nContent-Length: 0\r\n\r\n")
	})
	return &url.URL{Scheme: "http", User: url.UserPassword("user", webhookCanary), Host: address}, requests
}

const (
	proxyReason    = "the proxy answered with HTTP 407 Proxy Authentication Required"
	proxyChild     = "FARMWIRE_TEST_PROXY_CHILD"
	proxiedWebhook = "https://receiver.example/" + webhookCanary
)

// The answer of a proxy is not that of the webhook, and its URL, which has a password, is not shown.
func TestWebhookThroughProxy(t *testing.T) {
	proxy, requests := refusingProxy(t)
	w := newTestWebhook(t, "https://receiver.example")
	w.transport.Proxy = http.ProxyURL(proxy)
	r := w.Deliver(t.Context(), endDelivery(t))
	if r.Outcome != Unavailable || r.Status != 0 || r.Reason != proxyReason {
		t.Errorf("%+v", r)
	}
	request := <-requests
	if request.Method != "CONNECT" || request.Host != "receiver.example:443" || request.Header.Get("Proxy-Authorization") == "" {
		t.Errorf("%s %s", request.Method, request.Host)
	}
	for _, scheme := range []string{"http", "https", "socks5"} {
		w := newTestWebhook(t, "https://receiver.example")
		w.transport.Proxy = http.ProxyURL(&url.URL{Scheme: scheme, User: proxy.User, Host: closed})
		r := w.Deliver(t.Context(), endDelivery(t))
		if r.Outcome != Unavailable || r.Reason != "no connection through the proxy: connection refused" {
			t.Errorf("%s: %+v", scheme, r)
		}
	}
}

// The proxy is taken from the environment. A process reads it once, so this test runs itself with another environment.
func TestWebhookTakesProxyFromEnvironment(t *testing.T) {
	if os.Getenv(proxyChild) != "" {
		w, err := NewWebhook(WebhookConfig{URL: cluster.Secret(proxiedWebhook), Mode: BinaryMode, Timeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s: %+v\n", w, w.Deliver(t.Context(), endDelivery(t)))
		return
	}
	proxy, requests := refusingProxy(t)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), proxyChild+"=1", "HTTPS_PROXY="+proxy.String(), "https_proxy=", "NO_PROXY=", "no_proxy=")
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), proxyReason) || strings.Contains(string(out), webhookCanary) {
		t.Errorf("%v\n%s", err, out)
	}
	select {
	case <-requests:
	default:
		t.Error("the proxy got no request")
	}
}
