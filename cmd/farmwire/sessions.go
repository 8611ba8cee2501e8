package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/zap"

	"farmwire/diff"
	"farmwire/poller"
	"farmwire/poller/paginator"
)

type sessionsCmd struct {
	Farm          string  `required:"" placeholder:"ID" help:"List a worker of this farm."`
	Fleet         string  `required:"" placeholder:"ID" help:"List a worker of this fleet."`
	Worker        string  `required:"" placeholder:"ID" help:"List the sessions of this worker."`
	PageSize      *number `placeholder:"N" help:"Ask for this many sessions in each request. The service takes from 1 to 100. What is listed does not depend on it."`
	MaxItems      *number `placeholder:"N" help:"Stop after this many sessions. If there are more, NextToken says where to go on. 0 makes one request and does not advance."`
	StartingToken *string `placeholder:"TOKEN" help:"Go on at this NextToken, which farmwire, boto3 or the AWS CLI has printed, or at a token of the service. Give the page size that it was made with."`
	Output        string  `enum:"json,jsonl,table" default:"json" help:"Print this form. json: one object. jsonl: one session a line as the pages come, and NextToken last. table: for people; LASTED ends in + while a session is open."`
}

// Help says what --help prints below the flags' summary.
func (sessionsCmd) Help() string {
	return `Lists as boto3's paginator of list_sessions_for_worker does, with a NextToken of the same bytes: either resumes the other's.

Where it differs from boto3:

- --max-items below 0, --page-size above 2147483647, an empty identifier and a starting token that can be seen to be broken (no nextToken, another member, an offset that is no integer of 0 or more) are refused before any request. boto3 returns wrong pieces or fails late.

- A broken page is an error, never an empty listing: a body that is not JSON, nextToken that is no string, sessions that is no list, an entry that is null or has no known field, a time that is no RFC 3339 string.

- A page token that came earlier in the run is an error, not only one that came just before: boto3 walks a ring of tokens for ever.

- Times are in UTC with Z, with every digit of the fraction that came and no zeros at its end.

Exit codes: 0 a listing or a piece of one, 1 failed (json and table have printed nothing then, jsonl what came before), 2 refused before any request, 130 interrupted.`
}

// Run lists the sessions.
func (c sessionsCmd) Run(ctx context.Context, std *streams) error {
	// What is wrong with the flags is said before credentials are looked for.
	if _, err := c.paginator(nil); err != nil {
		return usageError{err}
	}
	client, err := poller.NewClient(ctx, zap.NewNop(), withRetries)
	if err != nil {
		return usageError{err}
	}
	pages, err := c.paginator(client)
	if err != nil {
		return usageError{err}
	}
	out := lineWriter{ctx: ctx, out: std.out}
	if c.Output == "jsonl" {
		return withAdvice(streamLines(ctx, pages, out))
	}
	result, err := pages.Collect(ctx)
	if err != nil {
		return withAdvice(err)
	}
	if c.Output == "table" {
		return out.write(table(result, time.Now(), hasColour(std.out)))
	}
	text, err := encode(result, "    ")
	if err != nil {
		return err
	}
	return out.write(text)
}

// withAdvice puts before an answer of the service, or the lack of one, what can be done about it.
func withAdvice(err error) error {
	advice := ""
	var (
		answer *smithyhttp.ResponseError
		sent   *smithyhttp.RequestSendError
	)
	switch {
	case errors.Is(err, poller.ErrCredentials): // says it itself
	case errors.As(err, &sent):
		advice = "Deadline Cloud can't be reached: check the network, AWS_REGION and AWS_ENDPOINT_URL_DEADLINE"
	case !errors.As(err, &answer):
	case answer.HTTPStatusCode() == http.StatusForbidden || answer.HTTPStatusCode() == http.StatusUnauthorized:
		advice = "the service refuses these credentials: check AWS_PROFILE, and that they allow deadline:ListSessionsForWorker"
	case answer.HTTPStatusCode() == http.StatusNotFound:
		advice = "there is no such worker: check --farm, --fleet, --worker and AWS_REGION"
	}
	if advice == "" {
		return err
	}
	return fmt.Errorf("%s (%w)", advice, err)
}

func (c sessionsCmd) paginator(client paginator.SessionLister) (*paginator.Paginator, error) {
	worker := diff.WorkerKey{FarmID: c.Farm, FleetID: c.Fleet, WorkerID: c.Worker}
	return paginator.New(client, worker, paginator.Options{
		PageSize:      (*int)(c.PageSize),
		MaxItems:      (*int)(c.MaxItems),
		StartingToken: c.StartingToken,
	})
}

// withRetries gives the client the SDK's retries back: one listing by hand is no load on the API.
// AWS_MAX_ATTEMPTS and AWS_RETRY_MODE hold.
func withRetries(o *deadline.Options) {
	o.Retryer = retry.NewStandard()
	if o.RetryMode == aws.RetryModeAdaptive {
		o.Retryer = retry.NewAdaptiveMode()
	}
}

// streamLines prints the sessions of each page as it comes.
func streamLines(ctx context.Context, pages *paginator.Paginator, out lineWriter) error {
	for page, err := range pages.Pages(ctx) {
		if err != nil {
			return err
		}
		var lines bytes.Buffer
		for _, session := range page.Sessions {
			line, err := encode(session, "")
			if err != nil {
				return err
			}
			lines.Write(line)
		}
		if err := out.write(lines.Bytes()); err != nil {
			return err
		}
	}
	if pages.NextToken() == "" {
		return nil
	}
	line, err := encode(paginator.Result{NextToken: pages.NextToken()}, "")
	if err != nil {
		return err
	}
	return out.write(line)
}

// encode is JSON and a line break, with < > & as they are.
func encode(v any, indent string) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	err := encoder.Encode(v)
	return text.Bytes(), err
}

// A pipe takes this much in one piece or not at all (PIPE_BUF).
const atomicWrite = 4096

// lineWriter writes whole lines, as many at a time as a pipe takes in one piece, so that an
// interrupt leaves no half line behind even if the reader is slow.
type lineWriter struct {
	ctx context.Context
	out io.Writer
}

func (w lineWriter) write(text []byte) error {
	for len(text) > 0 {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		end := len(text)
		if end > atomicWrite {
			end = bytes.LastIndexByte(text[:atomicWrite], '\n') + 1
		}
		if end == 0 {
			end = bytes.IndexByte(text, '\n') + 1
		}
		if _, err := w.out.Write(text[:end]); err != nil {
			return fmt.Errorf("write the listing: %w", err)
		}
		text = text[end:]
	}
	return nil
}

// number is a decimal integer, as a flag.
type number int

// Decode reads the flag; kong calls it.
func (n *number) Decode(ctx *kong.DecodeContext) error {
	token, err := ctx.Scan.PopValue("integer")
	if err != nil {
		return err
	}
	text := fmt.Sprint(token.Value)
	digits := strings.TrimPrefix(strings.TrimPrefix(text, "-"), "+")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return errors.New("the value is no integer")
	}
	value, err := strconv.Atoi(text)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return errors.New("the value is no integer")
	}
	*n = number(value) // out of range: the nearest, and no listing is that long
	return nil
}
