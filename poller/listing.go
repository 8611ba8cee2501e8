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

	maxField = 4 << 10 // bytes of one text; with a few dozen such texts a record still fits into a Kafka topic
)

// list pages one worker's sessions into a complete listing. If the answer to the first request is that there
// is no such worker, the observation's source is NoSuchWorker. Any other failure is an error, and so are a
// page without a list, a repeated token, an entry without a required field, with a field that is too long or with a reserved
// id, and more pages than the limit. Then nothing of the listing counts. There are two errors with an observation. If ctx
// ends, it has what the pages until then showed, and its source is Answers, because it proves no absence. If the
// answer to the first request is that there is no such fleet or farm, its source is NoSuchWorker. It counts only if
// discovery confirms it, see loop.confirmMissing.
func (r *requester) list(ctx context.Context, w diff.WorkerKey, limit int) (diff.Observation, error) {
	o := diff.Observation{Worker: w, Source: diff.CompleteListing}
	in := &deadline.ListSessionsForWorkerInput{
		FarmId: &w.FarmID, FleetId: &w.FleetID, WorkerId: &w.WorkerID, MaxResults: aws.Int32(pageSize),
	}
	for page, err := range paginator.Responses(ctx, r, in) {
		kind := ""
		if o.Pages == 0 {
			o.FirstRequest, o.Date = r.last.Exchange, r.last.date
			kind = notFoundKind(err, workerIdentifiers(w))
		}
		if kind == "worker" {
			o.Source = diff.NoSuchWorker
			return o, nil
		}
		if err == nil {
			err = r.addPage(&o, limit, page.Sessions, r.last.Exchange)
		}
		if err != nil && ctx.Err() != nil {
			return diff.Observation{Worker: w, Source: diff.Answers, Sightings: o.Sightings}, err
		}
		if err != nil {
			err = fmt.Errorf("list sessions of %s, page %d: %w", w.WorkerID, o.Pages+1, err)
			if kind == "fleet" || kind == "farm" {
				o.Source = diff.NoSuchWorker
				return o, err
			}
			return diff.Observation{}, err
		}
	}
	return o, nil
}

// addPage adds a page to a listing. X is the exchange of the page.
func (r *requester) addPage(o *diff.Observation, limit int, sessions []types.WorkerSessionSummary, x diff.Exchange) error {
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
		err := checkSession(session)
		if r.reserved(session.SessionID) {
			err = errReservedID
		}
		if err != nil {
			return fmt.Errorf("entry %d%s: %w", i, named(session.SessionID), err)
		}
		o.Sightings = append(o.Sightings, diff.Sighting{Session: session, Exchange: x})
	}
	return nil
}

// checkSession returns an error if the session lacks a field that the API requires, or has one that is too long.
func checkSession(s diff.Session) error {
	switch {
	case s.SessionID == "" || s.QueueID == "" || s.JobID == "" || s.LifecycleStatus == "" || s.StartedAt.IsZero():
		return errMissingField
	case max(len(s.SessionID), len(s.QueueID), len(s.JobID), len(s.LifecycleStatus), len(s.TargetLifecycleStatus)) > maxField:
		return errFieldTooLong
	}
	return nil
}

// checkID returns an error if an identifier is absent or too long.
func checkID(id *string) error {
	switch {
	case aws.ToString(id) == "":
		return errMissingField
	case len(*id) > maxField:
		return errFieldTooLong
	}
	return nil
}

// named returns the session's identifier for a text, unless it is too long for one.
func named(sessionID string) string {
	if sessionID == "" || len(sessionID) > 100 {
		return ""
	}
	return ", " + sessionID
}

// workerIdentifiers returns the identifiers that an error about a worker may name, with their kinds.
func workerIdentifiers(w diff.WorkerKey) map[string]string {
	return map[string]string{w.FarmID: "farm", w.FleetID: "fleet", w.WorkerID: "worker"}
}

// utc returns the time in UTC. For nil it is the zero time.
func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
