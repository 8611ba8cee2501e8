package paginator

import (
	"encoding/base64"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"farmwire/poller/paginator/recorded"
)

// A token and an offset are encoded to the same bytes as boto3 encodes them to, and can be read back.
func TestRecordedTokens(t *testing.T) {
	tokens := recorded.Load(t).Tokens
	if len(tokens) == 0 {
		t.Fatal("no tokens were read")
	}
	for _, c := range tokens {
		t.Run(c.JSON, func(t *testing.T) {
			point := resumePoint{token: c.NextToken, inside: c.Offset != nil}
			if c.Offset != nil {
				point.offset = *c.Offset
			}
			if got := point.encode(); got != c.Token {
				t.Errorf("encoded to\n%s, want\n%s", got, c.Token)
			}
			if decoded, _ := base64.StdEncoding.DecodeString(c.Token); string(decoded) != c.JSON {
				t.Errorf("the recorded case contradicts itself: %s", decoded)
			}
			if c.NextToken != nil && *c.NextToken == "None" {
				point.token = nil // it is read as the first page
			}
			got, err := parseStartingToken(c.Token)
			if diff := cmp.Diff(point, got, cmp.AllowUnexported(resumePoint{})); diff != "" || err != nil {
				t.Errorf("read back (-want +got): %v\n%s", err, diff)
			}
		})
	}
}

func TestStartingTokenForms(t *testing.T) {
	own := func(json string) string { return base64.StdEncoding.EncodeToString([]byte(json)) }
	for name, c := range map[string]struct {
		token  string
		want   *string // nil: the first page
		offset int
		bad    bool
	}{
		"old form, space around the number":  {token: "A___ 2", want: new("A"), offset: 2},
		"old form, a sign":                   {token: "A___+2", want: new("A"), offset: 2},
		"old form, Python's underscores":     {token: "A___1_0", want: new("A"), offset: 10},
		"old form, underscore first":         {token: "A____1", want: new("A____1")},
		"old form, digits and more":          {token: "A___99999999999999999999x", want: new("A___99999999999999999999x")},
		"old form, two signs":                {token: "A___-+1", want: new("A___-+1")},
		"old form, no number":                {token: "A___", want: new("A___")},
		"old form, no token":                 {token: "___2", want: new(""), offset: 2},
		"old form, None":                     {token: "None___2", offset: 2},
		"old form, three parts":              {token: "A___2___3", bad: true},
		"None in the JSON":                   {token: own(`{"nextToken": "None", "boto_truncate_amount": 1}`), offset: 1},
		"text after the padding is not read": {token: own(`{"nextToken": "A"} `) + "QUJD", want: new("A")},
		"padding is missing":                 {token: "eyJuZXh0VG9rZW4iOiAiQUIifQ", want: new("eyJuZXh0VG9rZW4iOiAiQUIifQ")},
		"only padding":                       {token: "====", want: new("====")},
		"a member twice, the last":           {token: own(`{"nextToken": "A", "nextToken": "B"}`), want: new("B")},
		"offset minus zero":                  {token: own(`{"nextToken": "A", "boto_truncate_amount": -0}`), want: new("A")},
		"offset true":                        {token: own(`{"nextToken": "A", "boto_truncate_amount": true}`), bad: true},
		"offset null":                        {token: own(`{"nextToken": "A", "boto_truncate_amount": null}`), bad: true},
		"offset 1.0":                         {token: own(`{"nextToken": "A", "boto_truncate_amount": 1.0}`), bad: true},
		"offset 1e2":                         {token: own(`{"nextToken": "A", "boto_truncate_amount": 1e2}`), bad: true},
		"names are exact":                    {token: own(`{"NEXTTOKEN": "A"}`), bad: true},
		"half a surrogate pair":              {token: own(`{"nextToken": "\ud83c"}`), bad: true},
		"a backslash before u":               {token: own(`{"nextToken": "\\ud83c"}`), want: new(`\ud83c`)},
		"a whole surrogate pair":             {token: own(`{"nextToken": "\ud83c\udfac"}`), want: new("🎬")},
		"space before a scalar":              {token: own(` "x"`), bad: true},
		"space before a list":                {token: own(` [1]`), want: new(own(` [1]`))},
		"true":                               {token: own(`true`), bad: true},
		"not UTF-8":                          {token: "A\xff", bad: true},
		"base64 of bytes not in UTF-8":       {token: "/////w==", want: new("/////w==")},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseStartingToken(c.token)
			if c.bad {
				if !errors.Is(err, ErrRefused) {
					t.Fatalf("read as %v, %v; want it refused", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.token); diff != "" || got.offset != c.offset {
				t.Errorf("offset %d, want %d; token (-want +got):\n%s", got.offset, c.offset, diff)
			}
		})
	}
}

func TestOffsetBeyondAnyInteger(t *testing.T) {
	point, err := parseStartingToken("A___99999999999999999999999999")
	if err != nil || point.offset < 1<<62 {
		t.Errorf("read as %v, %v; want an offset beyond any page", point, err)
	}
}

// Every token can be encoded and read back.
func FuzzResumePoint(f *testing.F) {
	f.Add("A", 0, true)
	f.Add("None___3", 7, false)
	f.Add("日本/\"\\\t\x7f🎬", 12, true)
	f.Fuzz(func(t *testing.T, token string, offset int, inside bool) {
		point := resumePoint{token: &token, inside: inside}
		if inside {
			point.offset = max(offset, 0)
		}
		if token == noneToken || string([]rune(token)) != token {
			t.Skip()
		}
		got, err := parseStartingToken(point.encode())
		if diff := cmp.Diff(point, got, cmp.AllowUnexported(resumePoint{})); diff != "" || err != nil {
			t.Errorf("read back (-want +got): %v\n%s", err, diff)
		}
	})
}

func FuzzStartingToken(f *testing.F) {
	f.Add("eyJuZXh0VG9rZW4iOiAiQSJ9")
	f.Add("A___-1")
	f.Fuzz(func(t *testing.T, s string) {
		point, err := parseStartingToken(s)
		if err != nil && !errors.Is(err, ErrRefused) || point.offset < 0 {
			t.Errorf("%q gave %v, %v", s, point, err)
		}
	})
}

func TestPythonsBase64(t *testing.T) {
	for s, want := range map[string]string{
		"QUJD": "ABC", "QUI=": "AB", "QQ==": "A", "Q Q=\n=": "A", "=QUJD": "ABC", "QQ==QUJD": "A", "QQ=QU": "A\x04\x14",
	} {
		if got, ok := decodeBase64(s); !ok || string(got) != want {
			t.Errorf("%q decoded to %q, %v; want %q", s, got, ok, want)
		}
	}
	for _, s := range []string{"Q", "QQ", "QQ=", "QUI", "QUJDQ"} {
		if got, ok := decodeBase64(s); ok {
			t.Errorf("%q decoded to %q; its padding is wrong", s, got)
		}
	}
}
