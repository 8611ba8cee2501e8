package farmwire

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"farmwire/diff"
)

// metrics are what the comparison finds; what is polled and what is published is counted where it is done.
type metrics struct {
	stale, reappeared, forgotten prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		registry.MustRegister(c)
		return c
	}
	return metrics{
		stale:      counter("farmwire_stale_answers_total", "Answers that showed an ended session as open; they are no events."),
		reappeared: counter("farmwire_sessions_reappeared_total", "Sessions that were shown again after they were published as vanished."),
		forgotten:  counter("farmwire_sessions_forgotten_total", "Ended sessions that the service no longer lists and whose records were tombstoned."),
	}
}

// account logs and counts what was committed of one observation.
func (w *wire) account(c diff.Changes) {
	w.metrics.stale.Add(float64(len(c.Stale)))
	w.metrics.reappeared.Add(float64(len(c.Reappeared)))
	w.metrics.forgotten.Add(float64(len(c.Forgotten)))
	for _, e := range c.Events {
		w.log.Info("session "+string(e.Kind),
			zap.String("session", e.Session.SessionID), zap.Uint64("sequence", e.Sequence),
			zap.String("worker", e.Session.WorkerID), zap.String("fleet", e.Session.FleetID), zap.String("farm", e.Session.FarmID),
			zap.String("status", e.Session.LifecycleStatus), zap.Time("before", e.Observed.Before))
	}
	for _, id := range c.Stale {
		w.log.Debug("an answer showed an ended session as open", zap.String("session", id), zap.String("worker", c.Worker.WorkerID))
	}
	for _, id := range c.Reappeared {
		w.log.Warn("a session that was published as vanished was seen again; no event", zap.String("session", id), zap.String("worker", c.Worker.WorkerID))
	}
}
