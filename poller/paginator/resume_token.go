package paginator

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// resumePoint is where a listing resumes: at a page, after some of its sessions.
type resumePoint struct {
	token  *string // the service's token of the page; nil for the first page
	inside bool    // the token has an offset, even if it is 0
	offset int     // how many sessions of the page were returned before
}

const (
	tokenMember   = "nextToken"
	offsetMember  = "boto_truncate_amount"
	oldSeparator  = "___"  // between token and offset in the form that old versions of boto3 wrote
	noneToken     = "None" // stands for the first page in the old form, because Python writes None so
	base64Symbols = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)

// encode returns the bytes that boto3 writes as its NextToken: the base64 of a JSON object as Python's
// json.dumps spells it.
func (p resumePoint) encode() string {
	text := append([]byte(nil), `{"`+tokenMember+`": `...)
	if p.token == nil {
		text = append(text, "null"...)
	} else {
		text = appendASCII(text, *p.token)
	}
	if p.inside {
		text = append(text, `, "`+offsetMember+`": `...)
		text = strconv.AppendInt(text, int64(p.offset), 10)
	}
	return base64.StdEncoding.EncodeToString(append(text, '}'))
}

// appendASCII appends a JSON string as Python writes it. Characters other than printable ASCII are escaped, those
// above U+FFFF as surrogate pairs.
func appendASCII(text []byte, s string) []byte {
	text = append(text, '"')
	for _, r := range s {
		switch short := strings.IndexRune("\"\\\n\r\t\b\f", r); {
		case short >= 0:
			text = append(text, '\\', `"\nrtbf`[short])
		case r >= ' ' && r <= '~':
			text = append(text, byte(r))
		default:
			for _, unit := range utf16.AppendRune(nil, r) {
				text = fmt.Appendf(text, `\u%04x`, unit)
			}
		}
	}
	return append(text, '"')
}

// parseStartingToken reads a starting token in every form that boto3 accepts: a NextToken of boto3, its old form
// <token>___<offset>, or a token of the service. A token that looks like one of boto3's and is not valid is
// ErrRefused.
func parseStartingToken(s string) (resumePoint, error) {
	if !utf8.ValidString(s) {
		return resumePoint{}, fmt.Errorf("%w: starting token %q is not UTF-8", ErrRefused, s)
	}
	point, isObject, err := parseNextToken(s)
	if !isObject && err == nil {
		point, err = parseOldToken(s)
	}
	if err != nil {
		return resumePoint{}, fmt.Errorf("%w: starting token %q: %w", ErrRefused, s, err)
	}
	if point.token != nil && *point.token == noneToken {
		point.token = nil
	}
	return point, nil
}

// parseNextToken reads a NextToken, which is the base64 of a JSON object. It reports false for a token of another
// form: anything that is not JSON, or a JSON list. A JSON scalar is an error, as in boto3.
func parseNextToken(s string) (resumePoint, bool, error) {
	text, ok := decodeBase64(s)
	if !ok || !utf8.Valid(text) || !json.Valid(text) {
		return resumePoint{}, false, nil
	}
	switch text := strings.TrimLeft(string(text), " \t\r\n"); text[0] {
	case '{':
	case '[':
		return resumePoint{}, false, nil
	default:
		return resumePoint{}, false, errors.New("it holds JSON that is not an object")
	}
	if hasLoneSurrogate(text) {
		return resumePoint{}, false, errors.New("it holds text that is not Unicode")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return resumePoint{}, false, err
	}
	point, err := pointOf(members)
	return point, true, err
}

// pointOf reads the members of a NextToken.
func pointOf(members map[string]json.RawMessage) (resumePoint, error) {
	var point resumePoint
	token, ok := members[tokenMember]
	if !ok {
		return point, errors.New("it has no " + tokenMember)
	}
	if err := json.Unmarshal(token, &point.token); err != nil {
		return point, fmt.Errorf("its %s is not a string", tokenMember)
	}
	for name, value := range members {
		switch name {
		case tokenMember:
		case offsetMember:
			offset, ok := parseInteger(string(value))
			if !ok || offset < 0 {
				return point, fmt.Errorf("its %s is %s, not an integer of 0 or more", offsetMember, value)
			}
			point.inside, point.offset = true, offset
		default:
			return point, fmt.Errorf("its member %q is unknown", name)
		}
	}
	return point, nil
}

// parseOldToken reads the form that old versions of boto3 wrote. Any other text is a token of the service.
func parseOldToken(s string) (resumePoint, error) {
	parts := strings.Split(s, oldSeparator)
	if len(parts) > 2 {
		return resumePoint{}, errors.New("it has more than one separator " + oldSeparator)
	}
	if len(parts) == 2 {
		if offset, ok := parsePythonInteger(parts[1]); ok {
			if offset < 0 {
				return resumePoint{}, errors.New("its offset is below 0")
			}
			return resumePoint{token: &parts[0], inside: true, offset: offset}, nil
		}
	}
	return resumePoint{token: &s}, nil
}

// parsePythonInteger reads the ASCII texts that Python's int() accepts. There may be space around the digits and
// single underscores between them.
func parsePythonInteger(s string) (int, bool) {
	s = strings.TrimSpace(s)
	digits := strings.TrimLeft(s, "+-")
	if strings.HasPrefix(digits, "_") || strings.HasSuffix(digits, "_") || strings.Contains(digits, "__") {
		return 0, false
	}
	return parseInteger(strings.ReplaceAll(s, "_", ""))
}

// parseInteger reads a decimal integer of any length. One that does not fit into an int becomes the nearest that
// does, because no page is that long.
func parseInteger(s string) (int, bool) {
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// decodeBase64 decodes as Python's base64.b64decode does. It skips characters outside the alphabet, ignores
// everything after complete padding, and reports false if padding is missing.
func decodeBase64(s string) (decoded []byte, ok bool) {
	var quad, pads, rest int
	for i := range len(s) {
		if s[i] == '=' {
			if quad >= 2 {
				pads++
				if quad+pads >= 4 {
					return decoded, true
				}
			}
			continue
		}
		value := strings.IndexByte(base64Symbols, s[i])
		if value < 0 {
			continue
		}
		pads = 0
		if quad > 0 {
			decoded = append(decoded, byte(rest<<(2*quad)|value>>(6-2*quad)))
		}
		rest = value & (1<<(6-2*quad) - 1)
		if quad == 0 {
			rest = value
		}
		quad = (quad + 1) % 4
	}
	return decoded, quad == 0
}

// hasLoneSurrogate reports whether JSON has a \u escape that is only half of a surrogate pair. Go would read it as
// U+FFFD, so that a token would silently become another one.
func hasLoneSurrogate(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		unit, ok := escapedUnit(text[i:])
		if !ok {
			i++ // the escaped character
			continue
		}
		i += len(`\u0000`) - 1
		if !utf16.IsSurrogate(unit) {
			continue
		}
		second, ok := escapedUnit(text[i+1:])
		if !ok || utf16.DecodeRune(unit, second) == utf8.RuneError {
			return true
		}
		i += len(`\u0000`)
	}
	return false
}

// escapedUnit reads the UTF-16 unit of an escape such as \u00e9 at the start of the text.
func escapedUnit(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(unit), err == nil
}
