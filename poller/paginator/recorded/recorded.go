// Package recorded contains cases that were recorded from boto3's paginator, and a server for their pages. Tests use
// them to compare Farmwire with boto3. The header of vectors.json describes how the cases were recorded and what their
// fields mean.
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

// File is the content of vectors.json. Its header describes the fields.
type File struct {
	Template  json.RawMessage
	Layouts   []Layout
	Cases     []Case
	Resumed   []Resumed `json:"walks"`
	Tokens    []Token
	Responses []Response
	Times     []Time
	CLI       []CLI
}

// Layout is a named list of pages.
type Layout struct {
	Name  string
	Pages json.RawMessage
}

// Config is a PaginationConfig. Its numbers are kept as text, as on a command line, because boto3 accepts strings as
// well.
type Config struct {
	MaxItems, PageSize *Text
	StartingToken      *string
}

// Text is a JSON number or string, as text.
type Text string

// UnmarshalJSON decodes a number or a string.
func (t *Text) UnmarshalJSON(value []byte) error {
	if s, err := strconv.Unquote(string(value)); err == nil {
		value = []byte(s)
	}
	*t = Text(value)
	return nil
}

// Case is a call of build_full_result and its outcome.
type Case struct {
	Name   string
	Pages  json.RawMessage // a list, or the name of a layout
	Config Config
	Expect Expect
	Ours   *struct { // where Farmwire differs from boto3; otherwise nil
		Exit     int
		Requests []Request
	}
}

// Expect is what boto3 did, and the exit code expected of Farmwire's command.
type Expect struct {
	Result   *Result
	Error    *struct{ Kind, Message string }
	Requests []Request
	Exit     int
}

// Result is the result of a call, with the ids of its sessions.
type Result struct {
	Sessions         []string
	NextToken        string
	NextTokenDecoded string `json:"NextToken_decoded"`
}

// Request has the paging parameters of a request. A parameter that was not sent is nil.
type Request struct {
	MaxResults *int    `json:"maxResults,omitempty"`
	NextToken  *string `json:"nextToken,omitempty"`
}

// Resumed is a listing that is read in steps. Each step starts with the NextToken of the previous one.
type Resumed struct {
	Name  string
	Pages json.RawMessage
	Steps []struct {
		Config Config
		Expect Expect
	}
}

// Token is a NextToken that boto3 made, and the service token and the offset into its page that it was made from.
type Token struct {
	NextToken *string
	Offset    *int
	JSON      string
	Token     string
}

// Response is the body of a response and what boto3, the AWS CLI and the Go SDK make of it.
type Response struct {
	Name       string
	Body       json.RawMessage
	Config     Config
	CLI        json.RawMessage `json:"aws_cli"` // an object, or a sentence
	CLIText    string          `json:"aws_cli_text"`
	GoSDK      json.RawMessage `json:"go_sdk"`
	BotoResult json.RawMessage `json:"boto3"`
}

// Time is a startedAt on the wire and what the Go SDK makes of it. GoSDK is "error" if the SDK rejects it.
type Time struct {
	Wire  json.RawMessage
	GoSDK string `json:"go_sdk"`
}

// CLI is a run of the AWS CLI and its outcome.
type CLI struct {
	Name     string
	Config   Config
	Exit     int
	Requests int
	Stdout   *Result
	Stderr   string
	Flags    []string
}

// Load returns the recorded cases. It expands the strings that the file abbreviates, such as {x*4096}.
func Load(t testing.TB) File {
	t.Helper()
	header, cases, _ := bytes.Cut(vectors, []byte(`"template"`)) // the header, which explains the abbreviation, stays as it is
	for _, n := range []int{4096, 4097} {
		cases = bytes.ReplaceAll(cases, fmt.Appendf(nil, "{x*%d}", n), bytes.Repeat([]byte("x"), n))
	}
	var file File
	if err := json.Unmarshal(slices.Concat(header, []byte(`"template"`), cases), &file); err != nil {
		t.Fatalf("read the recorded cases: %v", err)
	}
	return file
}
