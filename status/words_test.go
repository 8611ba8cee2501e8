package status_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"farmwire/status"
)

func TestUnready(t *testing.T) {
	running := func(change func(*status.Report)) status.Report {
		r := status.Report{
			Stage:   status.Running,
			Shards:  []status.Shard{{Number: 0, State: status.Followed}},
			Polling: status.Polling{Phase: status.Started, Answered: true, Targets: 3},
		}
		change(&r)
		return r
	}
	for name, c := range map[string]struct {
		report status.Report
		want   []string
	}{
		"the zero value": {status.Report{}, []string{"the topics are being opened"}},
		"no answer yet": {status.Report{Stage: status.Initializing, Polling: status.Polling{Phase: status.Started, LastFailure: "not_found"}}, []string{
			"the state topic is initialized as soon as Deadline Cloud has answered",
			"Deadline Cloud has not answered yet: not found"}},
		"ready":    {running(func(*status.Report) {}), nil},
		"no shard": {running(func(r *status.Report) { r.Shards = nil }), []string{"the consumer group has assigned no shard to this instance"}},
		"shards": {running(func(r *status.Report) {
			r.Shards = []status.Shard{{Number: 10, State: status.Waiting, Err: errors.New("fenced")}, {Number: 2, State: status.Acquiring}, {Number: 3, State: status.Followed}}
		}), []string{"shard 2 is being acquired", "shard 10 waits to be acquired again: fenced"}},
		"polling has ended": {running(func(r *status.Report) { r.Polling.Phase = status.Ended }), []string{"polling has ended"}},
		"discovery": {running(func(r *status.Report) {
			r.Polling.PendingTargets = 2
			r.Polling.MissingFleets = []string{"fleet-1"} // is not told before everything was searched
			r.Polling.Discovery = []status.Failure{
				{FarmID: "farm-1", FleetID: "fleet-2", Operation: "ListWorkers", Failures: 2, Reason: "server_error"},
				{Operation: "ListFarms", Failures: 1, Reason: "denied"},
			}
		}), []string{
			"ListFarms failed once in a row: denied",
			"ListWorkers of farm farm-1, fleet fleet-2 failed 2 times in a row: server error",
			"2 of 3 lists of farms, fleets and workers have not been read yet"}},
		"workers": {running(func(r *status.Report) {
			r.Polling.MissingFleets = []string{"fleet-1"}
			r.Polling.CredentialsRefused = true
			r.Polling.Unlisted = []status.Failure{{FarmID: "f", FleetID: "l", WorkerID: "w", Operation: "ListSessionsForWorker", Failures: 3, Reason: "repeated_token"}}
			r.Polling.UnlistedCount, r.Polling.LookupsFailing = 12, 4
		}), []string{
			"fleet fleet-1 is in none of the farms",
			"the credentials are refused",
			"ListSessionsForWorker of farm f, fleet l, worker w failed 3 times in a row: repeated token",
			"11 more workers cannot be listed",
			"the sessions of 4 workers cannot be looked up"}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, c.report.Unready()); d != "" {
				t.Errorf("unready (-want +got):\n%s", d)
			}
		})
	}
}

func TestWriteSummary(t *testing.T) {
	p := status.Polling{Farms: 1, Fleets: 2, Workers: 40, OpenSessions: 7, Operations: map[string]status.Operation{
		"ListFarms":       {},
		"BatchGetSession": {Failed: map[string]uint64{"denied": 1}},
		"ListWorkers":     {Answered: 12, Failed: map[string]uint64{"server_error": 2, "throttled": 1}},
	}}
	var out strings.Builder
	if err := p.WriteSummary(&out); err != nil {
		t.Fatal(err)
	}
	want := `Seen: 1 farm, 2 fleets, 40 workers, 7 open sessions.
  BatchGetSession        answered 0, denied 1
  ListFarms              not tried
  ListWorkers            answered 12, server error 2, throttled 1
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("summary (-want +got):\n%s", d)
	}
	if err := p.WriteSummary(full{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a failed write gives %v", err)
	}
}

// full is a writer that has no room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestHandler(t *testing.T) {
	report := status.Report{}
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "farmwire_test"}))
	handler := status.Handler(func() status.Report { return report }, registry)
	get := func(path string) (int, string) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		return answer.Code, answer.Body.String()
	}
	if code, body := get("/livez"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("/livez: %d %q", code, body)
	}
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || body != "the topics are being opened\n" {
		t.Errorf("/readyz before the topics are open: %d %q", code, body)
	}
	report = status.Report{Stage: status.Running, Shards: []status.Shard{{State: status.Followed}}, Polling: status.Polling{Phase: status.Started, Answered: true}}
	if code, body := get("/readyz"); code != http.StatusOK || body != "ready\n" {
		t.Errorf("/readyz when all is well: %d %q", code, body)
	}
	if code, body := get("/metrics"); code != http.StatusOK || !strings.Contains(body, "farmwire_test 0\n") {
		t.Errorf("/metrics: %d %q", code, body)
	}
}
