package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/zap"

	"farmwire/cmd/view"
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

// Help returns what --help prints above the flags.
func (sessionsCmd) Help() string {
	return `The listing is the same as that of boto3's paginator of list_sessions_for_worker. NextToken has the same bytes, so that each of the two can resume the other's listing.

Differences from boto3:

- Some values are refused before any request: --max-items below 0, --page-size above 2147483647, an empty identifier, and a starting token that is visibly broken (it has no nextToken or an unknown member, or its offset is not an integer of 0 or more). boto3 returns wrong parts of the listing or fails later.

- A broken page is an error, and never an empty listing. A page is broken if its body is not JSON, nextToken is not a string, sessions is not a list, an entry is null or has no known field, or a time is not an RFC 3339 string.

- Any page token that repeats an earlier one is an error. boto3 compares a token only with the one just before, and follows a ring of tokens forever.

- Times are in UTC and end in Z. They keep all digits of the fraction of a second, without zeros at its end.

The exit code is 0 for a listing or a part of one, 1 for a failure (json and table have printed nothing then, and jsonl the pages before it), 2 if the flags are refused before any request, and 130 after an interrupt.`
}

// Run lists the sessions.
func (c sessionsCmd) Run(ctx context.Context, std *streams) error {
	// Wrong flags are reported before any credentials are looked for.
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
		return out.write(table(result, time.Now(), view.HasColour(std.out)))
	}
	text, err := encode(result, "    ")
	if err != nil {
		return err
	}
	return out.write(text)
}

// withAdvice puts advice in front of an error of the service or the network.
func withAdvice(err error) error {
	advice := ""
	var (
		answer *smithyhttp.ResponseError
		sent   *smithyhttp.RequestSendError
	)
	switch {
	case errors.Is(err, poller.ErrCredentials): // its text has advice already
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

// paginator returns the paginator for these flags. Its errors are wrong usage.
func (c sessionsCmd) paginator(client paginator.SessionLister) (*paginator.Paginator, error) {
	worker := diff.WorkerKey{FarmID: c.Farm, FleetID: c.Fleet, WorkerID: c.Worker}
	return paginator.New(client, worker, paginator.Options{
		PageSize:      (*int)(c.PageSize),
		MaxItems:      (*int)(c.MaxItems),
		StartingToken: c.StartingToken,
	})
}

// withRetries restores the retries of the SDK, which the client of the poller does without: a single listing by hand puts no
// load on the API. AWS_MAX_ATTEMPTS and AWS_RETRY_MODE apply.
func withRetries(o *deadline.Options) {
	o.Retryer = retry.NewStandard()
	if o.RetryMode == aws.RetryModeAdaptive {
		o.Retryer = retry.NewAdaptiveMode()
	}
}

// streamLines prints the sessions of each page when it arrives, one on each line, and NextToken on the last.
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

// encode returns v as JSON and a line break. It does not escape <, > and &.
func encode(v any, indent string) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	err := encoder.Encode(v)
	return text.Bytes(), err
}

// atomicWrite is how many bytes a pipe takes in one piece or not at all (PIPE_BUF).
const atomicWrite = 4096

// lineWriter writes whole lines, at most as many at a time as a pipe takes in one piece. So an interrupt leaves no half line
// behind, even if the reader is slow.
type lineWriter struct {
	ctx context.Context
	out io.Writer
}

// write writes text, which consists of whole lines. It stops between two lines when the context has ended.
func (w lineWriter) write(text []byte) error {
	for len(text) > 0 {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		end := wholeLines(text)
		if _, err := w.out.Write(text[:end]); err != nil {
			return fmt.Errorf("write the listing: %w", err)
		}
		text = text[end:]
	}
	return nil
}
