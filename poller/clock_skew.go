package poller

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// skewLimit is how far the service's clock may be from ours without a word in the log.
const skewLimit = 2 * time.Second

// skew is how far the service's clock is ahead of ours, as the Date header tells it, which
// counts whole seconds.
type skew struct {
	told atomic.Bool
}

func (s *skew) note(date, sent, arrived time.Time, m *metrics, log *zap.Logger) {
	middle := sent.Add(arrived.Sub(sent) / 2)
	ahead := date.Add(500 * time.Millisecond).Sub(middle)
	m.clockSkew.Set(ahead.Seconds())
	uncertain := arrived.Sub(sent)/2 + 500*time.Millisecond
	if ahead.Abs() > skewLimit+uncertain && !s.told.Swap(true) {
		log.Warn("the service's clock and ours differ; observed times are of ours", zap.Duration("skew", ahead.Round(time.Millisecond)))
	}
}
