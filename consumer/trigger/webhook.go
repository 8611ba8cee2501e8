package trigger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"farmwire/cluster"
)

// defaultWebhookTimeout is the longest that Standard Webhooks recommends.
const defaultWebhookTimeout = 30 * time.Second

// WebhookConfig says where and how a Webhook posts events.
type WebhookConfig struct {
	// URL is where the events are posted. It begins with https://, or with http:// if the host is localhost or an address
	// of the loopback network. It may be a secret as a whole, as Slack's are, so only its scheme and its host are shown. A
	// user name and a password in it are sent as basic authentication.
	URL cluster.Secret

	// Mode is the form in which the events are posted.
	Mode ContentMode

	// Secrets sign the requests. Each is whsec_ and the base64 of 24 to 64 bytes. There may be two while one is replaced,
	// and then a receiver that knows either of them accepts. With none the requests are not signed.
	Secrets []cluster.Secret

	// Timeout is the longest that one try may take, from the look-up of the host's name to the status of the answer. 0: 30
	// seconds.
	Timeout time.Duration
}

// Webhook posts each event to a URL. It follows the HTTP protocol binding of CloudEvents 1.0.2, and signs as Standard
// Webhooks 1.0.0 says. It obeys the variables HTTPS_PROXY and NO_PROXY of the environment.
//
// The status of the answer says what became of a try. Every 2xx is Delivered, even if the rest of the answer is cut off. 410
// is Impossible. 429, 502, 503 and 504 are Unavailable, and so is a try without an answer: because the connection cannot be
// made or is cut, because the certificate is not trusted, because what comes back is not HTTP, or because the time is over.
// Every other answer is Refused, also a redirect, which is never followed.
type Webhook struct {
	request   *http.Request // what is the same in every try
	mode      ContentMode
	keys      [][]byte // of the signatures
	timeout   time.Duration
	transport *http.Transport
	now       func() time.Time
}

// NewWebhook checks a configuration and returns its Webhook. Nothing is sent yet. The error quotes no value.
func NewWebhook(c WebhookConfig) (*Webhook, error) {
	request, err := parseWebhookURL(c.URL)
	if err != nil {
		return nil, fmt.Errorf("the URL of the webhook %w", err)
	}
	if c.Mode != BinaryMode && c.Mode != StructuredMode {
		return nil, fmt.Errorf("the content mode of the webhook must be %s or %s", BinaryMode, StructuredMode)
	}
	keys, err := parseSigningSecrets(c.Secrets)
	if err != nil {
		return nil, err
	}
	if c.Timeout < 0 {
		return nil, errors.New("the timeout of the webhook must not be negative")
	}
	if c.Timeout == 0 {
		c.Timeout = defaultWebhookTimeout
	}
	return &Webhook{
		request: request, mode: c.Mode, keys: keys, timeout: c.Timeout,
		transport: newWebhookTransport(c.Timeout), now: time.Now,
	}, nil
}

// String shows the scheme and the host of the URL, and nothing else of it.
func (w *Webhook) String() string {
	return "webhook " + w.request.URL.Scheme + "://" + w.request.URL.Host
}

// Format shows what String returns, whatever the verb, so that no verb shows the URL or the keys.
func (w *Webhook) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, w.String()) }

// Close closes the connections that are kept for the next event. No Deliver may run.
func (w *Webhook) Close() { w.transport.CloseIdleConnections() }

// Deliver posts an event once.
func (w *Webhook) Deliver(ctx context.Context, d Delivery) Result {
	try, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	request, err := w.newRequest(try, d)
	if err != nil {
		return Result{Outcome: Refused, Reason: "the event cannot be written as JSON"}
	}
	response, err := w.transport.RoundTrip(request) // http.Client would follow redirects, and put the URL into its errors
	switch {
	case err == nil:
		result := answered(response, w.now())
		drain(response, cancel)
		return result
	case ctx.Err() != nil:
		return Result{Outcome: Unavailable, Reason: "the try was broken off before there was an answer"}
	case try.Err() != nil:
		w.transport.CloseIdleConnections() // which are likely to be dead as well
		return Result{Outcome: Unavailable, Reason: fmt.Sprintf("there was no answer within %s", w.timeout)}
	default:
		return Result{Outcome: Unavailable, Reason: whyNoAnswer(err)}
	}
}

// newRequest returns the signed request of a try.
func (w *Webhook) newRequest(ctx context.Context, d Delivery) (*http.Request, error) {
	r := w.request.Clone(ctx)
	body, err := w.mode.encode(r.Header, d.Record)
	if err != nil {
		return nil, err
	}
	sign(r.Header, w.keys, d.Event.ID, w.now(), body)
	r.ContentLength = int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, err = r.GetBody()
	return r, err
}
