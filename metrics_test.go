package farmwire

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// unregisterLog is a Registerer that notes in which order collectors are unregistered.
type unregisterLog struct {
	prometheus.Registerer
	unregistered []prometheus.Collector
}

func (l *unregisterLog) Unregister(c prometheus.Collector) bool {
	l.unregistered = append(l.unregistered, c)
	return l.Registerer.Unregister(c)
}

// A Run is refused as long as any metric of another is registered. So the first, by which it is refused, goes last.
func TestFirstMetricIsUnregisteredLast(t *testing.T) {
	log := &unregisterLog{Registerer: prometheus.NewRegistry()}
	r := &registration{Registerer: log}
	m, err := newMetrics(r, "1")
	if err != nil {
		t.Fatal(err)
	}
	r.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "farmwire_last"}))
	r.close()
	if n := len(log.unregistered); n != 5 || log.unregistered[n-1] != m.stale {
		t.Errorf("unregistered %v", log.unregistered)
	}
}

// What a stop that timed out has left behind does not register its metrics any more. They would stay forever.
func TestNothingIsRegisteredAfterTheEnd(t *testing.T) {
	registry := prometheus.NewRegistry()
	r := &registration{Registerer: registry}
	r.close()
	r.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "farmwire_late"}))
	families, err := registry.Gather()
	if err != nil || len(families) != 0 {
		t.Errorf("%v, %v", families, err)
	}
}
