package paginator

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"

	"farmwire/poller/awserr"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
)

// SessionLister is the part of a client that lists sessions. The SDK's own paginator has the same interface, and
// *deadline.Client implements it.
type SessionLister = deadline.ListSessionsForWorkerAPIClient

// ErrRepeatedToken means that the service returned a page token that it had returned before in the same
// listing. Following it would repeat pages without end.
var ErrRepeatedToken = errors.New("the same next token was received twice")

// ErrBrokenPage means that an answer is not a valid page: it is not a JSON object in Unicode, a member has the
// wrong type, an entry is null or has no known field, or a time is not an RFC 3339 string.
var ErrBrokenPage = errors.New("broken page")

// brokenPage returns an ErrBrokenPage with a detail, which must not quote the page.
func brokenPage(detail error) error {
	err := fmt.Errorf("%w: %w", ErrBrokenPage, detail)
	return awserr.New(err.Error(), err)
}

// Response sends one request of ListSessionsForWorker and returns the page, parsed strictly. A page without a list has
// nil Sessions, and one with an empty list has Sessions that are not nil. An error is ErrBrokenPage or the client's.
// Whether the NextToken was received before is not checked: that is what a TokenSet is for.
//
// The client is called with an option that parses the body of the answer in place of the SDK. A client that wraps
// another must pass it on. If it does not, only what the SDK has read of the page is checked.
func Response(ctx context.Context, client SessionLister, in *deadline.ListSessionsForWorkerInput) (*deadline.ListSessionsForWorkerOutput, error) {
	page, err := client.ListSessionsForWorker(ctx, in, withStrictPage)
	if err != nil {
		return nil, err
	}
	if err := checkEntries(page); err != nil {
		return nil, err
	}
	return page, nil
}

// Responses yields the answers to ListSessionsForWorker, page by page as Response returns them, from the page of
// params.NextToken on. It sends one request at a time, after the caller has processed the page before. A page
// without a list is yielded, too; the caller decides what that means.
//
// An error is yielded last, with a nil page. It is ErrRepeatedToken, or one of those of Response. A page is
// yielded before its NextToken is checked. So a caller that stops early does not learn that the token was
// repeated. params.NextToken itself may be received once, because it was not received in this listing.
func Responses(ctx context.Context, client SessionLister, params *deadline.ListSessionsForWorkerInput) iter.Seq2[*deadline.ListSessionsForWorkerOutput, error] {
	return func(yield func(*deadline.ListSessionsForWorkerOutput, error) bool) {
		received := make(TokenSet)
		for token, more := params.NextToken, true; more; {
			in := *params
			in.NextToken = token
			page, err := Response(ctx, client, &in)
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(page, nil) {
				return
			}
			if err := received.Add(page.NextToken); err != nil {
				yield(nil, err)
				return
			}
			token, more = page.NextToken, page.NextToken != nil && *page.NextToken != ""
		}
	}
}

// checkEntries returns ErrBrokenPage if an entry has no known field, which is also how the SDK reads a null
// entry. If the page was parsed strictly, this was checked too.
func checkEntries(page *deadline.ListSessionsForWorkerOutput) error {
	if page.ResultMetadata.Has(pageKey{}) {
		return nil
	}
	for i, s := range page.Sessions {
		if s == (types.WorkerSessionSummary{}) {
			return brokenPage(fmt.Errorf("entry %d of the list has no known field", i))
		}
	}
	return nil
}

// TokenSet is the set of the page tokens that were received in one listing. A token may be 4096 characters long,
// so the set has only 16 bytes of the hash of each.
type TokenSet map[[16]byte]struct{}

// Add adds the NextToken of a page. It returns ErrRepeatedToken if the set has the token already. A nil or empty
// token, which is that of the last page, is not added.
func (s TokenSet) Add(token *string) error {
	if token == nil || *token == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(*token))
	key := [16]byte(sum[:16])
	if _, known := s[key]; known {
		err := fmt.Errorf("%w: %q", ErrRepeatedToken, *token)
		return awserr.New(err.Error(), err)
	}
	s[key] = struct{}{}
	return nil
}
