package poller

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"farmwire/diff"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"go.uber.org/zap"
)

// The operations that Farmwire calls, as metrics and logs name them.
const (
	opListFarms    = "ListFarms"
	opListFleets   = "ListFleets"
	opListWorkers  = "ListWorkers"
	opListSessions = "ListSessionsForWorker"
	opBatchGet     = "BatchGetSession"
	opGet          = "GetSession"
)

const (
	maxAttempts  = 3                      // of one request
	firstPause   = 100 * time.Millisecond // between two attempts, doubled after each
	longestPause = 10 * time.Second       // between two attempts; if Retry-After is longer, the call fails instead
)

// errFarmShown ends a call that looks only for a farm, see call.untilFarmShown.
var errFarmShown = errors.New("a farm was shown")

// service is what all calls share: the client of Deadline Cloud, the budget, and what is measured.
type service struct {
	client  *deadline.Client
	budget  *budget
	ticks   atomic.Uint64 // the last tick, see diff.Exchange
	metrics *metrics
	log     *zap.Logger
	skew    skew

	reserved func(sessionID string) bool // Config.IsReserved

	operations   operations
	answered     atomic.Bool   // there was a usable answer
	farmShown    chan struct{} // closed at the first usable answer that shows a farm or is about one
	setFarmShown sync.Once
}

// hasShownFarm reports whether a usable answer has shown a farm or was about one.
func (s *service) hasShownFarm() bool {
	select {
	case <-s.farmShown:
		return true
	default:
		return false
	}
}

// requester sends the requests of one call. Each attempt waits for the budget and is measured, and a request
// is sent again after a transient failure. The methods have the signatures of the SDK's client, so that
// paginators can use a requester as their client. It is used by one goroutine.
type requester struct {
	*service
	untilFarmShown bool   // see call.untilFarmShown
	failedBefore   bool   // the last call for the same list or worker failed
	prepaid        bool   // the token of the next attempt was spent when the call began
	last           answer // to the last attempt, even if it was an error
}

// answer is when a request was sent and answered.
type answer struct {
	diff.Exchange
	date time.Time // of the answer, by the service's clock, in whole seconds; zero if the answer does not say
}

// bestDate returns the date of the answer. If the answer does not say it, this host's clock is the best guess.
func (a answer) bestDate() time.Time {
	if a.date.IsZero() {
		return a.Sent.UTC().Truncate(time.Second)
	}
	return a.date
}

func (r *requester) ListFarms(ctx context.Context, in *deadline.ListFarmsInput, o ...func(*deadline.Options)) (*deadline.ListFarmsOutput, error) {
	return request(ctx, r, opListFarms, r.client.ListFarms, in, o)
}

func (r *requester) ListFleets(ctx context.Context, in *deadline.ListFleetsInput, o ...func(*deadline.Options)) (*deadline.ListFleetsOutput, error) {
	return request(ctx, r, opListFleets, r.client.ListFleets, in, o)
}

func (r *requester) ListWorkers(ctx context.Context, in *deadline.ListWorkersInput, o ...func(*deadline.Options)) (*deadline.ListWorkersOutput, error) {
	return request(ctx, r, opListWorkers, r.client.ListWorkers, in, o)
}

func (r *requester) ListSessionsForWorker(ctx context.Context, in *deadline.ListSessionsForWorkerInput, o ...func(*deadline.Options)) (*deadline.ListSessionsForWorkerOutput, error) {
	return request(ctx, r, opListSessions, r.client.ListSessionsForWorker, in, o)
}

func (r *requester) BatchGetSession(ctx context.Context, in *deadline.BatchGetSessionInput, o ...func(*deadline.Options)) (*deadline.BatchGetSessionOutput, error) {
	return request(ctx, r, opBatchGet, r.client.BatchGetSession, in, o)
}

func (r *requester) GetSession(ctx context.Context, in *deadline.GetSessionInput, o ...func(*deadline.Options)) (*deadline.GetSessionOutput, error) {
	return request(ctx, r, opGet, r.client.GetSession, in, o)
}

// operationFunc is an operation of the SDK's client.
type operationFunc[In, Out any] func(context.Context, *In, ...func(*deadline.Options)) (*Out, error)

// request sends a request, and sends it again after a transient failure, up to maxAttempts times. The error is
// an attemptError, errFarmShown, or the context's.
func request[In, Out any](ctx context.Context, r *requester, operation string, send operationFunc[In, Out], in *In, options []func(*deadline.Options)) (*Out, error) {
	for n := 1; ; n++ {
		if err := r.waitForBudget(ctx, operation); err != nil {
			return nil, err
		}
		rec := &recorder{service: r.service}
		out, err := attempt(ctx, send, in, append(options[:len(options):len(options)], rec.options))
		r.record(operation, rec, err)
		if err == nil {
			r.judge(operation, out)
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failed := failedAttempt(err, rec.status)
		r.log.Debug("attempt failed", zap.String("operation", operation), zap.Int("attempt", n), zap.Error(failed))
		r.protectOthers(operation, failed.reason, rec.retryAfter)
		if n == maxAttempts || r.untilFarmShown || !isTransient(failed.reason) || rec.retryAfter > longestPause {
			return nil, failed
		}
		pause := jitter(firstPause<<(n-1), rand.Float64())
		if err := sleepUntil(ctx, time.Now().Add(max(pause, rec.retryAfter))); err != nil {
			return nil, err
		}
	}
}

// judge takes in an answer that the SDK could read.
func (r *requester) judge(operation string, out any) {
	if !isUsable(out) {
		r.operations.judge(operation, ReasonNoList, time.Now(), r.failedBefore)
		return
	}
	r.operations.judge(operation, "", time.Now(), false)
	r.answered.Store(true)
	if showsFarm(out) {
		r.setFarmShown.Do(func() { close(r.farmShown) })
	}
}

// showsFarm reports whether a usable answer shows a farm or is about one. In a wrong region or account ListFarms is
// answered, too, but it shows none.
func showsFarm(out any) bool {
	list, ok := out.(*deadline.ListFarmsOutput)
	return !ok || slices.ContainsFunc(list.Farms, func(f types.FarmSummary) bool { return checkID(f.FarmId) == nil })
}

// isUsable reports whether an answer that the SDK could read has what the API requires. If the endpoint is
// wrong, another service may answer every request with {}.
func isUsable(out any) bool {
	switch o := out.(type) {
	case *deadline.ListFarmsOutput:
		return o.Farms != nil
	case *deadline.ListFleetsOutput:
		return o.Fleets != nil
	case *deadline.ListWorkersOutput:
		return o.Workers != nil
	case *deadline.ListSessionsForWorkerOutput:
		return o.Sessions != nil
	case *deadline.BatchGetSessionOutput:
		return o.Sessions != nil || o.Errors != nil
	case *deadline.GetSessionOutput:
		return o.SessionId != nil
	}
	return false
}

// waitForBudget waits until an attempt may be sent.
func (r *requester) waitForBudget(ctx context.Context, operation string) error {
	if r.prepaid {
		r.prepaid = false
		return ctx.Err()
	}
	if r.untilFarmShown && r.hasShownFarm() {
		return errFarmShown
	}
	return r.budget.wait(ctx, operation)
}

// attempt sends a request once. It gives up after requestTimeout.
func attempt[In, Out any](ctx context.Context, send operationFunc[In, Out], in *In, options []func(*deadline.Options)) (*Out, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return send(ctx, in, options...)
}

// record measures an attempt, whether it succeeded or not, and sets r.last.
func (r *requester) record(operation string, rec *recorder, err error) {
	arrived := time.Now()
	tick := r.ticks.Add(1)
	r.countAttempt(operation, rec, err)
	if rec.sent.IsZero() {
		return
	}
	r.metrics.latency.WithLabelValues(operation).Observe(arrived.Sub(rec.sent).Seconds())
	if !rec.date.IsZero() {
		r.skew.note(rec.date, rec.sent, arrived, r.metrics, r.log)
	}
	if err == nil {
		r.budget.answered(operation)
	}
	r.last = answer{
		Exchange: diff.Exchange{Sent: rec.sent, Arrived: arrived, SentTick: rec.sentTick, ArrivedTick: tick},
		date:     rec.date,
	}
}

// countAttempt counts an attempt for the metrics and for State.Operations.
func (r *requester) countAttempt(operation string, rec *recorder, err error) {
	outcome := "ok"
	switch {
	case errors.Is(err, context.Canceled):
		outcome = "cancelled"
	case err != nil:
		reason := classify(err, rec.status)
		r.operations.note(operation, reason, time.Now())
		r.operations.judge(operation, reason, cmp.Or(rec.sent, time.Now()), r.failedBefore)
		outcome = string(reason)
	default:
		r.operations.note(operation, "", time.Now())
	}
	r.metrics.requests.WithLabelValues(operation, outcome).Inc()
}

// protectOthers makes all calls of this instance pause if an attempt failed for a reason that concerns them too, or keeps
// them from connections that may have died with this one.
func (r *requester) protectOthers(operation string, reason Reason, retryAfter time.Duration) {
	switch {
	case reason == ReasonThrottled || retryAfter > 0 && reason == ReasonServerError:
		r.budget.throttle(operation, retryAfter, time.Now())
	case reason == ReasonTimeout || reason == ReasonConnection:
		// The attempt's own connection is closed already, or is found dead by a ping.
		if client, ok := r.client.Options().HTTPClient.(interface{ CloseIdleConnections() }); ok {
			client.CloseIdleConnections()
		}
	case reason == ReasonDenied || reason == ReasonNotFound:
		r.budget.credentialsAccepted()
	case reason == ReasonUnfetched:
		r.budget.pauseAll(reason, time.Now())
	case reason == ReasonCredentials:
		r.budget.pauseAll(reason, time.Now())
		if cache, ok := r.client.Options().Credentials.(interface{ Invalidate() }); ok {
			cache.Invalidate() // their provider may have new ones
		}
	}
}

// jitter changes a duration by up to a tenth in either direction: at 0 it is a tenth shorter, at 1 a tenth
// longer.
func jitter(d time.Duration, at float64) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*at))
}
