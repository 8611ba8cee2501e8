package farmtest_test

import (
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/google/go-cmp/cmp"
)

func TestOperationsReturnTheModel(t *testing.T) {
	srv := start(t, farmtest.Config{PageSize: 2})
	client := newClient(t, srv)
	ctx := t.Context()
	farm := srv.Cloud().AddFarm("Größe")
	fleet := farm.AddFleet("render")
	worker := fleet.AddWorker()
	var want []string // newest first
	for range 5 {
		want = append([]string{worker.StartSession(nil).ID()}, want...)
	}

	farms, err := client.ListFarms(ctx, &deadline.ListFarmsInput{})
	if err != nil {
		t.Fatal(err)
	}
	if got := *farms.Farms[0].FarmId + *farms.Farms[0].DisplayName; got != farm.ID()+"Größe" {
		t.Errorf("farm is %q", got)
	}
	fleets, err := client.ListFleets(ctx, &deadline.ListFleetsInput{FarmId: aws.String(farm.ID())})
	if err != nil {
		t.Fatal(err)
	}
	if got := fleets.Fleets[0]; *got.FleetId != fleet.ID() || got.CreatedAt.IsZero() || *got.WorkerCount != 1 {
		t.Errorf("fleet is %+v", got)
	}
	workers, err := client.ListWorkers(ctx, &deadline.ListWorkersInput{FarmId: aws.String(farm.ID()), FleetId: aws.String(fleet.ID())})
	if err != nil {
		t.Fatal(err)
	}
	if got := workers.Workers[0]; *got.WorkerId != worker.ID() || *got.HostProperties.HostName != worker.HostName() {
		t.Errorf("worker is %+v", got)
	}
	pages := deadline.NewListSessionsForWorkerPaginator(client, listInput(worker))
	var got []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Sessions {
			got = append(got, *s.SessionId)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("sessions (-want +got):\n%s", d)
	}
	if n := srv.Calls()[farmtest.ListSessionsForWorker][farmtest.OutcomeOK]; n != 3 {
		t.Errorf("%d calls for three pages", n)
	}
}

func listInput(w *farmtest.Worker) *deadline.ListSessionsForWorkerInput {
	return &deadline.ListSessionsForWorkerInput{
		FarmId: aws.String(w.Fleet().Farm().ID()), FleetId: aws.String(w.Fleet().ID()), WorkerId: aws.String(w.ID()),
	}
}

func batchInput(sessions ...*farmtest.Session) *deadline.BatchGetSessionInput {
	in := &deadline.BatchGetSessionInput{}
	for _, s := range sessions {
		in.Identifiers = append(in.Identifiers, types.BatchGetSessionIdentifier{
			FarmId:  aws.String(s.Worker().Fleet().Farm().ID()),
			QueueId: aws.String(s.Job().QueueID()), JobId: aws.String(s.Job().ID()), SessionId: aws.String(s.ID()),
		})
	}
	return in
}

func getInput(s *farmtest.Session) *deadline.GetSessionInput {
	return &deadline.GetSessionInput{
		FarmId:  aws.String(s.Worker().Fleet().Farm().ID()),
		QueueId: aws.String(s.Job().QueueID()), JobId: aws.String(s.Job().ID()), SessionId: aws.String(s.ID()),
	}
}

// shown is what an answer shows of a session.
type shown struct {
	Status, Target string
	EndedAt        time.Time
}

func shownItem(s types.BatchGetSessionItem) shown {
	return shown{string(s.LifecycleStatus), string(s.TargetLifecycleStatus), aws.ToTime(s.EndedAt)}
}

func shownSummary(s types.WorkerSessionSummary) shown {
	return shown{string(s.LifecycleStatus), string(s.TargetLifecycleStatus), aws.ToTime(s.EndedAt)}
}

func TestSessionsOfADeletedWorkerCanBeFetched(t *testing.T) {
	srv := start(t, farmtest.Config{})
	client := newClient(t, srv)
	worker := srv.Cloud().AddFarm("f").AddFleet("render").AddWorker()
	ended, lost, deleted, gone := worker.StartSession(nil), worker.StartSession(nil), worker.StartSession(nil), worker.StartSession(nil)
	ended.SetTarget()
	ended.End()
	lost.Update("UPDATE_IN_PROGRESS")
	worker.Lose()
	deleted.Job().Delete()
	gone.Forget()

	out, err := client.BatchGetSession(t.Context(), batchInput(ended, lost, deleted, gone))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]shown{}
	for _, s := range out.Sessions {
		got[*s.SessionId] = shownItem(s)
	}
	want := map[string]shown{
		ended.ID(): {Status: "ENDED", Target: "ENDED", EndedAt: *ended.Truth().EndedAt},
		lost.ID():  {Status: "UPDATE_IN_PROGRESS"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("sessions (-want +got):\n%s", d)
	}
	messages := map[string]string{}
	for _, e := range out.Errors {
		messages[*e.SessionId] = string(e.Code) + ": " + *e.Message
	}
	wantErrors := map[string]string{
		deleted.ID(): "ResourceNotFoundException: Resource of type job with id " + deleted.Job().ID() + " does not exist.",
		gone.ID():    "ResourceNotFoundException: Resource of type session with id " + gone.ID() + " does not exist.",
	}
	if d := cmp.Diff(wantErrors, messages); d != "" {
		t.Errorf("errors (-want +got):\n%s", d)
	}
	one, err := client.GetSession(t.Context(), getInput(lost))
	if err != nil {
		t.Fatal(err)
	}
	if *one.WorkerId != worker.ID() || one.LifecycleStatus != "UPDATE_IN_PROGRESS" || one.Log == nil {
		t.Errorf("session is %+v", one)
	}
}

func TestDeletionEndsOpenSessions(t *testing.T) {
	srv := start(t, farmtest.Config{Clock: farmtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))})
	worker, sessions := workerWith(srv, 1)
	worker.Delete()
	out, err := newClient(t, srv).BatchGetSession(t.Context(), batchInput(sessions[0]))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(shown{Status: "ENDED", EndedAt: srv.Now()}, shownItem(out.Sessions[0])); d != "" {
		t.Errorf("session (-want +got):\n%s", d)
	}
	if at := sessions[0].Truth().WorkerDeleted; at == nil || !at.Equal(srv.Now()) {
		t.Errorf("deleted at %v", at)
	}
}
