package status

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves the probes and the metrics:
//
//	/livez    200 while the process runs
//	/readyz   200 and "ready" if the instance is, else 503; then one line for each cause, see Report.Causes
//	/metrics  the metrics in the format of Prometheus
//
// It asks for a report at each request to /readyz, so report must be cheap and safe for concurrent use.
func Handler[F facts](report func() F, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		r := report()
		if !ready(r) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, text(r))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return mux
}
