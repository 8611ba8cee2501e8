package trigger

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"farmwire/cluster"
	"farmwire/event"
)

// The Go SDK of CloudEvents reads the same event in both modes.
func TestCloudEventsSDKReadsBothModes(t *testing.T) {
	d := endDelivery(t)
	contentTypes := map[ContentMode]string{BinaryMode: "application/json", StructuredMode: "application/cloudevents+json; charset=utf-8"}
	for mode, contentType := range contentTypes {
		var got *cloudevents.Event
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			e, err := cloudevents.NewEventFromHTTPRequest(r)
			if err != nil || r.Header.Get("Content-Type") != contentType || (r.Header.Get("Ce-Id") != "") != (mode == BinaryMode) {
				t.Errorf("%s: %v, %v", mode, err, r.Header)
			}
			got = e
		}))
		w, err := NewWebhook(WebhookConfig{URL: cluster.Secret(server.URL), Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		if r := w.Deliver(t.Context(), d); r.Outcome != Delivered || got == nil {
			t.Fatalf("%s: %+v", mode, r)
		}
		w.Close()
		server.Close()
		if err := got.Validate(); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		read := attributesOf(t, got)
		want := make(map[string]string)
		for _, h := range d.Record.Headers {
			want[strings.TrimPrefix(h.Key, "ce_")] = string(h.Value)
		}
		if d := cmp.Diff(want, read); d != "" {
			t.Errorf("%s (-written +read):\n%s", mode, d)
		}
		if !jsonEqual(t, got.Data(), d.Record.Value) || mode == BinaryMode && string(got.Data()) != string(d.Record.Value) {
			t.Errorf("%s: %s", mode, got.Data())
		}
	}
}

// attributesOf returns the attributes of an event that the SDK has read.
func attributesOf(t *testing.T, e *cloudevents.Event) map[string]string {
	t.Helper()
	const ms = "2006-01-02T15:04:05.000Z"
	a := map[string]string{
		"specversion": e.SpecVersion(), "id": e.ID(), "source": e.Source(), "type": e.Type(), "subject": e.Subject(),
		"time": e.Time().UTC().Format(ms), "dataschema": e.DataSchema(), "content-type": e.DataContentType(),
	}
	for name, value := range e.Extensions() {
		switch v := value.(type) {
		case string:
			a[name] = v
		case cloudevents.Timestamp:
			a[name] = v.UTC().Format(ms)
		case time.Time:
			a[name] = v.UTC().Format(ms)
		default:
			t.Errorf("%s is a %T", name, value)
		}
	}
	return a
}

// What is no attribute is not posted in binary mode, and the type of the content is no attribute there.
func TestBinaryHeaders(t *testing.T) {
	r := event.Record{Value: []byte("{}"), Headers: []event.Header{
		{Key: "ce_id", Value: []byte("é 1")}, {Key: "ce_logindex", Value: []byte("7")}, {Key: "content-type", Value: []byte("application/json")},
		{Key: "ce_datacontenttype", Value: []byte("text/xml")}, {Key: "traceparent", Value: []byte("00-1")}, {Key: "ce_", Value: []byte("x")},
		{Key: "ce_a b", Value: []byte("x")}, {Key: "ce_A", Value: []byte("x")},
		{Key: "ce_a\r\nx", Value: []byte("x")}, {Key: "id", Value: []byte("x")},
	}}
	header := make(http.Header)
	body, err := BinaryMode.encode(header, r)
	if err != nil || string(body) != "{}" {
		t.Errorf("%q, %v", body, err)
	}
	if d := cmp.Diff(http.Header{"Ce-Id": {"%C3%A9%201"}, "Ce-Logindex": {"7"}, "Content-Type": {"application/json"}}, header); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	r.Value[0] = '?'
	if string(body) != "{}" {
		t.Error("the body is that of the record and not a copy")
	}
}

// The first case is that of the specification.
func TestPercentEncode(t *testing.T) {
	for value, want := range map[string]string{
		"Euro € 😀":                        "Euro%20%E2%82%AC%20%F0%9F%98%80",
		"":                                "",
		"/deadline/eu-west-1/farm-f/a":    "/deadline/eu-west-1/farm-f/a",
		"100% \"sure\"":                   "100%25%20%22sure%22",
		"\x00\r\n\x7f":                    "%00%0D%0A%7F",
		"!#$&'()*+,-./:;<=>?@[\\]^_`{|}~": "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~",
	} {
		if got := percentEncode(value); got != want {
			t.Errorf("%q is %q, want %q", value, got, want)
		}
	}
}

// What is encoded consists of printable ASCII characters, and one round of decoding gives it back.
func TestPercentEncodeIsReversible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value")
		encoded := percentEncode(value)
		if strings.ContainsFunc(encoded, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' }) {
			t.Fatalf("%q", encoded)
		}
		if got, err := url.PathUnescape(encoded); err != nil || got != value {
			t.Fatalf("%q is %q: %v", value, got, err)
		}
	})
}

// jsonEqual reports whether two texts are the same JSON value.
func jsonEqual(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(x, y)
}
