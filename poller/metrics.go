package poller

import "github.com/prometheus/client_golang/prometheus"

// metrics is what is measured of polling.
type metrics struct {
	requests  *prometheus.CounterVec
	latency   *prometheus.HistogramVec
	complete  prometheus.Counter
	discarded *prometheus.CounterVec
	gone      prometheus.Counter
	pages     prometheus.Histogram
	age       prometheus.Histogram
	oldest    prometheus.Gauge
	workers   prometheus.Gauge
	open      prometheus.Gauge
	blind     prometheus.Gauge
	inFlight  prometheus.Gauge
	lookups   *prometheus.CounterVec
	round     prometheus.Gauge
	skew      prometheus.Gauge
	share     prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return registered(r, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return registered(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
	}
	gauge := func(name, help string) prometheus.Gauge {
		return registered(r, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return registered(r, prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}))
	}
	return &metrics{
		requests: counters("farmwire_api_requests_total", "Attempts of requests to Deadline Cloud.", "operation", "outcome"),
		latency: registered(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "farmwire_api_request_seconds", Help: "From sending a request to its answer.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"operation"})),
		complete:  counter("farmwire_listings_complete_total", "Complete listings of a worker's sessions."),
		discarded: counters("farmwire_listings_discarded_total", "Listings that were not complete and were discarded whole.", "reason"),
		gone:      counter("farmwire_listings_gone_total", "Listings that were answered with: no such worker."),
		pages:     histogram("farmwire_listing_pages", "Pages of a complete listing.", []float64{1, 2, 5, 10, 20, 50, 100, 1000}),
		age:       histogram("farmwire_listing_age_seconds", "From one complete listing of a worker to its next.", prometheus.ExponentialBuckets(1, 2, 12)),
		oldest:    gauge("farmwire_oldest_listing_seconds", "Age of the oldest last complete listing among the workers that ListWorkers shows."),
		workers:   gauge("farmwire_workers_watched", "Workers that this instance polls."),
		open:      gauge("farmwire_sessions_open", "Open sessions of those workers, as committed."),
		blind:     gauge("farmwire_workers_unlisted", "Workers whose last three listings or more were discarded."),
		inFlight:  gauge("farmwire_api_calls_in_flight", "Calls under way, also those that wait for the budget."),
		lookups:   counters("farmwire_lookups_total", "Sessions asked for one by one, by the answer.", "answer"),
		round:     gauge("farmwire_discovery_round_seconds", "From one complete look at all farms, fleets and workers to the next; the longest of them."),
		skew:      gauge("farmwire_clock_skew_seconds", "How far the service's clock is ahead of ours."),
		share:     gauge("farmwire_api_share", "Requests a second that this instance may make."),
	}
}

// registered registers a collector. A registry that has it already gives the one it has, so
// that a second Poller of one process does not panic.
func registered[C prometheus.Collector](r prometheus.Registerer, c C) C {
	if r == nil {
		return c
	}
	if err := r.Register(c); err != nil {
		if have, ok := err.(prometheus.AlreadyRegisteredError); ok {
			if same, ok := have.ExistingCollector.(C); ok {
				return same
			}
		}
	}
	return c
}
