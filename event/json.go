package event

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"
)

// timeLayout is RFC 3339 in UTC with milliseconds. Finer digits are cut off.
const timeLayout = "2006-01-02T15:04:05.000Z"

// The functions below append JSON to a buffer. They do not use encoding/json, because its reflection would cost more than
// all the rest of publishing an event. The parameter before is the text that precedes the value, such as `,"sequence":`.

func appendTime(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, timeLayout)
}

// appendInstant appends a time as a JSON string, or null for the zero time.
func appendInstant(b []byte, before string, t time.Time) []byte {
	b = append(b, before...)
	if t.IsZero() {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = appendTime(b, t)
	return append(b, '"')
}

func appendNumber(b []byte, before string, n uint64) []byte {
	return strconv.AppendUint(append(b, before...), n, 10)
}

func appendBool(b []byte, before string, v bool) []byte {
	return strconv.AppendBool(append(b, before...), v)
}

func appendText(b []byte, before, s string) []byte {
	return appendString(append(b, before...), s)
}

// appendOptional appends a JSON string, or null for an empty string.
func appendOptional(b []byte, before, s string) []byte {
	b = append(b, before...)
	if s == "" {
		return append(b, "null"...)
	}
	return appendString(b, s)
}

// appendString appends a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	plain := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			b = append(b, s[plain:i]...)
			b = appendEscaped(b, c)
			i++
			plain = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(b, s[plain:i]...)
			b = append(b, `\ufffd`...)
			i += size
			plain = i
			continue
		}
		i += size
	}
	b = append(b, s[plain:]...)
	return append(b, '"')
}

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\t':
		return append(b, '\\', 't')
	}
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// instant is a time in a JSON value, in UTC with milliseconds. It may have any form of RFC 3339, and null is the zero
// time.
type instant time.Time

var errYear = errors.New("the year is not between 1 and 9999")

// UnmarshalJSON reads a JSON string or null.
func (i *instant) UnmarshalJSON(b []byte) error {
	var t time.Time
	if err := json.Unmarshal(b, &t); err != nil {
		return err
	}
	t = t.UTC().Truncate(time.Millisecond)
	if t.Year() < 1 || t.Year() > 9999 {
		return errYear
	}
	*i = instant(t)
	return nil
}
