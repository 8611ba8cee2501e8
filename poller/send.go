package poller

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"farmwire/diff"
	"farmwire/poller/paginator"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"go.uber.org/zap"
)

// pageSize is how many entries of a list are asked for at once. It is the most that the service returns.
const pageSize = 100

// service is what all requests share: the client of Deadline Cloud, and what is measured.
type service struct {
	client     *deadline.Client
	ticks      atomic.Uint64 // the last tick, see diff.Exchange
	metrics    *metrics
	log        *zap.Logger
	skew       skew
	operations operations
}

// reply is what came of one request.
type reply struct {
	call          schedule.Call
	diff.Exchange               // zero if nothing was sent
	date          time.Time     // of the answer, by the service's clock, in whole seconds; zero if the answer does not say
	retryAfter    time.Duration // 0 if the answer does not say
	out           any           // the SDK's output, if there is no error
	err           error         // an attemptError, or context.Canceled if the poller gave the request up
}

// bestDate returns the date of the answer. If the answer does not say it, this host's clock is the best guess.
func (r *reply) bestDate() time.Time {
	if r.date.IsZero() {
		return r.Sent.UTC().Truncate(time.Second)
	}
	return r.date
}

// send sends the request of a call, once, and measures it. It gives up after requestTimeout.
func (s *service) send(ctx context.Context, c schedule.Call) reply {
	rec := &recorder{service: s}
	limited, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := s.request(limited, c, rec.options)
	r := reply{call: c, retryAfter: rec.retryAfter}
	switch {
	case err == nil:
		r.out = out
	case ctx.Err() != nil:
		r.err = ctx.Err()
	default:
		r.err = failedAttempt(err, rec.status)
		s.log.Debug("request failed", append(callFields(c), zap.Error(r.err))...)
	}
	s.record(&r, rec)
	s.protectOthers(reasonOf(r.err))
	return r
}

// request sends the request of a call with an option.
func (s *service) request(ctx context.Context, c schedule.Call, option func(*deadline.Options)) (any, error) {
	size, token := aws.Int32(pageSize), (*string)(nil)
	if c.Token != "" {
		token = &c.Token
	}
	switch c.Kind {
	case schedule.ListFarms:
		return s.client.ListFarms(ctx, &deadline.ListFarmsInput{MaxResults: size, NextToken: token}, option)
	case schedule.ListFleets:
		in := &deadline.ListFleetsInput{FarmId: &c.Farm, MaxResults: size, NextToken: token}
		return s.client.ListFleets(ctx, in, option)
	case schedule.ListWorkers:
		in := &deadline.ListWorkersInput{FarmId: &c.Farm, FleetId: &c.Fleet, MaxResults: size, NextToken: token}
		return s.client.ListWorkers(ctx, in, option)
	case schedule.ListSessionsForWorker:
		w := c.Worker
		in := &deadline.ListSessionsForWorkerInput{
			FarmId: &w.FarmID, FleetId: &w.FleetID, WorkerId: &w.WorkerID, MaxResults: size, NextToken: token,
		}
		return paginator.Response(ctx, sessionLister{s.client, option}, in)
	case schedule.BatchGetWorker:
		in := &deadline.BatchGetWorkerInput{}
		for _, w := range c.Workers {
			id := types.BatchGetWorkerIdentifier{FarmId: &w.FarmID, FleetId: &w.FleetID, WorkerId: &w.WorkerID}
			in.Identifiers = append(in.Identifiers, id)
		}
		return s.client.BatchGetWorker(ctx, in, option)
	case schedule.ListSessions:
		of := c.Job
		in := &deadline.ListSessionsInput{FarmId: &of.FarmID, QueueId: &of.QueueID, JobId: &of.JobID, MaxResults: size, NextToken: token}
		return s.client.ListSessions(ctx, in, option)
	case schedule.BatchGetSession:
		in := &deadline.BatchGetSessionInput{}
		for _, s := range c.Sessions {
			id := types.BatchGetSessionIdentifier{FarmId: &s.FarmID, QueueId: &s.QueueID, JobId: &s.JobID, SessionId: &s.SessionID}
			in.Identifiers = append(in.Identifiers, id)
		}
		return s.client.BatchGetSession(ctx, in, option)
	default:
		of := c.Sessions[0]
		in := &deadline.GetSessionInput{FarmId: &of.FarmID, QueueId: &of.QueueID, JobId: &of.JobID, SessionId: &of.SessionID}
		return s.client.GetSession(ctx, in, option)
	}
}

// sessionLister adds an option to the requests of a client.
type sessionLister struct {
	client *deadline.Client
	option func(*deadline.Options)
}

// ListSessionsForWorker is called by package paginator.
func (l sessionLister) ListSessionsForWorker(
	ctx context.Context, in *deadline.ListSessionsForWorkerInput, options ...func(*deadline.Options),
) (*deadline.ListSessionsForWorkerOutput, error) {
	return l.client.ListSessionsForWorker(ctx, in, append(slices.Clip(options), l.option)...)
}

// record measures a request, whether it succeeded or not, and notes in the reply when it was sent and answered.
func (s *service) record(r *reply, rec *recorder) {
	arrived, tick := time.Now(), s.ticks.Add(1)
	s.count(r, cmp.Or(rec.sent, arrived), arrived)
	if rec.sent.IsZero() {
		return
	}
	s.metrics.latency.WithLabelValues(r.call.Kind.Operation()).Observe(arrived.Sub(rec.sent).Seconds())
	at := s.skew.serviceTime(rec.sent)
	if !rec.date.IsZero() {
		s.skew.note(rec.date, rec.sent, arrived, s.metrics, s.log)
		at = rec.date.Add(-arrived.Sub(rec.sent)).UTC()
	}
	r.Exchange = diff.Exchange{Sent: rec.sent, Arrived: arrived, SentTick: rec.sentTick, ArrivedTick: tick, At: at}
	r.date = rec.date
}

// count counts a request for the metrics and for State.Operations, and takes in whether the answer is usable.
func (s *service) count(r *reply, sent, now time.Time) {
	kind, outcome := r.call.Kind, "ok"
	switch reason := reasonOf(r.err); {
	case reason == schedule.Cancelled:
		outcome = "cancelled"
	case reason != "":
		outcome = string(reason)
		s.operations.note(kind, reason, now)
		s.operations.judge(kind, reason, sent, r.call.Again)
	default:
		s.operations.note(kind, "", now)
		s.operations.judge(kind, usable(r.out), now, r.call.Again)
	}
	s.metrics.requests.WithLabelValues(kind.Operation(), outcome).Inc()
}

// usable returns why an answer that the SDK could read lacks what the API requires. It is empty if it has that. If the
// endpoint is wrong, another service may answer every request with {}.
func usable(out any) schedule.Reason {
	has := false
	switch o := out.(type) {
	case *deadline.ListFarmsOutput:
		has = o.Farms != nil
	case *deadline.ListFleetsOutput:
		has = o.Fleets != nil
	case *deadline.ListWorkersOutput:
		has = o.Workers != nil
	case *deadline.ListSessionsForWorkerOutput:
		has = o.Sessions != nil
	case *deadline.ListSessionsOutput:
		has = o.Sessions != nil
	case *deadline.BatchGetWorkerOutput:
		has = o.Workers != nil || o.Errors != nil
	case *deadline.BatchGetSessionOutput:
		has = o.Sessions != nil || o.Errors != nil
	case *deadline.GetSessionOutput:
		if o.SessionId == nil {
			return schedule.MissingField
		}
		has = true
	}
	if !has {
		return schedule.NoList
	}
	return ""
}

// protectOthers keeps other requests from connections that may have died with this one, or from credentials that the
// service has refused.
func (s *service) protectOthers(reason schedule.Reason) {
	options := s.client.Options()
	switch reason {
	case schedule.Timeout, schedule.Connection:
		// The request's own connection is closed already, or is found dead by a ping.
		if client, ok := options.HTTPClient.(interface{ CloseIdleConnections() }); ok {
			client.CloseIdleConnections()
		}
	case schedule.Credentials:
		if cache, ok := options.Credentials.(interface{ Invalidate() }); ok {
			cache.Invalidate() // their provider may have new ones
		}
	}
}

// isCancelled reports whether the Poller itself gave up a request.
func isCancelled(err error) bool { return errors.Is(err, context.Canceled) }
