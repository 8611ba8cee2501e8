package farmtest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/aws/smithy-go/document"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// noSerde makes the SDK's types comparable.
var noSerde = cmpopts.IgnoreTypes(document.NoSerde{})

func workersInput(workers ...*farmtest.Worker) *deadline.BatchGetWorkerInput {
	in := &deadline.BatchGetWorkerInput{Identifiers: []types.BatchGetWorkerIdentifier{}}
	for _, w := range workers {
		in.Identifiers = append(in.Identifiers, types.BatchGetWorkerIdentifier{
			FarmId: aws.String(w.Fleet().Farm().ID()), FleetId: aws.String(w.Fleet().ID()), WorkerId: aws.String(w.ID()),
		})
	}
	return in
}

// BatchGetWorker shows the same as ListWorkers, and an error for each worker that does not exist.
func TestBatchGetWorker(t *testing.T) {
	srv := start(t, farmtest.Config{})
	client := newClient(t, srv)
	farm := srv.Cloud().AddFarm("f")
	fleet := farm.AddFleet("render")
	one, gone := fleet.AddWorker(), fleet.AddWorker()
	closed := farm.AddFleet("closed").AddWorker()
	elsewhere := srv.Cloud().AddFarm("other").AddFleet("spot").AddWorker()
	one.SetStatus(farmtest.WorkerRunning)
	gone.Delete()
	srv.Cloud().Delete(closed.Fleet().ID())
	in := workersInput(gone, one, closed, elsewhere, one)
	in.Identifiers[4].FarmId = aws.String("farm-1")
	out, err := client.BatchGetWorker(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.ListWorkers(t.Context(), &deadline.ListWorkersInput{FarmId: aws.String(farm.ID()), FleetId: aws.String(fleet.ID())})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range out.Workers {
		got = append(got, *w.WorkerId+" "+string(w.Status))
	}
	if d := cmp.Diff([]string{one.ID() + " RUNNING", elsewhere.ID() + " IDLE"}, got); d != "" {
		t.Errorf("workers (-want +got):\n%s", d)
	}
	if d := cmp.Diff(list.Workers[0], types.WorkerSummary(out.Workers[0]), noSerde); d != "" {
		t.Errorf("ListWorkers and BatchGetWorker differ:\n%s", d)
	}
	var errs []string
	for _, e := range out.Errors {
		errs = append(errs, strings.Join([]string{*e.FarmId, *e.FleetId, *e.WorkerId, string(e.Code), *e.Message}, "|"))
	}
	refused := func(w *farmtest.Worker, farmID, kind, id string) string {
		return strings.Join([]string{farmID, w.Fleet().ID(), w.ID(), "ResourceNotFoundException",
			"Resource of type " + kind + " with id " + id + " does not exist."}, "|")
	}
	want := []string{
		refused(gone, farm.ID(), "worker", gone.ID()),
		refused(closed, farm.ID(), "fleet", closed.Fleet().ID()),
		refused(one, "farm-1", "farm", "farm-1"),
	}
	if d := cmp.Diff(want, errs); d != "" {
		t.Errorf("errors (-want +got):\n%s", d)
	}
}

func TestBatchGetWorkerItemFaults(t *testing.T) {
	srv := start(t, farmtest.Config{})
	client := newClient(t, srv)
	fleet := srv.Cloud().AddFarm("f").AddFleet("render")
	struck, spared := fleet.AddWorker(), fleet.AddWorker()
	cases := map[farmtest.Kind]string{
		farmtest.ItemServerError: "InternalServerErrorException",
		farmtest.ItemInvalid:     "ValidationException",
		farmtest.ItemElsewhere:   "ResourceNotFoundException Resource of type fleet with id " + fleet.ID() + " does not exist.",
		farmtest.ItemUnknownCode: "ConflictException",
		farmtest.ItemOmitted:     "",
	}
	for kind, want := range cases {
		srv.SetFaults(farmtest.Fault{Kind: kind, Operation: farmtest.BatchGetWorker, Worker: struck.ID()})
		out, err := client.BatchGetWorker(t.Context(), workersInput(struck, spared))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, e := range out.Errors {
			got += string(e.Code) + " " + *e.Message
		}
		if !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: got %q, want %q", kind, got, want)
		}
		if len(out.Workers) != 1 || *out.Workers[0].WorkerId != spared.ID() {
			t.Errorf("%s: workers %+v", kind, out.Workers)
		}
		srv.SetFaults(farmtest.Fault{Kind: kind, Operation: farmtest.BatchGetSession})
		if out, err := client.BatchGetWorker(t.Context(), workersInput(struck)); err != nil || len(out.Workers) != 1 {
			t.Errorf("%s of BatchGetSession: %+v, %v", kind, out, err)
		}
	}
}

// The lists of batch operations are damaged as those of listings are.
func TestDamagedBatches(t *testing.T) {
	srv := start(t, farmtest.Config{Seed: 5})
	client := newClient(t, srv)
	worker, sessions := workerWith(srv, 3)
	workers := []*farmtest.Worker{worker, worker.Fleet().AddWorker(), worker.Fleet().AddWorker()}
	damages := func(kind farmtest.Kind) (d damage) {
		srv.SetFaults(farmtest.Fault{Kind: kind})
		if out, err := client.BatchGetWorker(t.Context(), workersInput(workers...)); err != nil {
			d.Failed++
		} else if out.Workers == nil {
			d.Absent++
		} else {
			for _, w := range out.Workers {
				d.add(countTrue(w.WorkerId == nil, w.FleetId == nil, w.FarmId == nil, w.Status == ""))
			}
		}
		if out, err := client.BatchGetSession(t.Context(), batchInput(sessions...)); err != nil {
			d.Failed++
		} else if out.Sessions == nil {
			d.Absent++
		} else {
			for _, s := range out.Sessions {
				d.add(countTrue(s.SessionId == nil, s.JobId == nil, s.QueueId == nil, s.FarmId == nil, s.WorkerId == nil,
					s.StartedAt == nil, s.LifecycleStatus == ""))
			}
		}
		return d
	}
	for kind, want := range map[farmtest.Kind]damage{
		farmtest.ListAbsent: {Absent: 2}, farmtest.ListNull: {Absent: 2}, farmtest.EntryNull: {Null: 2},
		farmtest.EntryIncomplete: {Lacking: 2}, farmtest.EpochTime: {Failed: 2}, farmtest.UnknownFields: {},
		farmtest.RepeatedToken: {}, farmtest.PagesShift: {},
	} {
		if d := cmp.Diff(want, damages(kind)); d != "" {
			t.Errorf("%s (-want +got):\n%s", kind, d)
		}
	}
}

// damage counts what is wrong with answers: lists that are absent, entries that are null or lack a member, and answers that
// cannot be decoded.
type damage struct{ Absent, Null, Lacking, Failed int }

// add counts an entry of which n required members are missing.
func (d *damage) add(n int) {
	switch {
	case n == 1:
		d.Lacking++
	case n > 1:
		d.Null++
	}
}

// A body that the SDK would not send is refused.
func TestRefusedBatches(t *testing.T) {
	srv := start(t, farmtest.Config{})
	for _, path := range []string{"batch-get-worker", "batch-get-session"} {
		for body, want := range map[string]int{
			``: 400, `[]`: 400, `{"identifiers":[]}`: 400, `{"identifiers":[{"farmId":"f"}]}`: 400, `{"identifiers":7}`: 400,
		} {
			res, err := http.Post(srv.URL()+"/2023-10-12/"+path, "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s %q: %d, want %d", path, body, res.StatusCode, want)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// A stale answer shows the workers' statuses as they were.
func TestStaleWorkerStatuses(t *testing.T) {
	s := newScenario(t, farmtest.Fault{Kind: farmtest.StaleStatuses, Delay: time.Nanosecond})
	worker := s.session.Worker()
	status := func() string {
		t.Helper()
		batch, err := s.client.BatchGetWorker(t.Context(), workersInput(worker))
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.client.ListWorkers(t.Context(), &deadline.ListWorkersInput{
			FarmId: batch.Workers[0].FarmId, FleetId: batch.Workers[0].FleetId,
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(list.Workers[0], types.WorkerSummary(batch.Workers[0]), noSerde); d != "" {
			t.Errorf("ListWorkers and BatchGetWorker differ:\n%s", d)
		}
		return string(batch.Workers[0].Status)
	}
	worker.SetStatus(farmtest.WorkerRunning)
	if got := status(); got != "IDLE" {
		t.Errorf("the stale status is %s", got)
	}
	s.wait(time.Second)
	if got := status(); got != "RUNNING" {
		t.Errorf("later the status is %s", got)
	}
	for range 200 { // more than are kept
		worker.SetStatus(farmtest.WorkerIdle)
		worker.SetStatus(farmtest.WorkerRunning)
	}
	if got := status(); got != "IDLE" { // and not RUNNING, which it was before all that
		t.Errorf("the oldest kept status is %s", got)
	}
	worker.SetStatus(farmtest.WorkerStopping)
	s.srv.SetFaults()
	if got := status(); got != "STOPPING" {
		t.Errorf("the fresh status is %s", got)
	}
}
