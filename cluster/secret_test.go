package cluster

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestPasswordsThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		"two\nlines": "line break", "at its end\n": "line break", "carriage\rreturn": "line break", "a\ttab": "control character",
		"\x00nul": "UTF-16", "\xff\xfet\x00w\x00o\x00": "UTF-16", "\xfe\xff\x00t": "UTF-16", "\ufeffmark": "byte order mark",
		"latin-1 \xe4": "not UTF-8", "next\u0085line": "control character", "escape\x1b[2J": "control character",
	} {
		err := Secret(text).Validate()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", text, err, want)
			continue
		}
		c := Config{SASL: SASL{Mechanism: MechanismPlain, Username: "user", Password: Secret(text)}}
		if _, err := c.Transport(); !errors.Is(err, ErrConfiguration) || kindOf(err) != PasswordInvalid || strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for user, text := range oddPasswords() {
		if err := Secret(text).Validate(); err != nil {
			t.Errorf("%s: %v", user, err)
		}
	}
}

// A secret is taken out of a text in whatever form it stands there.
func TestSecretsAreScrubbed(t *testing.T) {
	for _, secret := range []string{"canary-0123456789", `quo"ted\slash<&>`, "geheim²·10µs", "blank within é"} {
		inJSON, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			secret, strings.ToUpper("X"+secret[:4]) + secret[4:], fmt.Sprintf("%q", secret), fmt.Sprintf("%+q", secret), fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret),
			fmt.Sprint([]byte(secret)), string(inJSON), url.QueryEscape(secret), url.PathEscape(secret),
			base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
			base64.StdEncoding.EncodeToString([]byte("\x00user\x00" + secret)), base64.StdEncoding.EncodeToString([]byte("n" + secret + "more")),
		} {
			got := Secret(secret).Scrub("before " + text + " after")
			if !strings.Contains(got, redacted) || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
				t.Errorf("%q stays: %q", text, got)
			}
		}
	}
	if got := Secret("geheim²").Scrub("it was geheim2"); strings.Contains(got, "geheim2") {
		t.Errorf("as SASLprep changes it: %q", got)
	}
	for _, text := range []string{"nothing of it", "", "farmwire.deadline.sessions.state"} {
		if got := Secret("wire").Scrub(text, "farmwire"); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// What a broker says of a login is left away, and no password comes out of any other text.
func TestExplanationsHoldNoPassword(t *testing.T) {
	const canary = "canary-0123456789"
	c := Config{SASL: SASL{Mechanism: MechanismPlain, Username: "user", Password: canary}}
	token := base64.StdEncoding.EncodeToString([]byte("\x00user\x00" + canary))
	for _, err := range []error{
		fmt.Errorf("look: %w: wrong password %q\n", kafka.Error(58), canary),
		fmt.Errorf("look: %w: %s", kerr.SaslAuthenticationFailed, token),
		fmt.Errorf("look: %w: %s", kafka.Error(-1), canary),
		fmt.Errorf("create: %w %s", kerr.PolicyViolation, token),
		errors.New(canary),
		&Error{Text: "a line", Err: errors.New(canary)},
	} {
		got := c.Explain(err)
		if text := got.Error(); strings.Contains(text, canary) || strings.Contains(text, token) || strings.ContainsAny(text, "\r\n") {
			t.Errorf("%v", got)
		}
		if !errors.Is(got, err) {
			t.Errorf("%v is not the error any more", got)
		}
	}
	for _, err := range []error{fmt.Errorf("look: %w: %s", kafka.Error(58), "anything \x1b[2J"), fmt.Errorf("look: %w: %s", kerr.SaslAuthenticationFailed, "anything")} {
		if text := (Config{}).Explain(err).Error(); strings.Contains(text, "anything") || !strings.Contains(text, "this user and password") {
			t.Error(text)
		}
	}
}

// A password that is a word of our own lines is not told by its absence from them.
func TestOurOwnWordsStay(t *testing.T) {
	c := Config{SASL: SASL{Mechanism: MechanismPlain, Username: "user", Password: "password"}}
	text := c.Explain(fmt.Errorf("look: %w", kafka.Error(58))).Error()
	if !strings.Contains(text, "user and password, or") {
		t.Error(text)
	}
}
