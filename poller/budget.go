package poller

import (
	"context"
	"math"
	"sync"
	"time"
)

const (
	discoveryShare = 5 // discovery gets one part in so many

	maxRetryAfter   = 5 * time.Minute // a longer Retry-After is taken for a mistake
	firstThrottle   = 250 * time.Millisecond
	maxThrottle     = 5 * time.Second
	credentialPause = 5 * time.Second
	firstLookBurst  = 10 // requests that discovery may make at once at the start, at least
)

// bucket is a token bucket that lets its tokens be promised ahead: whoever takes one learns
// from when on it may be used. It may start with more than burst, but never gains above it.
//
// Calls under way take the tokens of their next pages so. Whoever decides about new calls
// cannot know yet which one a token is for; it reserves one ahead all the same, and so has
// its turn among them instead of waiting for a token that nobody else wants.
type bucket struct {
	rate     float64 // tokens a second
	burst    float64
	tokens   float64
	at       time.Time
	reserved time.Time // from when on the token that is reserved for new calls may be used; zero: none is
}

func (b *bucket) fill(now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		limit := b.burst
		if !b.reserved.IsZero() {
			limit-- // what is reserved is of the burst
		}
		if b.tokens < limit {
			b.tokens = min(limit, b.tokens+d.Seconds()*b.rate)
		}
		b.at = now
	}
}

// ready says from when on a new call may begin.
func (b *bucket) ready(now time.Time) time.Time {
	b.fill(now)
	if !b.reserved.IsZero() {
		return latest(b.reserved, now)
	}
	return b.next(now)
}

// reserve reserves a token for the next new call, unless one is reserved or there already.
func (b *bucket) reserve(now time.Time) {
	if b.reserved.IsZero() && b.next(now).After(now) {
		b.reserved = b.take(now)
	}
}

// spend takes the token of a new call, which is ready: the one reserved for it, if any.
func (b *bucket) spend(now time.Time) {
	b.fill(now)
	if b.reserved.IsZero() {
		b.take(now)
	}
	b.reserved = time.Time{}
}

// release gives back what is reserved.
func (b *bucket) release() {
	if !b.reserved.IsZero() {
		b.reserved = time.Time{}
		b.tokens++
	}
}

// next says from when on a whole token is there.
func (b *bucket) next(now time.Time) time.Time {
	b.fill(now)
	if b.tokens >= 1 {
		return now
	}
	// Up to the next nanosecond, so that the token is whole by then.
	return now.Add(time.Duration(math.Ceil((1-b.tokens)/b.rate*1e9)) + 1)
}

// take takes a token and says from when on it may be used.
func (b *bucket) take(now time.Time) time.Time {
	at := b.next(now)
	b.tokens--
	return at
}

// budget is the instance's share of the one API budget of its account and region. Every
// attempt of every operation takes a token of it; those of discovery also take one of the
// fifth that is discovery's. What the service asks for by Retry-After holds for the
// operation that it answered: its limits are per operation.
type budget struct {
	whole float64 // requests a second of all instances together

	mu        sync.Mutex
	all       bucket
	discovery bucket
	paused    map[string]time.Time // by operation
	throttled map[string]int       // by operation: answers in a row
	stopped   time.Time            // nothing is sent before
}

func newBudget(rate float64, now time.Time) *budget {
	b := &budget{whole: rate, paused: make(map[string]time.Time), throttled: make(map[string]int)}
	b.all.at, b.discovery.at = now, now
	b.share(1, 1, now)
	b.all.tokens = b.all.burst
	b.discovery.tokens = max(firstLookBurst, 2*rate)
	return b
}

// share sets the instance's part of the budget: so many shards of all.
func (b *budget) share(owned, shards int, now time.Time) {
	if owned == 0 {
		return // nothing is asked then; what is on its way ends at the old rate
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all.fill(now)
	b.discovery.fill(now)
	b.all.release() // it was reserved at the old rate
	b.discovery.release()
	b.all.rate = b.whole * float64(owned) / float64(max(shards, owned))
	b.all.burst = max(1, b.all.rate/10)
	b.discovery.rate = b.all.rate / discoveryShare
	b.discovery.burst = max(1, b.discovery.rate)
}

// ready says from when on a new call of the operation may begin.
func (b *budget) ready(operation string, now time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := latest(b.all.ready(now), b.paused[operation], b.stopped)
	if isDiscovery(operation) {
		at = latest(at, b.discovery.ready(now))
	}
	return at
}

// reserve reserves a token for a new call that could begin at a time if there were one. Where
// the token is not what it waits for, nothing is reserved.
func (b *budget) reserve(discovery bool, at, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	tokens := &b.all
	if discovery {
		tokens = &b.discovery
	}
	if !at.After(tokens.ready(now)) {
		tokens.reserve(now)
	}
}

// spend takes the token of a new call's first request. The call is ready.
func (b *budget) spend(operation string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all.spend(now)
	if isDiscovery(operation) {
		b.discovery.spend(now)
	}
}

// take takes the token of one more request of a call and says from when on it may be sent.
func (b *budget) take(operation string, now time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.all.take(now)
	if isDiscovery(operation) {
		at = latest(at, b.discovery.take(now))
	}
	return at
}

// wait takes a token, waits until it may be used and until the operation is not paused.
func (b *budget) wait(ctx context.Context, operation string) error {
	if err := sleepUntil(ctx, b.take(operation, time.Now())); err != nil {
		return err
	}
	return b.waitPaused(ctx, operation)
}

func (b *budget) waitPaused(ctx context.Context, operation string) error {
	for {
		b.mu.Lock()
		until := latest(b.paused[operation], b.stopped)
		b.mu.Unlock()
		if !until.After(time.Now()) {
			return ctx.Err()
		}
		if err := sleepUntil(ctx, until); err != nil {
			return err
		}
	}
}

// throttle pauses the operation after a 429: for as long as the service asks for, or, where
// it does not say, for longer each time in a row.
func (b *budget) throttle(operation string, retryAfter time.Duration, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// Answers to requests that were sent before the pause began do not lengthen it.
	if pause := retryAfter; pause > 0 {
		b.paused[operation] = latest(b.paused[operation], now.Add(pause))
		return
	}
	if b.paused[operation].After(now) {
		return
	}
	n := b.throttled[operation]
	b.throttled[operation] = n + 1
	b.paused[operation] = now.Add(min(maxThrottle, firstThrottle<<min(n, 10)))
}

// answered ends the row of throttled answers.
func (b *budget) answered(operation string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.throttled, operation)
}

// stop pauses everything: no request can succeed with credentials that were refused.
func (b *budget) stop(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = now.Add(credentialPause)
}

func isDiscovery(operation string) bool {
	return operation == opListFarms || operation == opListFleets || operation == opListWorkers
}

func latest(times ...time.Time) time.Time {
	var l time.Time
	for _, t := range times {
		if t.After(l) {
			l = t
		}
	}
	return l
}

// sleepUntil waits until then; the error is the context's.
func sleepUntil(ctx context.Context, then time.Time) error {
	d := time.Until(then)
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// rate is the instance's part in requests a second.
func (b *budget) rate(owned int) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if owned == 0 {
		return 0
	}
	return b.all.rate
}

// isStopped reports whether the credentials were refused just now.
func (b *budget) isStopped(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stopped.After(now)
}
