package trigger

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"farmwire/status"
)

// metrics are the metrics of a trigger.
type metrics struct {
	delivered, retries, filtered prometheus.Counter
	dead                         *prometheus.CounterVec // by reason
	took                         prometheus.Histogram
	held, lag, oldest, ready     prometheus.Gauge
	unavailable                  prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "farmwire_trigger_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "farmwire_trigger_" + name, Help: help})
	}
	m := &metrics{
		delivered: counter("delivered_total", "Events that the target has taken."),
		retries:   counter("retries_total", "Tries of events that had been tried before."),
		filtered:  counter("filtered_total", "Events that the filter left out."),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "farmwire_trigger_dead_letters_total", Help: "Events that were given up and are in the dead-letter topic, by reason.",
		}, []string{"reason"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "farmwire_trigger_try_seconds", Help: "How long the tries to deliver an event took.",
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 10, 30, 60, 300, 600},
		}),
		held:        gauge("held_back", "Events that have failed and are tried again."),
		lag:         gauge("lag", "Offsets of the partitions of this instance that are still to be read or to be done."),
		oldest:      gauge("oldest_seconds", "Age of the oldest event that was read and is not done, from when it was handed to Kafka; 0 if there is none."),
		unavailable: gauge("unavailable_seconds", "For how long the target has taken nothing because it was not there; 0 if the last event found it there."),
		ready:       gauge("ready", "1 if /readyz answers 200, else 0."),
	}
	for _, reason := range []deadReason{refusedForGood, tooOld, unreadable} {
		m.dead.WithLabelValues(string(reason))
	}
	var err error
	for _, c := range []prometheus.Collector{m.delivered, m.retries, m.filtered, m.dead, m.took, m.held, m.lag, m.oldest, m.unavailable, m.ready} {
		err = errors.Join(err, registry.Register(c))
	}
	return m, err
}

// set sets the gauges.
func (m *metrics) set(r status.Trigger) {
	since := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return r.At.Sub(t).Seconds()
	}
	m.held.Set(float64(r.HeldBack))
	m.lag.Set(float64(r.Lag))
	m.oldest.Set(since(r.Oldest))
	m.unavailable.Set(since(r.Unavailable))
	m.ready.Set(0)
	if r.Ready() {
		m.ready.Set(1)
	}
}
