package schedule

import "time"

const (
	discoveryShare = 5               // discovery gets at most one part in so many of the ceiling
	firstDiscovery = 10              // discovery may send at least so many requests without waiting for tokens of its own at the start
	maxRetryAfter  = 5 * time.Minute // a longer Retry-After counts as this

	// The parts of two operations' answers that are 429s are alike if neither is more than so many times the other.
	alikeWithin = 4
)

// budget says when a request may be sent. It divides Config.Rate among the instances, leaves discovery a part of it, holds the
// pauses that the service asks for, and adapts to quotas that are smaller than the ceiling.
//
// Quotas may be those of the account or of single operations, and the service does not say which one was exceeded. So there is
// a pace for each operation and one for all. A quota of the account throttles all operations alike. So a 429 cuts the pace of all if
// operations that are throttled about as often get most of the answers, and else that of its operation. With paces of operations
// alone, each operation would look for the account's quota anew, and more requests would be throttled than TestQuota allows.
type budget struct {
	total      float64   // requests/s of all instances together
	now        time.Time // of the last call of a method
	all        pace
	discovery  bucket
	operations [kinds]pace
}

// newBudget returns the budget of an instance that owns all shards. Total is in requests/s, above 0.
func newBudget(total float64, now time.Time) *budget {
	b := &budget{total: total, now: now, all: newPace(total, now)}
	for k := range b.operations {
		b.operations[k] = newPace(total, now)
	}
	b.discovery.tokens, b.discovery.at = max(firstDiscovery, 2*total), now
	b.setDiscovery(now)
	return b
}

// setShare sets how many of the shards are owned, to which the ceiling of this instance is in proportion. With none it is not
// changed, because no call begins then.
func (b *budget) setShare(owned, shards int, now time.Time) {
	b.now = now
	if owned == 0 {
		return
	}
	ceiling := b.total * float64(owned) / float64(max(shards, owned))
	b.all.setCeiling(ceiling, now)
	for k := range b.operations {
		b.operations[k].setCeiling(ceiling, now)
	}
	b.setDiscovery(now)
}

func (b *budget) setDiscovery(now time.Time) {
	rate := b.share() / discoveryShare
	b.discovery.setRate(rate, max(1, rate), now)
}

// share returns the ceiling of this instance in requests/s.
func (b *budget) share() float64 { return b.all.ceiling }

// pace returns how many requests/s of the kind may be sent now.
func (b *budget) pace(k Kind) float64 {
	return min(b.all.rateAt(b.now), b.operations[k].rateAt(b.now))
}

// ready returns from when on a request of the kind may be sent, which is never before now.
func (b *budget) ready(k Kind, now time.Time) time.Time {
	b.now = now
	b.all.adjust(now)
	b.operations[k].adjust(now)
	at := latest(b.all.next(now), b.operations[k].next(now))
	if k.IsDiscovery() {
		at = latest(at, b.discovery.next(now))
	}
	return at
}

// take takes the tokens of a request that is sent now. It must be ready.
func (b *budget) take(k Kind, now time.Time) {
	b.ready(k, now) // brings the buckets up to date
	if b.operations[k].resumes {
		// Several operations may resume at once. What was saved up meanwhile is given up, so that it is no burst.
		b.all.tokens = min(b.all.tokens, 1)
	}
	b.all.take(now)
	b.operations[k].take(now)
	if k.IsDiscovery() {
		b.discovery.tokens--
	}
}

// answered takes in an answer that is not a 429, to a request that was sent then.
func (b *budget) answered(k Kind, sent, now time.Time) {
	b.now = now
	b.all.answered(sent)
	b.operations[k].answered(sent)
	b.operations[k].lately.add(0, now)
}

// throttled takes in a 429 to a request that was sent then. RetryAfter is how long the service wants to be left alone, or 0
// if it does not say.
func (b *budget) throttled(k Kind, sent time.Time, retryAfter time.Duration, now time.Time) {
	b.now = now
	b.operations[k].lately.add(1, now)
	if b.together(k, now) {
		b.all.slow(sent, now)
	} else {
		b.operations[k].slow(sent, now)
	}
	b.pause(k, retryAfter, now)
}

// together reports whether this operation and others that were throttled about as often got most of the answers lately.
func (b *budget) together(k Kind, now time.Time) bool {
	own := b.operations[k].lately
	alike, all := own.answers, own.answers
	for other := range b.operations {
		if Kind(other) == k {
			continue
		}
		t := b.operations[other].lately.asOf(now)
		all += t.answers
		ofOwn, ofOther := own.throttled*t.answers, t.throttled*own.answers
		if t.throttled >= fadedAway && ofOwn <= alikeWithin*ofOther && ofOther <= alikeWithin*ofOwn {
			alike += t.answers
		}
	}
	return alike > own.answers && alike > all/2
}

// pause pauses the operation for so long, at most maxRetryAfter. After it one request is sent, and the others follow at the pace.
func (b *budget) pause(k Kind, d time.Duration, now time.Time) {
	b.now = now
	if d > 0 {
		b.operations[k].closeUntil(now.Add(min(d, maxRetryAfter)), now)
		b.operations[k].resumes = true
	}
}

// pauseAll pauses all operations, because no request can succeed without credentials.
func (b *budget) pauseAll(now time.Time, d time.Duration) {
	b.now = now
	b.all.closeUntil(now.Add(d), now)
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
