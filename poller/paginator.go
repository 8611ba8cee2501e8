package poller

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

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
)

// ErrRefused says that options were refused before any request was made.
var ErrRefused = errors.New("refused")

// ErrUsed says that a Paginator was used a second time.
var ErrUsed = errors.New("a paginator can be used only once")

// PaginatorOptions are boto3's PaginationConfig. A nil field was not given; 0 and "" are values.
type PaginatorOptions struct {
	MaxItems      *int    // the most sessions to deliver; 0 makes one request and does not advance
	PageSize      *int    // maxResults of every request, 1 or more; the service takes up to 100
	StartingToken *string // a NextToken of ours or of boto3, or a token of the service itself
}

// Paginator lists the sessions of one worker as boto3's paginator of ListSessionsForWorker does: the
// same requests, the same pages, and a NextToken of the same bytes, so that either takes up what the
// other has left.
//
// It is stricter than boto3 where boto3 gives wrong pieces or none without saying so: a MaxItems or an
// offset below 0 and a starting token with members that are not its own are ErrRefused, a page that is
// no page is ErrBrokenPage, and a page token that came before, at any time in this run and not only
// with the page before, is ErrRepeatedToken.
//
// A Paginator is used once and by one goroutine.
type Paginator struct {
	client SessionLister
	worker diff.WorkerKey
	params *deadline.ListSessionsForWorkerInput
	start  resumePoint
	limit  int
	used   bool
	next   string
}

// NewPaginator prepares the listing of a worker's sessions; it makes no request. Any client with
// ListSessionsForWorker will do, the SDK's or one around it; one around it hands on the options
// that it is called with, or else bodies are checked only as far as the SDK does. The error is
// ErrRefused.
func NewPaginator(client SessionLister, worker diff.WorkerKey, options PaginatorOptions) (*Paginator, error) {
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

// Page is what one request gave, cut to what was asked for.
type Page struct {
	Sessions []ListedSession // nil: the page had no list
}

// Pages yields the pages, each before the next is asked for. The last pair may be an error, and then
// all that came before it is no listing; nothing follows it. NextToken is known when the last page is yielded.
func (p *Paginator) Pages(ctx context.Context) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		if p.used {
			yield(Page{}, ErrUsed)
			return
		}
		p.used = true
		requested, room := p.start, p.limit
		for out, err := range walk(ctx, p.client, p.params) {
			if err != nil {
				yield(Page{}, fmt.Errorf("list sessions of %s: %w", p.worker.WorkerID, tell(err)))
				return
			}
			page := Page{Sessions: listed(out)}
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
			// The walk judges the new token only when it is asked for more.
			if !yield(page, nil) || p.next != "" {
				return
			}
			requested = resumePoint{token: out.NextToken}
		}
	}
}

// NextToken is the StartingToken of a Paginator that goes on where this one stopped because of
// MaxItems; "" if it did not. Resume with the same PageSize: inside a page the token counts the
// sessions of that page.
func (p *Paginator) NextToken() string { return p.next }

// Result is a whole listing, or the piece of one that was asked for. As JSON it is what boto3 and
// `farmwire sessions` give: `sessions` (no such key if no page had a list), then `NextToken`.
type Result struct {
	Sessions  []ListedSession // nil: no page had a list
	NextToken string          // "": the listing ends here
}

// Collect reads all the pages. On an error the result is empty, whatever earlier pages gave.
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

// MarshalJSON writes the result as boto3 has it.
func (r Result) MarshalJSON() ([]byte, error) {
	members := struct {
		Sessions  []ListedSession `json:"sessions,omitzero"`
		NextToken string          `json:"NextToken,omitempty"`
	}(r)
	return marshal(members)
}

// ListedSession is a session as ListSessionsForWorker showed it. As JSON it has those of the seven
// known fields that the service sent, with times in RFC 3339, UTC, with every digit that came.
type ListedSession struct {
	types.WorkerSessionSummary
	sent *sentSession
}

// MarshalJSON writes the fields that were sent.
func (s ListedSession) MarshalJSON() ([]byte, error) { return marshal(s.fields()) }

// fields are the fields as they were sent or, from a client that does not say, as far as the SDK's
// type shows them.
func (s ListedSession) fields() sentSession {
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

// listed joins what the SDK read with what was sent. A client may have changed the page on its way:
// the fields as sent are used only where they are of the same session.
func listed(out *deadline.ListSessionsForWorkerOutput) []ListedSession {
	if out.Sessions == nil {
		return nil
	}
	sent, _ := out.ResultMetadata.Get(sentKey{}).([]sentSession)
	sessions := make([]ListedSession, len(out.Sessions))
	for i, s := range out.Sessions {
		sessions[i].WorkerSessionSummary = s
		if len(sent) == len(out.Sessions) && equal(sent[i].SessionID, s.SessionId) {
			sessions[i].sent = &sent[i]
		}
	}
	return sessions
}

func equal(a, b *string) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// marshal is json.Marshal that leaves < > & as they are.
func marshal(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(text.Bytes(), "\n"), nil
}
