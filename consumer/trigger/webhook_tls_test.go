package trigger

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"
)

// A receiver that cannot be trusted, and one that does not speak TLS, get no event.
func TestWebhookOverTLS(t *testing.T) {
	for name, test := range map[string]struct {
		tls    bool
		server func(*tls.Config)
		client func(*Webhook)
		want   string
	}{
		"an unknown authority": {true, nil, func(w *Webhook) { w.transport.TLSClientConfig = nil }, "authority that this machine does not trust"},
		"another host": {true, nil, func(w *Webhook) {
			w.transport.TLSClientConfig.ServerName = webhookCanary + ".invalid"
		}, "another host"},
		"expired": {true, nil, func(w *Webhook) {
			w.transport.TLSClientConfig.Time = func() time.Time { return time.Now().AddDate(1000, 0, 0) }
		}, "expired"},
		"a client certificate": {true, func(c *tls.Config) {
			c.ClientAuth = tls.RequireAnyClientCert
		}, func(*Webhook) {}, "refused TLS: tls: certificate required|broke|closed"},
		"another version": {true, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 }, func(*Webhook) {}, "protocol version"},
		"no TLS":          {false, nil, func(*Webhook) {}, "does not speak TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			got := false
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got = true }))
			server.Config.ErrorLog = quietLog()
			var config *tls.Config
			if test.tls {
				if test.server != nil {
					server.TLS = new(tls.Config)
					test.server(server.TLS)
				}
				server.StartTLS()
				config = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			} else {
				server.Start()
			}
			defer server.Close()
			w := newTestWebhook(t, "https://"+server.Listener.Addr().String())
			w.transport.TLSClientConfig = config
			test.client(w)
			r := w.Deliver(t.Context(), endDelivery(t))
			if r.Outcome != Unavailable || !regexp.MustCompile(test.want).MatchString(r.Reason) || got {
				t.Errorf("%+v, want %q", r, test.want)
			}
			checkReason(t, r)
		})
	}
}
