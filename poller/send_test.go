package poller

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"farmwire/diff"
	"farmwire/poller/schedule"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// The requests for statuses of workers and for the sessions of a job, and what their answers say.
func TestRequestsForWorkersAndJobs(t *testing.T) {
	const (
		sent      = `{"identifiers":[{"farmId":"farm-1","fleetId":"fleet-1","workerId":"worker-1"},{"farmId":"farm-1","fleetId":"fleet-2","workerId":"worker-2"}]}`
		statuses  = `{"workers":[{"farmId":"farm-1","fleetId":"fleet-1","workerId":"worker-1","status":"RUNNING","createdAt":"2026-01-01T00:00:00Z","createdBy":"x","hostProperties":{"hostName":"h"}}],"errors":[{"farmId":"farm-1","fleetId":"fleet-2","workerId":"worker-2","code":"ResourceNotFoundException","message":"no worker-2"}]}`
		ofJob     = `{"sessions":[{"sessionId":"session-1","fleetId":"fleet-1","workerId":"worker-1","startedAt":"2026-01-01T00:00:00Z","lifecycleStatus":"STARTED"}],"nextToken":"u"}`
		jobPath   = "/2023-10-12/farms/farm-1/queues/queue-1/jobs/job-1/sessions?maxResults=100"
		batchPath = "/2023-10-12/batch-get-worker"
	)
	batch := schedule.Call{Kind: schedule.BatchGetWorker, Workers: []diff.WorkerKey{testKey, key("farm-1", "fleet-2", "worker-2")}}
	job := schedule.Call{Kind: schedule.ListSessions, Job: testJob, Page: 1}
	next := job
	next.Token = "t/u"
	one := diff.Session{WorkerKey: testKey, QueueID: "queue-1", JobID: "job-1", SessionID: "session-1", LifecycleStatus: "STARTED", StartedAt: testTime}
	for name, c := range map[string]struct {
		call       schedule.Call
		request    string
		answer     string
		want       schedule.Answer
		outcome    string // the label of the metric
		unanswered bool   // the operation counts as one that gives no usable answer
	}{
		"workers": {call: batch, request: "POST " + batchPath + " " + sent, answer: statuses, outcome: "ok", want: schedule.Answer{
			Statuses: map[diff.WorkerKey]diff.WorkerStatus{testKey: {Status: "RUNNING", HostName: "h"}}, Gone: []diff.WorkerKey{batch.Workers[1]},
		}},
		"a job":               {call: job, request: "GET " + jobPath + " ", answer: ofJob, outcome: "ok", want: schedule.Answer{Next: "u", Sessions: []diff.Session{one}}},
		"a further page":      {call: next, request: "GET " + jobPath + "&nextToken=t%2Fu ", answer: ofJob, outcome: "ok", want: schedule.Answer{Next: "u", Sessions: []diff.Session{one}}},
		"workers, no list":    {call: batch, request: "POST " + batchPath + " " + sent, answer: "{}", outcome: "ok", unanswered: true, want: schedule.Answer{Reason: schedule.NoList}},
		"workers, not JSON":   {call: batch, request: "POST " + batchPath + " " + sent, answer: "<html>", outcome: "malformed", unanswered: true, want: schedule.Answer{Reason: schedule.Malformed}},
		"a job, no list":      {call: job, request: "GET " + jobPath + " ", answer: "{}", outcome: "ok", unanswered: true, want: schedule.Answer{Reason: schedule.NoList}},
		"a job, a null list":  {call: job, request: "GET " + jobPath + " ", answer: `{"sessions":null}`, outcome: "ok", unanswered: true, want: schedule.Answer{Reason: schedule.NoList}},
		"a job, not Unicode":  {call: job, request: "GET " + jobPath + " ", answer: strings.Replace(ofJob, "session-1", `session-1\ud800`, 1), outcome: "ok", want: schedule.Answer{Reason: schedule.Malformed}},
		"a job, a null entry": {call: job, request: "GET " + jobPath + " ", answer: `{"sessions":[null]}`, outcome: "ok", want: schedule.Answer{Reason: schedule.MissingField}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := ""
				h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					var body []byte
					if r.Body != nil {
						body, _ = io.ReadAll(r.Body)
					}
					got = fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), body)
					w.Header().Set("Content-Type", "application/json")
					io.WriteString(w, c.answer)
				})
				s := New(directClient(direct{handler: h}), Config{}, zap.NewNop(), prometheus.NewRegistry()).service
				r := s.send(t.Context(), c.call)
				if got != c.request {
					t.Errorf("the request is %s\nwant %s", got, c.request)
				}
				if r.SentTick != 1 || r.ArrivedTick != 2 || r.Sent.IsZero() || r.date.IsZero() {
					t.Errorf("the exchange is %+v at %v", r.Exchange, r.date)
				}
				answer := newAssembler(Config{}.withDefaults()).read(&r, knowing(diff.Snapshot{})).Answer
				c.want.Sent, c.want.HasDate = r.Sent, true
				if diff := cmp.Diff(c.want, answer); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				if n := value(t, s.metrics.requests.WithLabelValues(c.call.Kind.Operation(), c.outcome)); n != 1 {
					t.Errorf("%v requests are counted as %s", n, c.outcome)
				}
				if unanswered := len(s.operations.outages(r.Arrived, 0)) > 0; unanswered != c.unanswered {
					t.Errorf("the operation gives no usable answer: %v", unanswered)
				}
			})
		})
	}
}

// The fields that say in the log what a call asks for.
func TestFieldsOfACall(t *testing.T) {
	for name, c := range map[string]struct {
		call schedule.Call
		want map[string]any
	}{
		"workers": {
			schedule.Call{Kind: schedule.BatchGetWorker, Workers: []diff.WorkerKey{testKey, testKey}},
			map[string]any{"operation": "BatchGetWorker", "farm": "farm-1", "workers": int64(2)},
		},
		"a job": {
			schedule.Call{Kind: schedule.ListSessions, Job: testJob, Page: 3},
			map[string]any{"operation": "ListSessions", "farm": "farm-1", "queue": "queue-1", "job": "job-1", "page": int64(3)},
		},
	} {
		got := make(map[string]any)
		for _, f := range callFields(c.call) {
			got[f.Key] = any(f.Integer)
			if f.String != "" {
				got[f.Key] = f.String
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
