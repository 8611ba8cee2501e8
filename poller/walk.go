package poller

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
)

// SessionLister is what a walk needs of a client: the seam of the SDK's own paginator.
type SessionLister = deadline.ListSessionsForWorkerAPIClient

// ErrRepeatedToken says that the service handed out a page token that it had handed out
// before in the same walk: the pages repeat themselves and the walk would never end.
var ErrRepeatedToken = errors.New("the same next token was received twice")

// ErrBrokenPage says that a page came that is no page: not JSON, a member of the wrong type,
// an entry that is null or holds nothing known, a time that is no RFC 3339 string.
var ErrBrokenPage = errors.New("broken page")

// walk yields the pages of one listing, from the page of params.NextToken on, by the SDK's
// paginator: one request at a time, each made only when its page is wanted. A page without
// a list is yielded as it is (Sessions is nil); what that means is for the caller to say.
//
// A page is yielded before its token is judged: whoever stops at it never learns that the
// token was a repeated one. The token that the walk starts at was not received in it, so its
// first return is followed. The last pair may be an error; nothing follows it.
//
// The options that the client is called with make it check the body too (see checkBody);
// a client that wraps another must hand them on.
func walk(ctx context.Context, client SessionLister, params *deadline.ListSessionsForWorkerInput) iter.Seq2[*deadline.ListSessionsForWorkerOutput, error] {
	return func(yield func(*deadline.ListSessionsForWorkerOutput, error) bool) {
		pages := deadline.NewListSessionsForWorkerPaginator(client, params)
		received := make(tokenSet)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx, checkBody)
			if err == nil {
				err = checkEntries(page)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(page, nil) {
				return
			}
			if t := page.NextToken; t != nil && *t != "" && !received.add(*t) {
				yield(nil, fmt.Errorf("%w: %q", ErrRepeatedToken, *t))
				return
			}
		}
	}
}

// checkEntries refuses what the SDK makes of a null entry, or of one without any known field:
// a session without anything. Where the body was checked that has been done, and better.
func checkEntries(page *deadline.ListSessionsForWorkerOutput) error {
	if page.ResultMetadata.Has(sentKey{}) {
		return nil
	}
	for i, s := range page.Sessions {
		if s == (types.WorkerSessionSummary{}) {
			return fmt.Errorf("%w: entry %d of the list has no known field", ErrBrokenPage, i)
		}
	}
	return nil
}

// tokenSet remembers tokens, which may be 4096 characters long, as 16 bytes each.
type tokenSet map[[16]byte]struct{}

// add reports whether the token was new.
func (s tokenSet) add(token string) bool {
	sum := sha256.Sum256([]byte(token))
	key := [16]byte(sum[:16])
	if _, known := s[key]; known {
		return false
	}
	s[key] = struct{}{}
	return true
}
