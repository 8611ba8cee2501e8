package poller

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// skewLimit is how far the service's clock may differ from this host's without a warning.
const skewLimit = 2 * time.Second

// skew measures how far the service's clock is ahead of this host's.
type skew struct {
	warned atomic.Bool
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
}
