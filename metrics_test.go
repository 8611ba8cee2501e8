package farmwire

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"farmwire/diff"
	"farmwire/status"
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
	if n := len(log.unregistered); n != 6 || log.unregistered[n-1] != m.stale {
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

// The delays of starts and ends whose time is known are counted, and those of snapshots are not.
func TestObservedDelays(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := newMetrics(registry, "1")
	if err != nil {
		t.Fatal(err)
	}
	at := func(seconds int) time.Time { return time.Date(2026, 11, 26, 10, 0, seconds, 0, time.UTC) }
	change := func(kind diff.Kind, before int, exact, snapshot bool) diff.Change {
		return diff.Change{
			Kind: kind, Snapshot: snapshot, Observed: diff.Bounds{Before: at(before), Exact: exact},
			Session: diff.Session{StartedAt: at(10), EndedAt: at(30)},
		}
	}
	m.count(diff.Changes{Events: []diff.Change{
		change(diff.Started, 17, true, false), change(diff.Started, 18, true, false), change(diff.Ended, 33, true, false),
		change(diff.Ended, 29, true, false), // the service's clock is ahead
		change(diff.Ended, 40, false, false), change(diff.Ended, 40, true, true), change(diff.Updated, 40, false, false), change(diff.Discovered, 40, false, true),
	}})
	want := map[string]float64{"count start": 2, "sum start": 15, "count end": 2, "sum end": 3}
	have := map[string]float64{}
	for _, metric := range gathered(t, registry, "farmwire_observed_delay_seconds") {
		kind := metric.GetLabel()[0].GetValue()
		have["count "+kind], have["sum "+kind] = float64(metric.GetHistogram().GetSampleCount()), metric.GetHistogram().GetSampleSum()
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
}

// What can be expected is a metric, and what cannot be is none.
func TestExpectedDelays(t *testing.T) {
	var r status.Report
	registry := prometheus.NewRegistry()
	registry.MustRegister(reportMetrics(func() status.Report { return r }))
	if found := gathered(t, registry, "farmwire_expected_delay_seconds"); found != nil {
		t.Errorf("%v is expected of nothing", found)
	}
	r.Polling.Expected.Ends = status.Delay{Mean: time.Second, P99: 2 * time.Second}
	have := map[string]float64{}
	for _, metric := range gathered(t, registry, "farmwire_expected_delay_seconds") {
		have[metric.GetLabel()[0].GetValue()+" "+metric.GetLabel()[1].GetValue()] = metric.GetGauge().GetValue()
	}
	if d := cmp.Diff(map[string]float64{"end mean": 1, "end 0.99": 2}, have); d != "" {
		t.Error(d)
	}
}

// gathered are the metrics of that name.
func gathered(t *testing.T, registry *prometheus.Registry, name string) []*dto.Metric {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()
		}
	}
	return nil
}
