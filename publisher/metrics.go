package publisher

import (
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	kafka "github.com/segmentio/kafka-go"
)

// metrics is what publishing tells the operator in numbers.
type metrics struct {
	transactions   *prometheus.CounterVec // by outcome
	seconds        prometheus.Histogram
	events         *prometheus.CounterVec // by change
	retries        *prometheus.CounterVec // by error code
	fences         prometheus.Counter
	hanging        prometheus.Counter
	restores       prometheus.Histogram
	restoreRecords prometheus.Counter
}

// newMetrics registers the metrics; registry may be nil.
func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "farmwire_transactions_total",
			Help: "Transactions by outcome: committed, aborted, fenced or unknown.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "farmwire_transaction_seconds",
			Help:    "Time from the first request of a committed transaction to its last answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "farmwire_events_published_total",
			Help: "Events in committed transactions by change.",
		}, []string{"change"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "farmwire_kafka_retries_total",
			Help: "Requests to brokers that were sent again, by the Kafka error code or network.",
		}, []string{"error"}),
		fences: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "farmwire_fences_total",
			Help: "Transactional ids taken over.",
		}),
		hanging: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "farmwire_hanging_transactions_total",
			Help: "Transactions that had ended and were still open in some partitions, and that were ended there.",
		}),
		restores: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "farmwire_restore_seconds",
			Help:    "Time to fence a shard and to read its state back.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 16),
		}),
		restoreRecords: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "farmwire_restore_records_total",
			Help: "Records read back from the state topic.",
		}),
	}
	if registry == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.transactions, m.seconds, m.events, m.retries, m.fences, m.hanging, m.restores, m.restoreRecords} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// retry counts one request that is sent again because of err.
func (m *metrics) retry(err error) {
	m.retries.WithLabelValues(errorLabel(err)).Inc()
}

func errorLabel(err error) string {
	var code kafka.Error
	if errors.As(err, &code) {
		return strconv.Itoa(int(code))
	}
	return "network"
}
