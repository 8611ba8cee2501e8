package instance

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestPages(t *testing.T) {
	code := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			fmt.Fprint(w, "# HELP lines_total 7\nlines_total 3\nlines_total_created 9\n")
			return
		}
		w.WriteHeader(code)
		fmt.Fprint(w, "why")
	}))
	i := &Instance{address: server.Listener.Addr().String()}
	if ready, text := i.Ready(t.Context()); ready || text != "why" || i.Readyz(t.Context()) != "why" {
		t.Errorf("%t, %q", ready, text)
	}
	code = http.StatusOK
	if ready, _ := i.Ready(t.Context()); !ready {
		t.Error("not ready")
	}
	if n := i.Metric(t.Context(), "lines_total"); n != 3 {
		t.Errorf("the metric is %v", n)
	}
	if n := i.Metric(t.Context(), "lines"); n != 0 {
		t.Errorf("a metric that is not there is %v", n)
	}
	server.Close()
	if ready, text := i.Ready(t.Context()); ready || text == "" {
		t.Errorf("without an answer: %t, %q", ready, text)
	}
	if text := i.Readyz(t.Context()); text != "" { // or "connection refused" would count as the name of an outage
		t.Errorf("/readyz answers %q, although nobody listens", text)
	}
}
