package publisher

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that does not print itself: fmt with any verb, encoding/json, YAML, log/slog and zap show
// "REDACTED" instead, or nothing if it is empty.
type Secret string

const redacted = "REDACTED"

// reveal is the text itself, for the two places that need it.
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
