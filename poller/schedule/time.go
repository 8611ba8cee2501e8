package schedule

import (
	"math/rand/v2"
	"time"
)

const maxBackoff = time.Minute

// backoff returns the pause after so many failures in a row: a second, doubled for each further failure, and at most a
// minute.
func backoff(failures int, random *rand.Rand) time.Duration {
	d := time.Second << min(max(failures-1, 0), 6)
	return min(maxBackoff, jitter(d, random.Float64()))
}

// retiredBackoff is backoff for a retired worker. The pause doubles until it is forgetInterval.
func retiredBackoff(failures int, random *rand.Rand) time.Duration {
	d := time.Second << min(max(failures-1, 0), 17)
	return min(forgetInterval, jitter(d, random.Float64()))
}

// jitter changes a duration by up to a tenth in either direction: at 0 it is a tenth shorter, at 1 a tenth longer.
func jitter(d time.Duration, at float64) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*at))
}

// soonest returns the earlier of two times. The zero time stands for never.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// key returns a time as the key of a queue. It is counted from New, because a time that has the monotonic clock of Go keeps
// it only in a difference.
func (s *Schedule) key(t time.Time) int64 { return int64(t.Sub(s.made)) }

// timeOf is the inverse of key.
func (s *Schedule) timeOf(key int64) time.Time { return s.made.Add(time.Duration(key)) }
