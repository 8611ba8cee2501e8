package trigger

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A connection may die without a word, for example when a NAT gateway forgets it, while new connections work. A connection
// of HTTP/2 that carries all requests is found dead by a ping: after pingAfter without a frame and pingTimeout without an
// answer it is closed. A connection of HTTP/1.1 is found dead by the request on it, which is given up after the webhook's
// timeout. Then the idle connections are closed too.
//
// The limits of dialing are here as well as in the context of a try, because the transport goes on to dial after that ended.
const (
	connectTimeout   = 10 * time.Second // for the name of the host and the connection
	handshakeTimeout = 10 * time.Second // for the TLS handshake
	pingAfter        = 10 * time.Second
	pingTimeout      = 5 * time.Second
	writeTimeout     = 10 * time.Second // for any byte on a connection of HTTP/2
	idleTimeout      = 30 * time.Second // a connection that is not used for so long is closed
	idleConnections  = 32               // more than events are usually posted at once
	answerHeadLimit  = 64 << 10         // bytes of an answer's header
)

// newWebhookTransport returns the transport of a webhook whose tries may take so long.
func newWebhookTransport(timeout time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: checkProxy,
		DialContext:            (&net.Dialer{Timeout: min(connectTimeout, timeout)}).DialContext,
		TLSHandshakeTimeout:    min(handshakeTimeout, timeout),
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout, WriteByteTimeout: writeTimeout},
		MaxIdleConns:           idleConnections,
		MaxIdleConnsPerHost:    idleConnections,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: answerHeadLimit,
		DisableCompression:     true, // the body of an answer is not looked at
	}
}

// checkProxy makes an error of a proxy's answer that is not 200. The transport's own error would have the proxy's words.
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return proxyError(answer.StatusCode)
}

// proxyError is the status with which a proxy has refused a connection.
type proxyError int

func (e proxyError) Error() string { return "the proxy answered with HTTP " + strconv.Itoa(int(e)) }
