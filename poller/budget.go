package poller

import (
	"context"
	"math"
	"sync"
	"time"
)

const (
	discoveryShare = 5 // discovery gets at most one part in so many

	maxRetryAfter   = 5 * time.Minute        // a longer Retry-After counts as this
	firstThrottle   = 250 * time.Millisecond // the pause after a throttled answer without Retry-After, doubled after each in a row
	maxThrottle     = 5 * time.Second        // the longest such pause
	credentialPause = 5 * time.Second        // after credentials were refused, or could not be fetched
	firstDiscovery  = 10                     // discovery may send at least so many requests at once at the start
)

// bucket is a token bucket whose tokens can be taken in advance: take returns the time from which on the
// token may be used, and the next token is available only after that. A bucket may start with more tokens
// than burst, but never gains more.
//
// Calls in flight take the tokens of their next pages in advance. The loop does not know yet which call will
// begin next, so it reserves a token in advance for any call. Otherwise new calls would get only the tokens
// that no call in flight needs.
type bucket struct {
	rate     float64 // tokens a second
	burst    float64
	tokens   float64
	at       time.Time // when tokens was last brought up to date
	reserved time.Time // from when on the token that is reserved for the next new call may be used; zero if none is reserved
}

// fill adds the tokens that the bucket has gained up to now.
func (b *bucket) fill(now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		limit := b.burst
		if !b.reserved.IsZero() {
			limit-- // a reserved token is part of the burst
		}
		if b.tokens < limit {
			b.tokens = min(limit, b.tokens+d.Seconds()*b.rate)
		}
		b.at = now
	}
}

// ready returns from when on a new call may begin.
func (b *bucket) ready(now time.Time) time.Time {
	b.fill(now)
	if !b.reserved.IsZero() {
		return latest(b.reserved, now)
	}
	return b.next(now)
}

// reserve reserves a token for the next new call, unless one is reserved already or available now.
func (b *bucket) reserve(now time.Time) {
	if b.reserved.IsZero() && b.next(now).After(now) {
		b.reserved = b.take(now)
	}
}

// spend takes the token of a new call that may begin now. If a token is reserved, it is that one.
func (b *bucket) spend(now time.Time) {
	b.fill(now)
	if b.reserved.IsZero() {
		b.take(now)
	}
	b.reserved = time.Time{}
}

// release gives back the reserved token.
func (b *bucket) release() {
	if !b.reserved.IsZero() {
		b.reserved = time.Time{}
		b.tokens++
	}
}

// next returns from when on there is a whole token.
func (b *bucket) next(now time.Time) time.Time {
	b.fill(now)
	if b.tokens >= 1 {
		return now
	}
	// Up to the next nanosecond, so that the token is whole by then.
	return now.Add(time.Duration(math.Ceil((1-b.tokens)/b.rate*1e9)) + 1)
}

// take takes a token and returns from when on it may be used.
func (b *bucket) take(now time.Time) time.Time {
	at := b.next(now)
	b.tokens--
	return at
}

// budget is this instance's share of the API budget of its account and region. Every attempt of every
// operation takes a token. An attempt of discovery also takes one of discovery's own bucket, which has a
// fifth of the rate. If an operation is throttled, only this operation pauses, because the service's limits
// are per operation.
type budget struct {
	total float64 // requests a second of all instances together

	mu        sync.Mutex
	all       bucket
	discovery bucket
	paused    map[string]time.Time // until when, by operation
	throttled map[string]int       // by operation: throttled answers in a row
	allPaused time.Time            // until when all operations pause
	noKeys    Reason               // why there are no good credentials; empty if they are good
}

func newBudget(rate float64, now time.Time) *budget {
	b := &budget{total: rate, paused: make(map[string]time.Time), throttled: make(map[string]int)}
	b.all.at, b.discovery.at = now, now
	b.setShare(1, 1, now)
	b.all.tokens = b.all.burst
	b.discovery.tokens = max(firstDiscovery, 2*rate)
	return b
}

// setShare sets this instance's share of the budget, which is in proportion to its shards.
func (b *budget) setShare(owned, shards int, now time.Time) {
	if owned == 0 {
		return // no call begins then, and calls in flight end at the old rate
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all.fill(now)
	b.discovery.fill(now)
	b.all.release() // it was reserved at the old rate
	b.discovery.release()
	b.all.rate = b.total * float64(owned) / float64(max(shards, owned))
	b.all.burst = max(1, b.all.rate/10)
	b.discovery.rate = b.all.rate / discoveryShare
	b.discovery.burst = max(1, b.discovery.rate)
}

// ready returns from when on a new call of the operation may begin.
func (b *budget) ready(operation string, now time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := latest(b.all.ready(now), b.paused[operation], b.allPaused)
	if isDiscovery(operation) {
		at = latest(at, b.discovery.ready(now))
	}
	return at
}

// reserve reserves a token for a new call that may begin at the given time. If the call waits for something
// else than a token, none is reserved.
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

// spend takes the token of a new call's first request. The call may begin now.
func (b *budget) spend(operation string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all.spend(now)
	if isDiscovery(operation) {
		b.discovery.spend(now)
	}
}

// take takes the token of one more request of a call and returns from when on it may be sent.
func (b *budget) take(operation string, now time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.all.take(now)
	if isDiscovery(operation) {
		at = latest(at, b.discovery.take(now))
	}
	return at
}

// wait takes a token, and waits until it may be used and the operation is not paused.
func (b *budget) wait(ctx context.Context, operation string) error {
	if err := sleepUntil(ctx, b.take(operation, time.Now())); err != nil {
		return err
	}
	return b.waitPaused(ctx, operation)
}

// waitPaused waits until the operation is not paused.
func (b *budget) waitPaused(ctx context.Context, operation string) error {
	for {
		b.mu.Lock()
		until := latest(b.paused[operation], b.allPaused)
		b.mu.Unlock()
		if !until.After(time.Now()) {
			return ctx.Err()
		}
		if err := sleepUntil(ctx, until); err != nil {
			return err
		}
	}
}

// throttle pauses the operation after it was throttled. RetryAfter is how long the service wants to be left
// alone, or 0 if it does not say. Then the pause doubles each time in a row.
func (b *budget) throttle(operation string, retryAfter time.Duration, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if retryAfter > 0 {
		b.paused[operation] = latest(b.paused[operation], now.Add(retryAfter))
		return
	}
	if b.paused[operation].After(now) {
		return // this answers a request that was sent before the pause began
	}
	n := b.throttled[operation]
	b.throttled[operation] = n + 1
	b.paused[operation] = now.Add(min(maxThrottle, firstThrottle<<min(n, 10)))
}

// answered notes that the operation is no longer throttled.
func (b *budget) answered(operation string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.throttled, operation)
	b.noKeys = ""
}

// credentialsAccepted notes that the service has accepted the credentials, whatever it answered.
func (b *budget) credentialsAccepted() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noKeys = ""
}

// pauseAll pauses all operations for credentialPause, because no request can succeed without credentials. The reason is
// ReasonCredentials or ReasonUnfetched.
func (b *budget) pauseAll(reason Reason, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.allPaused, b.noKeys = now.Add(credentialPause), reason
}

// isDiscovery reports whether discovery calls the operation.
func isDiscovery(operation string) bool {
	return operation == opListFarms || operation == opListFleets || operation == opListWorkers
}

// latest returns the latest of the times.
func latest(times ...time.Time) time.Time {
	var l time.Time
	for _, t := range times {
		if t.After(l) {
			l = t
		}
	}
	return l
}

// sleepUntil waits until then, or until the context ends, whose error it returns.
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

// rate returns this instance's share in requests a second, which is 0 if it owns no shard.
func (b *budget) rate(owned int) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if owned == 0 {
		return 0
	}
	return b.all.rate
}

// credentialsFailure returns why the last attempt had no good credentials. It is empty if they were good since then.
func (b *budget) credentialsFailure() Reason {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.noKeys
}
