package trigger

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"farmwire/cluster"
)

// The first case is a test of the Go library of Standard Webhooks. The others were calculated with the PyPI library
// standardwebhooks 1.1.0.
func TestSign(t *testing.T) {
	const (
		first, second = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
		id            = "msg_p5jXN8AQM9LWM0D4loKWxJek"
		signature     = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	)
	for name, c := range map[string]struct {
		secrets            []cluster.Secret
		id, wantID, wanted string
	}{
		"the library's": {[]cluster.Secret{first}, id, id, signature},
		"two secrets":   {[]cluster.Secret{first, second}, id, id, signature + " v1,78nXHjpFP0tVJQW5D0SBwmVyyW87BV/rL6MgfM/Bw44="},
		"full stops": {[]cluster.Secret{first}, "session-1.2.000003", "session-1_2_000003",
			"v1,+1PZX+LuiL2uihS15lfTxTPirWVcrHDQaPkXOvAHnAU="},
		"other characters": {[]cluster.Secret{first}, "sess ion\n-é.000003", "sess%20ion%0A-%C3%A9_000003",
			"v1,7w9xq9HlQbh4AClD0KkftiDxqCDneqxhPUYTfFSiJ6I="},
		"no secret": {nil, "a.1", "a_1", ""},
	} {
		keys, err := parseSigningSecrets(c.secrets)
		if err != nil {
			t.Fatal(err)
		}
		header := make(http.Header)
		sign(header, keys, c.id, time.Unix(1614265330, 999_999_999), []byte(`{"test": 2432232314}`))
		if got := header.Get("webhook-id"); got != c.wantID {
			t.Errorf("%s: the id is %q, want %q", name, got, c.wantID)
		}
		if got := header.Get("webhook-timestamp"); got != "1614265330" {
			t.Errorf("%s: the time is %q", name, got)
		}
		if got := strings.Join(header["Webhook-Signature"], "|"); got != c.wanted {
			t.Errorf("%s: the signature is %q, want %q", name, got, c.wanted)
		}
	}
}
