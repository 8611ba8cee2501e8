package farmwire

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"farmwire/diff"
)

// metrics counts what the comparison finds. The packages poller and publisher count what they do themselves.
type metrics struct {
	stale, reappeared, forgotten prometheus.Counter
	delay                        *prometheus.HistogramVec // by kind: start or end
}

// newMetrics registers the metrics. They are the first that a Run registers. If they are registered already, another Run
// uses the registry, and newMetrics returns an error.
func newMetrics(registry prometheus.Registerer, version string) (metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := metrics{
		stale:      counter("farmwire_stale_answers_total", "Answers that showed an ended session as open. They give no events."),
		reappeared: counter("farmwire_sessions_reappeared_total", "Sessions that were shown again after they had been published as vanished."),
		forgotten:  counter("farmwire_sessions_forgotten_total", "Ended sessions whose records were tombstoned because the service no longer lists them."),
	}
	m.delay = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "farmwire_observed_delay_seconds",
		Help:    "Time from a start or an end to the answer that first showed it, as committed.",
		Buckets: []float64{1, 2.5, 5, 10, 15, 20, 30, 45, 60, 90, 120, 300, 600, 1800, 3600},
	}, []string{"kind"})
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "farmwire_build_info",
		Help:        "The version of Farmwire and of Go. The value is 1.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	for _, c := range []prometheus.Collector{m.stale, m.reappeared, m.forgotten, m.delay, build} {
		if err := registry.Register(c); errors.As(err, new(prometheus.AlreadyRegisteredError)) {
			return m, errors.New("Config.Registry is used by another Run: give each Run a registry of its own")
		} else if err != nil {
			return m, fmt.Errorf("register the metrics: %w", err)
		}
	}
	return m, nil
}

// count counts the changes that were committed for one observation.
func (m metrics) count(c diff.Changes) {
	m.stale.Add(float64(len(c.Stale)))
	m.reappeared.Add(float64(len(c.Reappeared)))
	m.forgotten.Add(float64(len(c.Forgotten)))
	for _, e := range c.Events {
		switch {
		case !e.Observed.Exact || e.Snapshot:
		case e.Kind == diff.Started:
			m.observe("start", e.Observed.Before.Sub(e.Session.StartedAt))
		case e.Kind == diff.Ended:
			m.observe("end", e.Observed.Before.Sub(e.Session.EndedAt))
		}
	}
}

// observe counts a delay. Where the service's clock is ahead, it may be below 0.
func (m metrics) observe(kind string, delay time.Duration) {
	m.delay.WithLabelValues(kind).Observe(max(0, delay).Seconds())
}

// registration registers the metrics of one Run on the caller's registry, and removes them at its end, so that the
// registry can serve another Run.
type registration struct {
	prometheus.Registerer
	mu         sync.Mutex
	closed     bool
	collectors []prometheus.Collector
}

// Register registers a collector that close will unregister. After close it does nothing, because what is left of a Run
// whose stop took too long may still call it.
func (r *registration) Register(c prometheus.Collector) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	if err := r.Registerer.Register(c); err != nil {
		return err
	}
	r.collectors = append(r.collectors, c)
	return nil
}

// MustRegister registers collectors. It panics where Register returns an error, as the interface requires.
func (r *registration) MustRegister(collectors ...prometheus.Collector) {
	for _, c := range collectors {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// close unregisters everything. The first collector goes last, because its presence keeps another Run from starting.
func (r *registration) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, c := range slices.Backward(r.collectors) {
		r.Unregister(c)
	}
}
