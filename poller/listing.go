package poller

import (
	"context"
	"fmt"
	"time"

	"farmwire/diff"
	"farmwire/poller/paginator"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
)

const (
	pageSize = 100  // the most that the service returns
	maxPages = 1000 // of one list of farms, fleets, workers or sessions

	unknownPages = 100 // the limit after an endless listing, if none was ever complete
)

// list pages one worker's sessions into a complete listing. If the answer to the first request is that there
// is no such worker, the observation's source is NoSuchWorker. Any other failure is an error, and so are a
// page without a list, a repeated token, an entry without a required field, and more pages than the limit.
// Then nothing of the listing counts. There are two errors with an observation. If ctx ends, it has what the
// pages until then showed, and its source is Lookups, because it proves no absence. If the fleet or the farm does
// not exist, its source is NoSuchFleet. It counts only if discovery agrees, see loop.confirmNoFleet.
func (r *requester) list(ctx context.Context, w diff.WorkerKey, limit int) (diff.Observation, error) {
	o := diff.Observation{Worker: w, Source: diff.CompleteListing}
	in := &deadline.ListSessionsForWorkerInput{
		FarmId: &w.FarmID, FleetId: &w.FleetID, WorkerId: &w.WorkerID, MaxResults: aws.Int32(pageSize),
	}
	ids := map[string]string{w.FarmID: "farm", w.FleetID: "fleet", w.WorkerID: "worker"}
	for page, err := range paginator.Responses(ctx, r, in) {
		kind := ""
		if err != nil && o.Pages == 0 {
			kind = notFoundKind(err, ids)
		}
		if o.Pages == 0 {
			o.FirstRequest, o.Date = r.last.Exchange, r.last.date
		}
		if kind == "worker" {
			o.Source = diff.NoSuchWorker
			return o, nil
		}
		if err == nil {
			err = addPage(&o, limit, page.Sessions, r.last.Exchange)
		}
		if err != nil && ctx.Err() != nil {
			return diff.Observation{Worker: w, Source: diff.Lookups, Sightings: o.Sightings}, err
		}
		if err != nil {
			err = fmt.Errorf("list sessions of %s, page %d: %w", w.WorkerID, o.Pages+1, err)
			if kind == "fleet" || kind == "farm" {
				o.Source = diff.NoSuchFleet
				return o, err
			}
			return diff.Observation{}, err
		}
	}
	return o, nil
}

// addPage adds a page to a listing. X is the exchange of the page.
func addPage(o *diff.Observation, limit int, sessions []types.WorkerSessionSummary, x diff.Exchange) error {
	if sessions == nil {
		return errNoList
	}
	if o.Pages >= limit {
		return errTooManyPages
	}
	o.Pages++
	for i, s := range sessions {
		session := diff.Session{
			WorkerKey: o.Worker,
			QueueID:   aws.ToString(s.QueueId), JobID: aws.ToString(s.JobId), SessionID: aws.ToString(s.SessionId),
			LifecycleStatus: string(s.LifecycleStatus), TargetLifecycleStatus: string(s.TargetLifecycleStatus),
			StartedAt: utc(s.StartedAt), EndedAt: utc(s.EndedAt),
		}
		if !hasRequired(session) {
			return fmt.Errorf("entry %d: %w", i, errMissingField)
		}
		o.Sightings = append(o.Sightings, diff.Sighting{Session: session, Exchange: x})
	}
	return nil
}

// hasRequired reports whether the session has all fields that the API requires.
func hasRequired(s diff.Session) bool {
	return s.SessionID != "" && s.QueueID != "" && s.JobID != "" && s.LifecycleStatus != "" && !s.StartedAt.IsZero()
}

// utc returns the time in UTC. For nil it is the zero time.
func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
