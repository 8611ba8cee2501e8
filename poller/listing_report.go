package poller

import (
	"time"

	"farmwire/diff"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// countListing counts a listing for the metrics. It logs a worker's third failure in a row, and its first
// success after that.
func (l *loop) countListing(r result, now time.Time) {
	e, m := r.call.workers[0], l.service.metrics
	if e.activity == dropped {
		return
	}
	fields := []zap.Field{zap.String("farm", e.key.FarmID), zap.String("fleet", e.key.FleetID), zap.String("worker", e.key.WorkerID)}
	if r.err != nil {
		m.discarded.WithLabelValues(string(reasonOf(r.err))).Inc()
		l.log.Debug("listing discarded", append(fields, zap.Int("attempt", e.listingFailures+1), zap.Error(r.err))...)
		if e.listingFailures+1 == failingAfter && !e.isRetired() {
			level := zapcore.WarnLevel
			if l.schedule.hasUnlistedLike(e, reasonOf(r.err)) {
				level = zapcore.DebugLevel
			}
			l.log.Log(level, "worker cannot be listed; its open sessions are looked up", append(fields, zap.Error(r.err))...)
		}
		return
	}
	if e.listingFailures >= failingAfter {
		level := zapcore.InfoLevel
		if l.schedule.hasUnlistedLike(e, e.failureReason) {
			level = zapcore.DebugLevel
		}
		l.log.Log(level, "worker can be listed again", fields...)
	}
	o := r.observations[0]
	if o.Source == diff.NoSuchWorker {
		m.workersGone.Inc()
		return
	}
	m.listings.Inc()
	m.pages.Observe(float64(o.Pages))
	if !e.listedAt.IsZero() {
		m.listingAge.Observe(now.Sub(e.listedAt).Seconds())
	}
}

// hasUnlistedLike reports whether another worker of the same fleet is unlisted for the same reason. The log
// has one warning for all of them.
func (s *schedule) hasUnlistedLike(e *scheduledWorker, reason Reason) bool {
	for other := range s.unlisted {
		if other != e && other.key.FleetID == e.key.FleetID && other.failureReason == reason {
			return true
		}
	}
	return false
}
