package poller

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"farmwire/diff"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
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
	attempts   = 3                      // of one request, in place
	firstPause = 100 * time.Millisecond // between two attempts; doubled each time
	maxInPlace = 10 * time.Second       // a longer pause is not waited for with a call in flight
	maxBody    = 16 << 20               // bytes of an answer; a full page has some 100 KiB
)

// errProbed says that a call has made the one request that it was to make.
var errProbed = errors.New("only one request was to be made")

// service is what all calls share: the client, the budget, the counter that orders requests
// and answers, and what is measured of them.
type service struct {
	client  *deadline.Client
	budget  *budget
	ticks   atomic.Uint64
	metrics *metrics
	log     *zap.Logger
	skew    skew

	operations  operations
	answered    chan struct{} // closed at the first usable answer
	setAnswered sync.Once
}

// hasAnswered reports whether there was a usable answer.
func (s *service) hasAnswered() bool {
	select {
	case <-s.answered:
		return true
	default:
		return false
	}
}

// asker sends the requests of one call, one after the other: each attempt waits for the
// budget, is counted, timed and measured, and an attempt that failed for a passing reason is
// repeated in place. It has the SDK's operations as methods, so that the SDK's paginators,
// and walk, can drive it. It is used by one goroutine.
type asker struct {
	*service
	probe   bool   // one request is made and no other
	prepaid bool   // the token of the first attempt was taken when the call was started
	last    answer // the last request and its answer, also if it is an error
}

// answer is when a request was answered.
type answer struct {
	diff.Exchange
	date time.Time // the service's clock, whole seconds
}

func (a *asker) ListFarms(ctx context.Context, in *deadline.ListFarmsInput, o ...func(*deadline.Options)) (*deadline.ListFarmsOutput, error) {
	return ask(ctx, a, opListFarms, a.client.ListFarms, in, o)
}

func (a *asker) ListFleets(ctx context.Context, in *deadline.ListFleetsInput, o ...func(*deadline.Options)) (*deadline.ListFleetsOutput, error) {
	return ask(ctx, a, opListFleets, a.client.ListFleets, in, o)
}

func (a *asker) ListWorkers(ctx context.Context, in *deadline.ListWorkersInput, o ...func(*deadline.Options)) (*deadline.ListWorkersOutput, error) {
	return ask(ctx, a, opListWorkers, a.client.ListWorkers, in, o)
}

func (a *asker) ListSessionsForWorker(ctx context.Context, in *deadline.ListSessionsForWorkerInput, o ...func(*deadline.Options)) (*deadline.ListSessionsForWorkerOutput, error) {
	return ask(ctx, a, opListSessions, a.client.ListSessionsForWorker, in, o)
}

func (a *asker) BatchGetSession(ctx context.Context, in *deadline.BatchGetSessionInput, o ...func(*deadline.Options)) (*deadline.BatchGetSessionOutput, error) {
	return ask(ctx, a, opBatchGet, a.client.BatchGetSession, in, o)
}

func (a *asker) GetSession(ctx context.Context, in *deadline.GetSessionInput, o ...func(*deadline.Options)) (*deadline.GetSessionOutput, error) {
	return ask(ctx, a, opGet, a.client.GetSession, in, o)
}

// send is an operation of the SDK's client.
type send[In, Out any] func(context.Context, *In, ...func(*deadline.Options)) (*Out, error)

// ask sends a request until it is answered, three times at most. The error is an
// attemptError, or the context's.
func ask[In, Out any](ctx context.Context, a *asker, operation string, send send[In, Out], in *In, options []func(*deadline.Options)) (*Out, error) {
	for n := 1; ; n++ {
		if err := a.admit(ctx, operation); err != nil {
			return nil, err
		}
		w := &wire{service: a.service}
		out, err := attempt(ctx, send, in, append(options[:len(options):len(options)], w.options))
		a.note(operation, w, err)
		if err == nil {
			if usable(out) {
				a.setAnswered.Do(func() { close(a.answered) })
			}
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failed := failedAttempt(err, w.status)
		a.log.Debug("attempt failed", zap.String("operation", operation), zap.Int("attempt", n), zap.Error(failed))
		a.react(operation, failed.reason, w.retryAfter)
		if n == attempts || a.probe || !isTransient(failed.reason) || w.retryAfter > maxInPlace {
			return nil, failed
		}
		pause := jitter(firstPause<<(n-1), rand.Float64())
		if err := sleepUntil(ctx, time.Now().Add(max(pause, w.retryAfter))); err != nil {
			return nil, err
		}
	}
}

// usable reports whether an answer that the SDK could read holds what it must. Behind a
// mistaken endpoint there may be anything that answers {} to everybody.
func usable(out any) bool {
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

// admit waits until the budget has room for an attempt.
func (a *asker) admit(ctx context.Context, operation string) error {
	if a.prepaid {
		a.prepaid = false
		return ctx.Err()
	}
	if a.probe {
		return errProbed
	}
	return a.budget.wait(ctx, operation)
}

// attempt sends a request once, and for no longer than the timeout.
func attempt[In, Out any](ctx context.Context, send send[In, Out], in *In, options []func(*deadline.Options)) (*Out, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return send(ctx, in, options...)
}

// note keeps what is to be known of an attempt, whether it succeeded or not.
func (a *asker) note(operation string, w *wire, err error) {
	arrived := time.Now()
	tick := a.ticks.Add(1)
	a.count(operation, w, err)
	if w.sent.IsZero() {
		return
	}
	a.metrics.latency.WithLabelValues(operation).Observe(arrived.Sub(w.sent).Seconds())
	if !w.date.IsZero() {
		a.skew.note(w.date, w.sent, arrived, a.metrics, a.log)
	}
	if err == nil {
		a.budget.answered(operation)
	}
	a.last = answer{
		Exchange: diff.Exchange{Sent: w.sent, Arrived: arrived, SentTick: w.sentTick, ArrivedTick: tick},
		date:     w.date,
	}
	if a.last.date.IsZero() { // no Date header: our clock is the best guess
		a.last.date = w.sent.UTC().Truncate(time.Second)
	}
}

// count counts an attempt.
func (a *asker) count(operation string, w *wire, err error) {
	outcome := "ok"
	switch {
	case errors.Is(err, context.Canceled):
		outcome = "cancelled"
	case err != nil:
		reason := classify(err, w.status)
		a.operations.note(operation, reason)
		outcome = string(reason)
	default:
		a.operations.note(operation, "")
	}
	a.metrics.requests.WithLabelValues(operation, outcome).Inc()
}

// react makes the whole instance keep what one answer asked for.
func (a *asker) react(operation string, reason Reason, retryAfter time.Duration) {
	switch {
	case reason == ReasonThrottled || retryAfter > 0 && reason == ReasonServerError:
		a.budget.throttle(operation, retryAfter, time.Now())
	case reason == ReasonCredentials:
		a.budget.stop(time.Now())
		if cache, ok := a.client.Options().Credentials.(interface{ Invalidate() }); ok {
			cache.Invalidate() // whoever provides them may have new ones
		}
	}
}

// wire is one attempt as it is on the wire: when it was sent, and those headers of the
// answer that the SDK ignores or cannot read.
type wire struct {
	service *service
	next    deadline.HTTPClient

	sent       time.Time
	sentTick   uint64
	status     int
	retryAfter time.Duration
	date       time.Time
}

// options puts the wire between the SDK and its connection, and keeps the SDK from retrying.
func (w *wire) options(o *deadline.Options) {
	w.next, o.HTTPClient = o.HTTPClient, w
	o.Retryer = aws.NopRetryer{}
}

// Do sends the request.
func (w *wire) Do(r *http.Request) (*http.Response, error) {
	w.sent, w.sentTick = time.Now(), w.service.ticks.Add(1)
	resp, err := w.next.Do(r)
	if err != nil {
		return resp, err
	}
	w.status = resp.StatusCode
	w.date, _ = http.ParseTime(resp.Header.Get("Date"))
	w.retryAfter = retryAfter(resp.Header.Get("Retry-After"), w.date)
	resp.Body = body{io.LimitReader(resp.Body, maxBody), resp.Body}
	return resp, nil
}

// body is an answer's body cut off where no answer of the service can end.
type body struct {
	io.Reader
	io.Closer
}

// retryAfter reads the header of that name: seconds, or a date, which is taken relative to
// the answer's own. It is zero where there is none or it makes no sense.
func retryAfter(value string, date time.Time) time.Duration {
	if value == "" {
		return 0
	}
	var d time.Duration
	if n, err := strconv.ParseUint(value, 10, 64); err == nil {
		d = time.Duration(min(n, uint64(maxRetryAfter/time.Second))) * time.Second
	} else if t, err := http.ParseTime(value); err == nil {
		if date.IsZero() {
			date = time.Now()
		}
		d = t.Sub(date)
	}
	return max(0, min(maxRetryAfter, d))
}

// jitter spreads a duration by a tenth to either side; at is between 0 and 1.
func jitter(d time.Duration, at float64) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*at))
}
