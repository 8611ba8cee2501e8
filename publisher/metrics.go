package publisher

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"

	"farmwire/cluster"
)

// metrics are the metrics of publishing.
type metrics struct {
	transactions   *prometheus.CounterVec // by outcome
	seconds        prometheus.Histogram
	events         *prometheus.CounterVec // by change
	retries        *prometheus.CounterVec // by error
	fences         prometheus.Counter
	hanging        prometheus.Counter
	restores       prometheus.Histogram
	restoreRecords prometheus.Counter
}

// newMetrics makes metrics that are not registered yet.
func newMetrics() *metrics {
	return &metrics{
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "farmwire_transactions_total",
			Help: "Transactions, by outcome: committed, aborted, fenced or unknown.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "farmwire_transaction_seconds",
			Help:    "Time from the first request of a committed transaction to its last answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "farmwire_events_published_total",
			Help: "Events in committed transactions, by change.",
		}, []string{"change"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "farmwire_kafka_retries_total",
			Help: "Requests to brokers that were sent again, by the name of Kafka's error, or network if no broker answered with an error.",
		}, []string{"error"}),
		fences: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "farmwire_fences_total",
			Help: "Transactional ids taken over.",
		}),
		hanging: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "farmwire_hanging_transactions_total",
			Help: "Transactions that a broker had left open in some partitions after their end, and that were ended there.",
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
}

// register registers the metrics with a registry, which may be nil and must have none of them yet.
func (m *metrics) register(registry prometheus.Registerer) {
	if registry != nil {
		registry.MustRegister(m.transactions, m.seconds, m.events, m.retries, m.fences, m.hanging, m.restores, m.restoreRecords)
	}
}

// retry counts one request that is sent again because of err.
func (m *metrics) retry(err error) {
	m.retries.WithLabelValues(errorLabel(err)).Inc()
}

// errorLabel returns the name of an error in Kafka's protocol, or network if no broker answered with an error.
func errorLabel(err error) string {
	switch code := cluster.Code(err); {
	case errors.Is(err, errNoLeader):
		return "LEADER_NOT_AVAILABLE"
	case code == 0:
		return "network"
	case code == kerr.NotLeaderForPartition.Code:
		return "NOT_LEADER_OR_FOLLOWER" // the name since Kafka 2.6; franz-go keeps the old one
	default:
		return kerr.TypedErrorForCode(code).Message
	}
}
