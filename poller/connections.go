package poller

import (
	"net"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// A connection may die without a word, for example when a NAT gateway forgets it, while new connections work. A connection
// of HTTP/2 that carries all requests is found dead by a ping: after pingAfter without a frame and pingTimeout without an
// answer it is closed. A connection of HTTP/1.1 is found dead by the request on it, which is given up after requestTimeout.
// Then the idle connections are closed too, because they are likely to be dead as well.
const (
	requestTimeout     = 10 * time.Second // for one attempt, from its first byte to its last
	dialTimeout        = 5 * time.Second  // for the name of the host and the connection
	tlsTimeout         = 5 * time.Second  // for the TLS handshake
	pingAfter          = 5 * time.Second
	pingTimeout        = 5 * time.Second
	writeTimeout       = 5 * time.Second  // for any byte on a connection of HTTP/2
	idleTimeout        = 30 * time.Second // a connection that is not used for so long is closed
	connectionsPerHost = 240              // more than there are ever requests in flight
)

// boundedClient returns a copy of an HTTP client with the timeouts above, for the requests of credential providers.
//
// Each of those requests has a connection of its own. They are so rare that an open connection would often be dead
// when it is used again.
func boundedClient(client *awshttp.BuildableClient) *awshttp.BuildableClient {
	return client.
		WithTimeout(requestTimeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = tlsTimeout
			t.ResponseHeaderTimeout = requestTimeout
			t.DisableKeepAlives = true
		})
}

// pooledClient returns an HTTP client with the timeouts above and with enough connections for the requests of a Poller.
// The proxy and the authorities that it trusts are those of the given client. It is of a type whose idle connections can
// be closed.
func pooledClient(client *awshttp.BuildableClient) *http.Client {
	transport := boundedClient(client).GetTransport()
	transport.DisableKeepAlives = false
	transport.MaxIdleConns = connectionsPerHost
	transport.MaxIdleConnsPerHost = connectionsPerHost
	transport.MaxConnsPerHost = connectionsPerHost
	transport.IdleConnTimeout = idleTimeout
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout, WriteByteTimeout: writeTimeout}
	return &http.Client{Transport: transport, Timeout: requestTimeout, CheckRedirect: checkRedirect}
}

// checkRedirect follows a redirect only if it keeps the method and the host, because a signed request is valid for nothing
// else. As the SDK does, it makes any other redirect the answer.
func checkRedirect(r *http.Request, via []*http.Request) error {
	const most = 5
	switch r.Response.StatusCode {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if r.URL.Host == via[0].URL.Host && len(via) <= most {
			return nil
		}
	}
	return http.ErrUseLastResponse
}
