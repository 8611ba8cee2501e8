package cluster

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Secret is a text that does not print itself: fmt with any verb, encoding/json, YAML, log/slog and zap show
// "REDACTED" instead, or nothing if the secret is empty.
type Secret string

const redacted = "REDACTED"

// reveal returns the secret itself. Only what logs in, checks or removes a secret may call it.
func (s Secret) reveal() string { return string(s) }

// String does not show the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString does not show the secret.
func (s Secret) GoString() string { return s.String() }

// Format does not show the secret, whatever the verb.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, s.String()) }

// MarshalText does not show the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue does not show the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Validate returns an error if the secret cannot be a password. The error's text continues a sentence that begins with the
// name of the place that the secret came from. It does not depend on the secret.
func (s Secret) Validate() error {
	text := s.reveal()
	switch {
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"), strings.Contains(text, "\x00"):
		return errors.New("is not UTF-8 but UTF-16 or binary: save it as UTF-8")
	case strings.HasPrefix(text, "\ufeff"):
		return errors.New("begins with a byte order mark: save it as UTF-8 without one")
	case !utf8.ValidString(text):
		return errors.New("is not UTF-8: save it as UTF-8")
	case strings.ContainsAny(text, "\r\n"):
		return errors.New("has a line break in it or at its end: it must be one line")
	case strings.ContainsFunc(text, unicode.IsControl):
		return errors.New("holds a tab or another control character: give the password alone")
	}
	return nil
}

// leastScrubbed is the length of the shortest secret that Scrub looks for. Shorter ones are parts of too many words.
const leastScrubbed = 4

// Scrub removes the secret from a text of a broker or a client, in every encoding in which it may be there. names are shown
// elsewhere anyway. If the secret is a part of one of them, the text is not changed, because a changed name would reveal the
// secret.
func (s Secret) Scrub(text string, names ...string) string {
	secret := s.reveal()
	if len(secret) < leastScrubbed || slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, secret) }) {
		return text
	}
	for _, form := range forms(secret) {
		if len(form) >= leastScrubbed {
			text = replaceFold(text, form)
		}
	}
	return text
}

// replaceFold is strings.ReplaceAll without regard to the case of ASCII letters.
func replaceFold(text, form string) string {
	lower, form := foldASCII(text), foldASCII(form)
	for from := 0; ; {
		i := strings.Index(lower[from:], form)
		if i < 0 {
			return text
		}
		i += from
		text = text[:i] + redacted + text[i+len(form):]
		lower = lower[:i] + redacted + lower[i+len(form):]
		from = i + len(redacted)
	}
}

func foldASCII(text string) string {
	folded := []byte(text)
	for i, c := range folded {
		if 'A' <= c && c <= 'Z' {
			folded[i] = c + 'a' - 'A'
		}
	}
	return string(folded)
}

// forms returns the encodings in which a secret may be in a text: as it is, as SASLprep changes it, quoted, escaped, in
// hexadecimal or decimal bytes, and in base64, also as a part of a longer text in base64.
func forms(secret string) []string {
	var list []string
	for _, text := range []string{secret, norm.NFKC.String(secret)} {
		quoted, escaped := strconv.Quote(text), strconv.QuoteToASCII(text)
		inJSON, _ := json.Marshal(text) // a string
		list = append(list, text, quoted[1:len(quoted)-1], escaped[1:len(escaped)-1], string(inJSON[1:len(inJSON)-1]),
			url.QueryEscape(text), url.PathEscape(text),
			hex.EncodeToString([]byte(text)), strings.Trim(fmt.Sprint([]byte(text)), "[]"))
		for _, code := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for shift := range 3 { // only the characters that no neighbour of the secret changes
				encoded := code.EncodeToString([]byte("xx"[:shift] + text))
				first, last := (shift*8+5)/6, (shift+len(text))*8/6
				list = append(list, encoded[first:last])
			}
		}
	}
	slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(list)
}
