// Package paginator lists the sessions of one Deadline Cloud worker as boto3's paginator of
// ListSessionsForWorker does: it sends the same requests, returns the same pieces of the list, and resumes
// from the same tokens.
//
// Paginator is for `farmwire sessions` and other programs. It is built on Responses, which reads all pages, and that
// on Response, which reads one; they refuse broken pages. Package poller observes workers by them. A page is parsed
// once, strictly, and not by the SDK.
package paginator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"farmwire/diff"
	"farmwire/poller/awserr"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
)

// ErrRefused means that the arguments of New are not valid. No request was sent.
var ErrRefused = errors.New("refused")

// ErrUsed means that a Paginator was used a second time.
var ErrUsed = errors.New("a paginator can be used only once")

// Options are boto3's PaginationConfig. A nil field was not given; 0 and "" are values.
type Options struct {
	MaxItems      *int    // the most sessions to return; 0 makes one request and does not advance
	PageSize      *int    // maxResults of every request, 1 or more; the service takes up to 100
	StartingToken *string // a NextToken of a Paginator or of boto3, or a page token of the service
}

// A Paginator lists the sessions of one worker. Its NextToken has the same bytes as boto3's, so that
// either can resume a listing that the other has begun.
//
// It is stricter than boto3 where boto3 silently returns a wrong piece of the list or nothing. A MaxItems or an
// offset below 0, and a starting token with unknown members, are ErrRefused. A page that is not valid is
// ErrBrokenPage. A page token that was received before in the same listing is ErrRepeatedToken; boto3
// notices only if it came with the previous page.
//
// A Paginator is used once, and by one goroutine.
type Paginator struct {
	client SessionLister
	worker diff.WorkerKey
	params *deadline.ListSessionsForWorkerInput
	start  resumePoint
	limit  int    // the most sessions to return
	used   bool   // Pages was called
	next   string // NextToken
}

// New makes a Paginator of a worker's sessions. It sends no request. The client may be the SDK's or one that
// wraps it, see Responses. An error is ErrRefused.
func New(client SessionLister, worker diff.WorkerKey, options Options) (*Paginator, error) {
	if worker.FarmID == "" || worker.FleetID == "" || worker.WorkerID == "" {
		return nil, fmt.Errorf("%w: farm, fleet and worker must be named", ErrRefused)
	}
	p := &Paginator{client: client, worker: worker, limit: math.MaxInt}
	p.params = &deadline.ListSessionsForWorkerInput{FarmId: &worker.FarmID, FleetId: &worker.FleetID, WorkerId: &worker.WorkerID}
	if n := options.PageSize; n != nil {
		if *n < 1 || *n > math.MaxInt32 {
			return nil, fmt.Errorf("%w: page size %d is not in 1..%d", ErrRefused, *n, math.MaxInt32)
		}
		p.params.MaxResults = new(int32(*n))
	}
	if n := options.MaxItems; n != nil {
		if *n < 0 {
			return nil, fmt.Errorf("%w: max items %d is below 0", ErrRefused, *n)
		}
		p.limit = *n
	}
	if s := options.StartingToken; s != nil {
		start, err := parseStartingToken(*s)
		if err != nil {
			return nil, err
		}
		p.start, p.params.NextToken = start, start.token
	}
	return p, nil
}

// Page is the part of one answer that the options select.
type Page struct {
	Sessions []Session // nil if the answer had no list
}

// Pages yields the pages. The next page is requested after the caller has processed the one before. NextToken
// is known when the last page is yielded. An error is yielded last; then the pages before it are not the
// whole listing. It is ErrUsed, ErrBrokenPage, ErrRepeatedToken, or the client's or the context's error with a
// text that is safe to print.
func (p *Paginator) Pages(ctx context.Context) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		if p.used {
			yield(Page{}, ErrUsed)
			return
		}
		p.used = true
		requested, room := p.start, p.limit
		for out, err := range Responses(ctx, p.client, p.params) {
			if err != nil {
				yield(Page{}, fmt.Errorf("list sessions of %s: %w", p.worker.WorkerID, awserr.Describe(err)))
				return
			}
			page := Page{Sessions: sessionsOf(out)}
			page.Sessions = page.Sessions[min(requested.offset, len(page.Sessions)):]
			more := out.NextToken != nil && *out.NextToken != ""
			switch {
			case len(page.Sessions) > room:
				page.Sessions = page.Sessions[:room]
				p.next = resumePoint{token: requested.token, inside: true, offset: requested.offset + room}.encode()
			case more && len(page.Sessions) == room:
				p.next = resumePoint{token: out.NextToken}.encode()
			}
			room -= len(page.Sessions)
			// A repeated token is no error for a caller that stops here: Responses checks it afterwards.
			if !yield(page, nil) || p.next != "" {
				return
			}
			requested = resumePoint{token: out.NextToken}
		}
	}
}

// NextToken returns the StartingToken with which another Paginator goes on where this one stopped because of
// MaxItems. It is empty if the listing ended before. The other Paginator must have the same PageSize, because
// the token may contain an offset into a page.
func (p *Paginator) NextToken() string { return p.next }

// Result is a whole listing, or the piece of one that the options select. Its JSON is what boto3 and
// `farmwire sessions` return: `sessions`, which is left out if no page had a list, and `NextToken`, which is
// left out if it is empty.
type Result struct {
	Sessions  []Session // nil if no page had a list
	NextToken string    // empty if the listing ends here
}

// Collect reads all pages. An error is one of those of Pages; then the result is empty.
func (p *Paginator) Collect(ctx context.Context) (Result, error) {
	var result Result
	for page, err := range p.Pages(ctx) {
		if err != nil {
			return Result{}, err
		}
		if result.Sessions == nil {
			result.Sessions = page.Sessions
			continue
		}
		result.Sessions = append(result.Sessions, page.Sessions...)
	}
	result.NextToken = p.NextToken()
	return result, nil
}

// MarshalJSON writes the result as boto3 does.
func (r Result) MarshalJSON() ([]byte, error) {
	members := struct {
		Sessions  []Session `json:"sessions,omitzero"`
		NextToken string    `json:"NextToken,omitempty"`
	}(r)
	return marshal(members)
}

// Session is a session as ListSessionsForWorker showed it. Its JSON has those of the seven known fields that the
// service sent. Times are RFC 3339 in UTC, with every digit of the fraction that was sent except zeros at the
// end.
type Session struct {
	types.WorkerSessionSummary
	sent *sentSession // nil if the client did not read the page strictly
}

// MarshalJSON writes the fields that were sent.
func (s Session) MarshalJSON() ([]byte, error) { return marshal(s.fields()) }

// fields returns the fields as they were sent or, if the client did not read the page strictly, as the SDK read them.
func (s Session) fields() sentSession {
	if s.sent != nil {
		return *s.sent
	}
	fields := sentSession{SessionID: s.SessionId, QueueID: s.QueueId, JobID: s.JobId}
	for field, t := range map[**string]*time.Time{&fields.StartedAt: s.StartedAt, &fields.EndedAt: s.EndedAt} {
		if t != nil {
			*field = new(t.UTC().Format(time.RFC3339Nano))
		}
	}
	if status := string(s.LifecycleStatus); status != "" {
		fields.LifecycleStatus = &status
	}
	if status := string(s.TargetLifecycleStatus); status != "" {
		fields.TargetLifecycleStatus = &status
	}
	return fields
}

// sessionsOf returns the sessions of an answer, with their fields as they were sent. A client that
// wraps the SDK's may have changed the page, so the fields are used only if they are of the same session.
func sessionsOf(out *deadline.ListSessionsForWorkerOutput) []Session {
	if out.Sessions == nil {
		return nil
	}
	page, _ := out.ResultMetadata.Get(pageKey{}).(strictPage)
	sessions := make([]Session, len(out.Sessions))
	for i, s := range out.Sessions {
		sessions[i].WorkerSessionSummary = s
		if len(page.sent) == len(out.Sessions) && equal(page.sent[i].SessionID, s.SessionId) {
			sessions[i].sent = &page.sent[i]
		}
	}
	return sessions
}

// equal reports whether both are nil or both are the same text.
func equal(a, b *string) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// marshal is json.Marshal, but does not escape <, > and &, as boto3 does not.
func marshal(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(text.Bytes(), "\n"), nil
}
