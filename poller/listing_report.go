package poller

import (
	"time"

	"farmwire/diff"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// countListing counts a listing for the metrics. It logs when a worker becomes unlisted and when it can be
// listed again: once for all workers of a fleet that fail for the same reason, as a warning or information;
// for the others at debug. A field that is too long and a reserved id are the fault of one worker, so each such worker is named.
func (l *loop) countListing(r result, now time.Time) {
	w, m := r.call.workers[0], l.service.metrics
	if w.activity == dropped {
		return
	}
	fields := []zap.Field{zap.String("farm", w.key.FarmID), zap.String("fleet", w.key.FleetID), zap.String("worker", w.key.WorkerID)}
	if r.err != nil {
		m.discarded.WithLabelValues(string(reasonOf(r.err))).Inc()
		l.log.Debug("listing discarded", append(fields, zap.Int("attempt", w.listingFailures+1), zap.Error(r.err))...)
		if w.listingFailures+1 == failingAfter && !w.isRetired() {
			level := zapcore.WarnLevel
			if reason := reasonOf(r.err); reason != ReasonFieldTooLong && reason != ReasonReservedID && l.schedule.hasUnlistedLike(w, reason) {
				level = zapcore.DebugLevel
			}
			l.log.Log(level, "worker cannot be listed; its open sessions are looked up", append(fields, zap.Error(r.err))...)
		}
		return
	}
	if w.listingFailures >= failingAfter {
		level := zapcore.InfoLevel
		if l.schedule.hasUnlistedLike(w, w.failureReason) {
			level = zapcore.DebugLevel
		}
		l.log.Log(level, "worker can be listed again", fields...)
	}
	o := r.observations[0]
	if o.Source != diff.CompleteListing {
		m.noSuchWorker.Inc()
		return
	}
	m.listings.Inc()
	m.pages.Observe(float64(o.Pages))
	if !w.listedAt.IsZero() {
		m.listingAge.Observe(now.Sub(w.listedAt).Seconds())
	}
}

// hasUnlistedLike reports whether another worker of the same fleet is unlisted for the reason.
func (s *schedule) hasUnlistedLike(w *scheduledWorker, reason Reason) bool {
	for other := range s.unlisted {
		if other != w && other.key.FleetID == w.key.FleetID && other.failureReason == reason {
			return true
		}
	}
	return false
}
