package farmtest

import (
	"sync"
	"time"
)

// buckets limits calls by the quotas of Config.
type buckets struct {
	mu     sync.Mutex
	quotas map[Operation]Quota
	levels map[Operation]*bucket
}

// bucket is the level of one token bucket.
type bucket struct {
	tokens float64
	filled time.Time // when tokens were last added
}

func (b *buckets) set(quotas map[Operation]Quota) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.quotas, b.levels = quotas, map[Operation]*bucket{}
}

// take takes a token from the operation's bucket and from the bucket of AnyOperation. It returns the error response
// if one of them is empty.
func (b *buckets) take(op Operation, now time.Time) *failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range []Operation{op, AnyOperation} {
		q, ok := b.quotas[key]
		if !ok {
			continue
		}
		size := float64(max(q.Burst, 1))
		l := b.levels[key]
		if l == nil {
			l = &bucket{tokens: size, filled: now}
			b.levels[key] = l
		}
		l.tokens = min(size, l.tokens+q.Rate*now.Sub(l.filled).Seconds())
		l.filled = now
		if l.tokens < 1 {
			return throttled(q.RetryAfter)
		}
		l.tokens--
	}
	return nil
}
