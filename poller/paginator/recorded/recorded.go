// Package recorded has the cases that were recorded from boto3's paginator, and a server of their pages.
// Tests use it to compare Farmwire with boto3. The header of vectors.json says how the cases were recorded
// and what they mean.
package recorded

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
)

//go:embed vectors.json
var vectors []byte

// File is the whole file.
type File struct {
	Template  json.RawMessage
	Layouts   []Layout
	Cases     []Case
	Walks     []Walk
	Tokens    []Token
	Responses []Response
	Times     []Time
	CLI       []CLI
}

// Layout is a list of pages with a name.
type Layout struct {
	Name  string
	Pages json.RawMessage
}

// Config is a PaginationConfig. The numbers are the text that a command line would have: boto3 takes
// strings too.
type Config struct {
	MaxItems, PageSize *Text
	StartingToken      *string
}

// Text is a number or a string, as text.
type Text string

// UnmarshalJSON reads either.
func (t *Text) UnmarshalJSON(value []byte) error {
	if s, err := strconv.Unquote(string(value)); err == nil {
		value = []byte(s)
	}
	*t = Text(value)
	return nil
}

// Case is one call of build_full_result and what came of it.
type Case struct {
	Name   string
	Pages  json.RawMessage // a list, or the name of a layout
	Config Config
	Expect Expect
	Ours   *struct {
		Exit     int
		Requests []Request
	}
}

// Expect is what boto3 did.
type Expect struct {
	Result   *Result
	Error    *struct{ Kind, Message string }
	Requests []Request
	Exit     int
}

// Result is a result with its sessions as their ids.
type Result struct {
	Sessions         []string
	NextToken        string
	NextTokenDecoded string `json:"NextToken_decoded"`
}

// Request is the paging part of a request; what is nil was not sent.
type Request struct {
	MaxResults *int    `json:"maxResults,omitempty"`
	NextToken  *string `json:"nextToken,omitempty"`
}

// Walk is a listing read in pieces.
type Walk struct {
	Name  string
	Pages json.RawMessage
	Steps []struct {
		Config Config
		Expect Expect
	}
}

// Token is a NextToken that boto3 made.
type Token struct {
	NextToken *string
	Offset    *int
	JSON      string
	Token     string
}

// Response is a whole body and what became of it.
type Response struct {
	Name       string
	Body       json.RawMessage
	Config     Config
	CLI        json.RawMessage `json:"aws_cli"` // an object, or words
	CLIText    string          `json:"aws_cli_text"`
	GoSDK      json.RawMessage `json:"go_sdk"`
	BotoResult json.RawMessage `json:"boto3"`
}

// Time is a startedAt on the wire, and what the Go SDK makes of it ("error": nothing).
type Time struct {
	Wire  json.RawMessage
	GoSDK string `json:"go_sdk"`
}

// CLI is a run of the AWS CLI.
type CLI struct {
	Name     string
	Config   Config
	Exit     int
	Requests int
	Stdout   *Result
	Stderr   string
	Flags    []string
}

// Load returns the recorded cases. It writes out the long strings that the file abbreviates as {x*4096}.
func Load(t testing.TB) File {
	t.Helper()
	header, cases, _ := bytes.Cut(vectors, []byte(`"template"`)) // the header explains the abbreviation
	for _, n := range []int{4096, 4097} {
		cases = bytes.ReplaceAll(cases, fmt.Appendf(nil, "{x*%d}", n), bytes.Repeat([]byte("x"), n))
	}
	var file File
	if err := json.Unmarshal(slices.Concat(header, []byte(`"template"`), cases), &file); err != nil {
		t.Fatalf("read the recorded cases: %v", err)
	}
	return file
}
