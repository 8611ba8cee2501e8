package poller

import (
	"cmp"

	"farmwire/poller/schedule"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics has one field for each metric of a Poller.
type metrics struct {
	requests       *prometheus.CounterVec
	latency        *prometheus.HistogramVec
	listings       prometheus.Counter
	discarded      *prometheus.CounterVec
	stopped        prometheus.Counter
	noSuchWorker   prometheus.Counter
	pages          prometheus.Histogram
	listingAge     prometheus.Histogram
	oldestListing  prometheus.Gauge
	workers        *fleetGauge
	openSessions   *fleetGauge
	unlisted       prometheus.Gauge
	missing        prometheus.Gauge
	callsInFlight  prometheus.Gauge
	lookups        *prometheus.CounterVec
	discoveryRound prometheus.Gauge
	clockSkew      prometheus.Gauge
	requestRate    prometheus.Gauge
	pace           *prometheus.GaugeVec
	load           prometheus.Gauge
	strategy       *prometheus.GaugeVec
	announced      prometheus.Gauge
	unannounced    followed
	lost           followed
}

// newMetrics registers the metrics. The registry may be nil.
func newMetrics(registry prometheus.Registerer) *metrics {
	auto := promauto.With(registry)
	counter := func(name, help string) prometheus.Counter {
		return auto.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return auto.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	byFleet := func(name, help string, labels ...string) *fleetGauge {
		return &fleetGauge{vec: auto.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)}
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return auto.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	}
	return &metrics{
		requests: counters("farmwire_api_requests_total", "Attempts of requests to Deadline Cloud.", "operation", "outcome"),
		latency: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name: "farmwire_api_request_seconds", Help: "Time from sending a request to its answer.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"operation"}),
		listings:       counter("farmwire_listings_complete_total", "Complete listings of a worker's sessions."),
		discarded:      counters("farmwire_listings_discarded_total", "Listings that were not complete and were discarded.", "reason"),
		stopped:        counter("farmwire_listings_stopped_total", "Listings that were stopped early, at a page of which the older half of the sessions is known to have ended. They show no absence."),
		noSuchWorker:   counter("farmwire_listings_gone_total", "Listings that were answered with: no such worker."),
		pages:          histogram("farmwire_listing_pages", "Pages of a complete listing.", []float64{1, 2, 5, 10, 20, 50, 100, 1000}),
		listingAge:     histogram("farmwire_listing_age_seconds", "Time from one complete listing of a worker to its next.", prometheus.ExponentialBuckets(1, 2, 12)),
		oldestListing:  gauge("farmwire_oldest_listing_seconds", "Time since the last listing of a worker, complete or stopped early, or since the worker was first shown; the longest of all workers that ListWorkers shows."),
		workers:        byFleet("farmwire_workers", "Workers of the owned shards, by fleet and by the status that ListWorkers or BatchGetWorker last showed.", "fleet", "status"),
		openSessions:   byFleet("farmwire_open_sessions", "Open sessions of those workers as committed, by fleet.", "fleet"),
		unlisted:       gauge("farmwire_workers_unlisted", "Workers whose last three listings or more were discarded, and those of a fleet that fails as a whole."),
		missing:        gauge("farmwire_sessions_missing", "Open sessions of which the service says that their queue, fleet or farm does not exist."),
		callsInFlight:  gauge("farmwire_api_calls_in_flight", "Requests that were sent and not answered yet."),
		lookups:        counters("farmwire_lookups_total", "Sessions that were looked up by BatchGetSession or GetSession, by the answer.", "answer"),
		discoveryRound: gauge("farmwire_discovery_round_seconds", "Time from one complete list of farms, fleets or workers to its next; the longest of them."),
		clockSkew:      gauge("farmwire_clock_skew_seconds", "How far the service's clock is ahead of this host's."),
		requestRate:    gauge("farmwire_api_share_requests_per_second", "Requests a second that this instance may make."),
		pace: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "farmwire_api_pace_requests_per_second", Help: "Requests a second that this instance sends at most, by operation. It is below the share after the operation was throttled."}, []string{"operation"}),
		load: gauge("farmwire_load_ratio", "The part of this instance's requests that a listing for each start takes, of the starts that only a listing shows. At 1 and above they are more than the rate allows."),
		strategy: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "farmwire_strategy", Help: "1 for the way in which it is decided what is asked for next, else 0."}, []string{"strategy"}),
		announced:   gauge("farmwire_announced_workers", "Workers that something says have a new session, and that were not listed since."),
		unannounced: followed{counter: counter("farmwire_starts_unannounced_total", "Starts that were found although nothing had announced them.")},
		lost:        followed{counter: counter("farmwire_sessions_lost_total", "Sessions that were announced, and whose worker was deleted before it could be listed.")},
	}
}

// followed is a counter that follows a count of the schedule.
type followed struct {
	counter prometheus.Counter
	last    uint64
}

// follow adds what the count has grown by. A State without a shard has no counts, so a lower count changes nothing.
func (t *followed) follow(count uint64) {
	if count > t.last {
		t.counter.Add(float64(count - t.last))
		t.last = count
	}
}

// set sets the gauges that a State has. Those of the fleets are set if counted.
func (m *metrics) set(s *schedule.State, counted bool) {
	m.unlisted.Set(float64(s.UnlistedCount))
	m.missing.Set(float64(s.Missing))
	m.requestRate.Set(s.Share)
	m.discoveryRound.Set(s.DiscoveryRound.Seconds())
	if len(s.Paces) == 0 {
		m.pace.Reset() // no shard is owned
	}
	for kind, pace := range s.Paces {
		m.pace.WithLabelValues(kind.Operation()).Set(pace)
	}
	m.setStrategy(s)
	if !counted {
		return
	}
	m.oldestListing.Set(s.OldestListing.Seconds())
	workers, open := make(map[fleetLabels]int, len(s.WorkersByStatus)), make(map[fleetLabels]int, len(s.OpenByFleet))
	for of, n := range s.WorkersByStatus {
		workers[fleetLabels{of.FleetID, cmp.Or(of.Status, unknownStatus)}] = n
	}
	for fleet, n := range s.OpenByFleet {
		open[fleetLabels{fleet: fleet}] = n
	}
	m.workers.set(workers)
	m.openSessions.set(open)
}

// setStrategy sets what says how well the schedule can keep up.
func (m *metrics) setStrategy(s *schedule.State) {
	m.load.Set(s.Load)
	m.announced.Set(float64(s.Announced))
	m.unannounced.follow(s.UnannouncedSeen)
	m.lost.follow(s.Lost)
	if s.Strategy == "" {
		m.strategy.Reset() // no shard is owned
		return
	}
	for _, strategy := range [...]schedule.Strategy{schedule.Sweeping, schedule.RoundRobin} {
		inUse := 0.0
		if strategy == s.Strategy {
			inUse = 1
		}
		m.strategy.WithLabelValues(string(strategy)).Set(inUse)
	}
}

// unknownStatus is the label for the status of workers of which neither ListWorkers nor BatchGetWorker has shown one.
const unknownStatus = "unknown"

// fleetGauge is a gauge by fleet, or by fleet and worker status.
type fleetGauge struct {
	vec  *prometheus.GaugeVec
	last map[fleetLabels]int // the values
}

// fleetLabels are the labels of a fleetGauge. The status is empty if the gauge is by fleet only.
type fleetLabels struct{ fleet, status string }

// set replaces all values.
func (g *fleetGauge) set(values map[fleetLabels]int) {
	for labels, value := range values {
		g.vec.With(g.labels(labels)).Set(float64(value))
	}
	for labels := range g.last {
		if _, ok := values[labels]; !ok {
			g.vec.Delete(g.labels(labels))
		}
	}
	g.last = values
}

// labels returns the labels of one value.
func (g *fleetGauge) labels(l fleetLabels) prometheus.Labels {
	if l.status == "" {
		return prometheus.Labels{"fleet": l.fleet}
	}
	return prometheus.Labels{"fleet": l.fleet, "status": l.status}
}
