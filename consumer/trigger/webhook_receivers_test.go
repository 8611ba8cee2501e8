package trigger

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/cluster"
)

// webhookReceiver is a program of another language that verifies webhooks with a library of Standard Webhooks.
type webhookReceiver struct {
	url   *url.URL
	lines *bufio.Scanner
}

// startReceiver starts a program. Its arguments are secrets.
func startReceiver(t *testing.T, program, script string, secrets ...cluster.Secret) webhookReceiver {
	t.Helper()
	args := []string{script}
	for _, s := range secrets {
		args = append(args, string(s))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // so that no test hangs
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // it ends with its input, also when this process dies
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	r := webhookReceiver{lines: bufio.NewScanner(out)}
	if !r.lines.Scan() {
		t.Fatalf("%s says no port", script)
	}
	r.url = &url.URL{Scheme: "http", Host: "127.0.0.1:" + r.lines.Text()}
	return r
}

// line returns what the receiver says of a request.
func (r webhookReceiver) line(t *testing.T) []any {
	t.Helper()
	var line []any
	if !r.lines.Scan() {
		t.Fatal("the receiver has ended")
	}
	if err := json.Unmarshal(r.lines.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	return line
}

// Two libraries of Standard Webhooks accept what is signed with their secret, and refuse everything else.
func TestStandardWebhooksVerify(t *testing.T) {
	for _, library := range []struct{ name, program, probe, script, install string }{
		{"PyPI", "python3", "import standardwebhooks", "receiver.py", "pip install -r testdata/standardwebhooks/requirements.txt"},
		{"npm", "node", "require('standardwebhooks')", "receiver.cjs", "install what testdata/standardwebhooks/package.json names, and set NODE_PATH"},
	} {
		t.Run(library.name, func(t *testing.T) {
			option := map[string]string{"python3": "-c", "node": "-e"}[library.program]
			if err := exec.Command(library.program, option, library.probe).Run(); err != nil {
				t.Skipf("%s does not find standardwebhooks: %s", library.program, library.install)
			}
			secrets := []cluster.Secret{signingSecret("new", 24), signingSecret("old", 33), signingSecret("other", 64)}
			r := startReceiver(t, library.program, "testdata/standardwebhooks/"+library.script, secrets...)
			for _, mode := range []ContentMode{BinaryMode, StructuredMode} {
				checkVerification(t, r, mode, secrets)
			}
		})
	}
}

// checkVerification posts to a receiver, whose path says with which secret it verifies.
func checkVerification(t *testing.T, r webhookReceiver, mode ContentMode, secrets []cluster.Secret) {
	const accepted, wrong = "accepted", "No matching signature found"
	one, two := secrets[:1], secrets[:2]
	for name, test := range map[string]struct {
		secrets []cluster.Secret
		path    int
		change  func(r *http.Request, body []byte) []byte // on the way
		late    time.Duration
		want    string
	}{
		"the same secret":    {secrets: one, path: 0, want: accepted},
		"another secret":     {secrets: one, path: 1, want: wrong},
		"the first of two":   {secrets: two, path: 0, want: accepted},
		"the second of two":  {secrets: two, path: 1, want: accepted},
		"neither of two":     {secrets: two, path: 2, want: wrong},
		"no secret":          {path: 0, want: "Missing required headers"},
		"nearly too old":     {secrets: one, late: 4 * time.Minute, want: accepted},
		"too old":            {secrets: one, late: 6 * time.Minute, want: "Message timestamp too old"},
		"too new":            {secrets: one, late: -6 * time.Minute, want: "Message timestamp too new"},
		"nothing is changed": {secrets: two, change: func(_ *http.Request, b []byte) []byte { return b }, want: accepted},
		"the body is changed": {secrets: two, want: wrong, change: func(_ *http.Request, b []byte) []byte {
			return bytes.Replace(b, []byte("ENDED"), []byte("ended"), 1)
		}},
		"the id is changed": {secrets: two, want: wrong, change: func(r *http.Request, b []byte) []byte {
			r.Header.Set("Webhook-Id", strings.Replace(r.Header.Get("Webhook-Id"), "_000003", "_000004", 1))
			return b
		}},
		"the time is changed": {secrets: two, want: wrong, change: func(r *http.Request, b []byte) []byte {
			at, _ := strconv.Atoi(r.Header.Get("Webhook-Timestamp"))
			r.Header.Set("Webhook-Timestamp", strconv.Itoa(at-1))
			return b
		}},
	} {
		to := r.url
		if test.change != nil {
			to = throughMiddle(t, r.url, test.change)
		}
		to = to.JoinPath(strconv.Itoa(test.path))
		w, err := NewWebhook(WebhookConfig{URL: cluster.Secret(to.String()), Mode: mode, Secrets: test.secrets})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		w.now = func() time.Time { return time.Now().Add(-test.late) }
		d := endDelivery(t)
		result, line := w.Deliver(t.Context(), d), r.line(t)
		outcome, status, want := Refused, http.StatusUnauthorized, []any{"refused", test.want}
		if test.want == accepted {
			id := strings.ReplaceAll(d.Event.ID, ".", "_")
			outcome, status, want = Delivered, http.StatusNoContent, []any{accepted, id, bodyOf(t, d, mode)}
		}
		if result.Outcome != outcome || result.Status != status {
			t.Errorf("%s, %s: %+v", mode, name, result)
		}
		if d := cmp.Diff(want, line); d != "" {
			t.Errorf("%s, %s (-want +got):\n%s", mode, name, d)
		}
	}
}

// bodyOf returns the JSON value of the body of a request.
func bodyOf(t *testing.T, d Delivery, mode ContentMode) (value any) {
	t.Helper()
	text := d.Record.Value
	if mode == StructuredMode {
		var err error
		if text, err = d.Record.MarshalJSON(); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// throughMiddle returns the URL of a server that changes each request on its way.
func throughMiddle(t *testing.T, to *url.URL, change func(*http.Request, []byte) []byte) *url.URL {
	t.Helper()
	middle := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		body, _ := io.ReadAll(p.In.Body)
		body = change(p.Out, body)
		p.Out.Body, p.Out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}})
	t.Cleanup(middle.Close)
	u, err := url.Parse(middle.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
