package trigger

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"farmwire/cluster"
	"farmwire/diff"
	"farmwire/event"
	"farmwire/internal/leaks"
)

// webhookCanary is a part of every secret of these tests, and of what receivers and proxies say. It must never be shown.
const webhookCanary = "cAnAry7"

// endDelivery is the delivery of an end.
func endDelivery(t *testing.T) Delivery {
	t.Helper()
	at := time.Date(2026, 3, 1, 13, 30, 0, 999e6, time.UTC)
	c := diff.Change{
		Kind: diff.Ended, Sequence: 3,
		Session: diff.Session{
			WorkerKey: diff.WorkerKey{FarmID: "farm-f", FleetID: "fleet-l", WorkerID: "worker-w"},
			QueueID:   "queue-q", JobID: "job-j", SessionID: "session-0123456789abcdef0123456789abcdef",
			LifecycleStatus: "ENDED", TargetLifecycleStatus: "ENDED", StartedAt: at.Add(-time.Hour), EndedAt: at,
		},
		Observed: diff.Bounds{After: at, Before: at.Add(time.Second), Exact: true},
	}
	status := &diff.WorkerStatus{Status: "RUNNING", HostName: "rendér 1 \"<x>\""}
	r := event.Encode(&c, event.Envelope{Region: "eu-west-1", Status: status, Recorded: at.Add(2 * time.Second)})
	e, err := event.Decode(r.Key, r.Value, r.Headers)
	if err != nil {
		t.Fatal(err)
	}
	return Delivery{Record: r, Event: e, Attempt: 1}
}

// signingSecret returns a secret whose key is of a length.
func signingSecret(fill string, length int) cluster.Secret {
	key := strings.Repeat(fill, length)[:length]
	return cluster.Secret(signingSecretPrefix + base64.StdEncoding.EncodeToString([]byte(key)))
}

// newTestWebhook returns a webhook in binary mode with a secret path. Its connections are closed at the end of the test.
func newTestWebhook(t *testing.T, url string, secrets ...cluster.Secret) *Webhook {
	t.Helper()
	c := WebhookConfig{Mode: BinaryMode, Secrets: secrets, Timeout: 20 * time.Second}
	c.URL = cluster.Secret(url + "/" + webhookCanary + "?token=" + webhookCanary)
	w, err := NewWebhook(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// checkReason checks that the reason of a result is one line and shows nothing secret.
func checkReason(t *testing.T, r Result) {
	t.Helper()
	if (r.Reason == "") != (r.Outcome == Delivered) || strings.ContainsAny(r.Reason, "\r\n/") || strings.Contains(r.Reason, webhookCanary) {
		t.Errorf("the reason is %q", r.Reason)
	}
}

func TestNewWebhookRefuses(t *testing.T) {
	for url, want := range map[string]string{
		"":                                     "is empty",
		"https://cAnAry7":                      "",
		"https://cAnAry7:443/a?b=c#d":          "",
		"HTTPS://user:cAnAry7@example.com":     "",
		"https://bücher.example/":              "",
		"http://localhost/cAnAry7":             "",
		"http://LocalHost:8080":                "",
		"http://127.8.0.1:8080/":               "",
		"http://[::1]/":                        "",
		"http://cAnAry7/":                      "loopback",
		"http://user:cAnAry7@example.com/":     "loopback",
		"http://localhost.example.com/":        "loopback",
		"http://127.0.0.1.example.com/":        "loopback",
		"http://localhost@example.com/":        "loopback",
		"http://128.0.0.1/":                    "loopback",
		"http://[::2]/":                        "loopback",
		"http://0.0.0.0/":                      "loopback",
		"cAnAry7.example.com/hook":             "begin with https://",
		"ftp://cAnAry7.example.com":            "begin with https://",
		"unix:///cAnAry7":                      "begin with https://",
		"https:cAnAry7":                        "no valid host",
		"https:///cAnAry7":                     "no valid host",
		"https://:443/cAnAry7":                 "no valid host",
		"https://a%E2%80%AEcAnAry7/":           "no valid host",
		"https://a%FFcAnAry7/":                 "no valid host",
		"https://cAnAry7:0/":                   "port",
		"https://cAnAry7:65536/":               "port",
		"https://cAnAry7:99999999999999999999": "port",
		"https://cAnAry7:http/":                "not a URL",
		"https://example.com/cAnAry7\n":        "not a URL",
		" https://example.com/cAnAry7":         "not a URL",
		"https://user:cAnAry7%@example.com/":   "not a URL",
		"https://cAnAry7 .example.com/":        "not a URL",
	} {
		_, err := NewWebhook(WebhookConfig{URL: cluster.Secret(url), Mode: StructuredMode})
		checkConfigurationError(t, url, err, want)
	}
	good := cluster.Secret("https://example.com")
	for name, test := range map[string]struct {
		c    WebhookConfig
		want string
	}{
		"no mode":          {WebhookConfig{URL: good}, "binary or structured"},
		"another mode":     {WebhookConfig{URL: good, Mode: webhookCanary}, "binary or structured"},
		"negative timeout": {WebhookConfig{URL: good, Mode: BinaryMode, Timeout: -1}, "negative"},
	} {
		_, err := NewWebhook(test.c)
		checkConfigurationError(t, name, err, test.want)
	}
}

// checkConfigurationError checks that an error says what is wanted, or that there is none, and that it shows no value.
func checkConfigurationError(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%q: %v", name, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")):
		t.Errorf("%q: %v, want %q", name, err, want)
	case err != nil && strings.Contains(err.Error(), webhookCanary):
		t.Errorf("%q is shown: %v", name, err)
	}
}

func TestNewWebhookRefusesSecrets(t *testing.T) {
	good := signingSecret(webhookCanary, 32)
	for name, test := range map[string]struct {
		secrets []cluster.Secret
		want    string
	}{
		"none":            {nil, ""},
		"one":             {[]cluster.Secret{good}, ""},
		"two":             {[]cluster.Secret{good, signingSecret("x", 24)}, ""},
		"64 bytes":        {[]cluster.Secret{signingSecret("x", 64)}, ""},
		"three":           {[]cluster.Secret{good, good, good}, "has 3 secrets"},
		"23 bytes":        {[]cluster.Secret{signingSecret(webhookCanary, 23)}, "secret 1 of 1 of the webhook does not have 24 to 64 bytes"},
		"65 bytes":        {[]cluster.Secret{signingSecret(webhookCanary, 65)}, "24 to 64 bytes"},
		"empty":           {[]cluster.Secret{""}, "begin with whsec_"},
		"no prefix":       {[]cluster.Secret{good[6:]}, "begin with whsec_"},
		"a blank before":  {[]cluster.Secret{" " + good}, "begin with whsec_"},
		"another prefix":  {[]cluster.Secret{"WHSEC_" + good[6:]}, "begin with whsec_"},
		"a private key":   {[]cluster.Secret{"whsk_" + good[6:]}, "begin with whsec_"},
		"no base64":       {[]cluster.Secret{good, "whsec_" + webhookCanary + "!"}, "secret 2 of 2 of the webhook is not base64"},
		"base64url":       {[]cluster.Secret{"whsec_--------------------------------"}, "not base64"},
		"no padding":      {[]cluster.Secret{good[:len(good)-1]}, "not base64"},
		"stray bits":      {[]cluster.Secret{good[:len(good)-2] + "5="}, "not base64"},
		"a line break":    {[]cluster.Secret{good + "\n"}, "not base64"},
		"a blank":         {[]cluster.Secret{good + " "}, "not base64"},
		"only the prefix": {[]cluster.Secret{"whsec_"}, "24 to 64 bytes"},
	} {
		_, err := NewWebhook(WebhookConfig{URL: "https://example.com/" + webhookCanary, Mode: BinaryMode, Secrets: test.secrets})
		checkConfigurationError(t, name, err, test.want)
		if err != nil && strings.Contains(err.Error(), string(good)[6:12]) {
			t.Errorf("%s: the secret is shown: %v", name, err)
		}
	}
}

// Whatever prints a webhook or its configuration shows the scheme and the host at most.
func TestWebhookShowsNoSecret(t *testing.T) {
	secret := signingSecret(webhookCanary, 24)
	c := WebhookConfig{
		URL:  cluster.Secret(strings.ReplaceAll("https://X:X@hooks.example.com:8443/X?a=X#X", "X", webhookCanary)),
		Mode: BinaryMode, Secrets: []cluster.Secret{secret},
	}
	w, err := NewWebhook(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.String(); got != "webhook https://hooks.example.com:8443" {
		t.Errorf("String returns %q", got)
	}
	var logs strings.Builder
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	core := zapcore.NewCore(encoder, zapcore.AddSync(&logs), zap.DebugLevel)
	zap.New(core).Info("x", zap.Any("a", w), zap.Stringer("b", w), zap.Reflect("c", w), zap.Any("d", c), zap.Reflect("e", c))
	slog.New(slog.NewJSONHandler(&logs, nil)).Info("x", "a", w, "b", c)
	slog.New(slog.NewTextHandler(&logs, nil)).Info("x", "a", w, "b", c)
	for _, value := range []any{w, c, &c, []*Webhook{w}, map[string]any{"w": w}, struct{ W *Webhook }{w}, struct{ T Target }{w}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&logs, verb+"\n", value)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		logs.Write(text)
	}
	bytesOfKey := strings.Trim(fmt.Sprint([]byte(webhookCanary)), "[]")
	basic := base64.StdEncoding.EncodeToString([]byte(webhookCanary + ":"))
	for _, form := range []string{webhookCanary, string(secret)[6:20], bytesOfKey, fmt.Sprintf("%x", webhookCanary), basic[:8]} {
		if strings.Contains(strings.ToLower(logs.String()), strings.ToLower(form)) {
			t.Errorf("%q is shown in:\n%s", form, logs.String())
		}
	}
}

// The request is a POST to the whole URL, with the user of the URL, and it leaves nothing behind when the webhook is closed.
func TestWebhookRequest(t *testing.T) {
	defer leaks.None(t, goleak.IgnoreCurrent())
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer server.Close()
	host := server.Listener.Addr().String()
	w, err := NewWebhook(WebhookConfig{URL: cluster.Secret("http://us%20er:pass@" + host + "/a%2Fb?c=d&e#f"), Mode: BinaryMode})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	d := endDelivery(t)
	if r := w.Deliver(t.Context(), d); r.Outcome != Delivered || r.Status != 200 || r.Reason != "" {
		t.Fatalf("%+v", r)
	}
	user, password, _ := got.BasicAuth()
	if got.Method != "POST" || got.RequestURI != "/a%2Fb?c=d&e" || user != "us er" || password != "pass" || got.Host != host {
		t.Errorf("%s %s as %q %q to %s", got.Method, got.RequestURI, user, password, got.Host)
	}
	if got.ContentLength != int64(len(d.Record.Value)) || string(body) != string(d.Record.Value) {
		t.Errorf("%d bytes: %s", got.ContentLength, body)
	}
	for name, want := range map[string]string{
		"User-Agent": "farmwire", "Content-Type": "application/json", "Accept-Encoding": "", "Idempotency-Key": "", "Cookie": "",
		"Webhook-Id": "session-0123456789abcdef0123456789abcdef_000003", "Webhook-Signature": "",
		"Ce-Id": "session-0123456789abcdef0123456789abcdef.000003",
	} {
		if value := strings.Join(got.Header[name], ","); value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
}
