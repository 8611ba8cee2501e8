package poller

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// skewLimit is how far the service's clock may differ from this host's without a warning.
const skewLimit = 2 * time.Second

// skew measures how far the service's clock is ahead of this host's.
type skew struct {
	warned atomic.Bool

	mu            sync.Mutex
	date, arrived time.Time // of the newest answer that has a Date; zero if there was none
}

// note takes in the Date header of an answer, which is in whole seconds, and the times at which the request
// was sent and the answer arrived. It warns once.
func (s *skew) note(date, sent, arrived time.Time, m *metrics, log *zap.Logger) {
	middle := sent.Add(arrived.Sub(sent) / 2)
	ahead := date.Add(500 * time.Millisecond).Sub(middle)
	m.clockSkew.Set(ahead.Seconds())
	uncertain := arrived.Sub(sent)/2 + 500*time.Millisecond
	if ahead.Abs() > skewLimit+uncertain && !s.warned.Swap(true) {
		log.Warn("the clocks of the service and of this host differ; observed times are by this host's clock", zap.Duration("skew", ahead.Round(time.Millisecond)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if arrived.After(s.arrived) {
		s.date, s.arrived = date, arrived
	}
}

// serviceTime returns a time of this host by the service's clock, in UTC, as far as the newest Date tells. It is not later
// than the true time, unless no answer had a Date yet: then it is that of this host. What has passed since the Date is counted
// by the monotonic clock, so that it does not matter if this host's clock is set meanwhile.
func (s *skew) serviceTime(t time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.arrived.IsZero() {
		return t.UTC().Round(0)
	}
	return s.date.Add(t.Sub(s.arrived)).UTC()
}
