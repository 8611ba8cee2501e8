package farmtest_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/google/go-cmp/cmp"
)

// listing is a listing of a worker that fits on one page.
type listing struct {
	worker        string
	sent, arrived time.Time
	sessions      map[string]shown
}

// TestEachAnswerShowsOneInstant lists workers while the farm changes. For each listing there must be an instant,
// between the request and the answer, at which the listing was the truth.
func TestEachAnswerShowsOneInstant(t *testing.T) {
	srv := start(t, farmtest.Config{
		Seed: 11, Workers: 40, Speed: 4000, History: -1, Churn: 1, Grace: 200 * time.Millisecond,
		Faults: []farmtest.Fault{
			{Kind: farmtest.LateShow, Probability: 0.2, Delay: 50 * time.Millisecond},
			{Kind: farmtest.EndWithoutTime, Probability: 0.2, Delay: 20 * time.Millisecond},
			{Kind: farmtest.EndTimeFirst, Probability: 0.2, Delay: 20 * time.Millisecond},
			{Kind: farmtest.Slow, Probability: 0.2, Delay: 20 * time.Millisecond},
		},
	})
	client := newClient(t, srv)
	// The test lasts long enough for much to change, and until there are enough listings even on a slow machine.
	const least, enough = 1500 * time.Millisecond, 100
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	begun := time.Now()
	var mu sync.Mutex
	var listings []listing
	done := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return ctx.Err() != nil || len(listings) >= enough && time.Since(begun) >= least
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := i; !done(); n++ {
				if l, ok := listWorker(ctx, srv, client, n); ok {
					mu.Lock()
					listings = append(listings, l)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	byWorker := map[string][]farmtest.SessionTruth{}
	for _, s := range srv.Cloud().Truth() {
		byWorker[s.WorkerID] = append(byWorker[s.WorkerID], s)
	}
	for _, l := range listings {
		if !l.explainedBy(byWorker[l.worker]) {
			t.Fatalf("no instant explains %+v", l)
		}
	}
	if len(listings) < enough {
		t.Errorf("only %d listings", len(listings))
	}
	t.Logf("%d listings, %d sessions", len(listings), len(srv.Cloud().Truth()))
	if len(listings) > 0 { // prove that the check can fail
		l := listings[len(listings)/2]
		l.sessions = map[string]shown{"session-invented": {Status: "STARTED"}}
		if l.explainedBy(byWorker[l.worker]) {
			t.Error("a listing with an invented session is accepted")
		}
	}
}

// listWorker lists the sessions of the n-th worker.
func listWorker(ctx context.Context, srv *farmtest.Server, client *deadline.Client, n int) (listing, bool) {
	farms, err := client.ListFarms(ctx, &deadline.ListFarmsInput{})
	if err != nil {
		return listing{}, false
	}
	fleets, err := client.ListFleets(ctx, &deadline.ListFleetsInput{FarmId: farms.Farms[0].FarmId})
	if err != nil {
		return listing{}, false
	}
	fleet := fleets.Fleets[n%len(fleets.Fleets)]
	workers, err := client.ListWorkers(ctx, &deadline.ListWorkersInput{FarmId: fleet.FarmId, FleetId: fleet.FleetId})
	if err != nil || len(workers.Workers) == 0 {
		return listing{}, false
	}
	worker := workers.Workers[n%len(workers.Workers)].WorkerId
	l := listing{worker: *worker, sessions: map[string]shown{}, sent: srv.Now()}
	out, err := client.ListSessionsForWorker(ctx, &deadline.ListSessionsForWorkerInput{
		FarmId: fleet.FarmId, FleetId: fleet.FleetId, WorkerId: worker, MaxResults: aws.Int32(100)})
	if err != nil || out.NextToken != nil {
		return listing{}, false
	}
	l.arrived = srv.Now()
	for _, s := range out.Sessions {
		l.sessions[*s.SessionId] = shownSummary(s)
	}
	return l, true
}

// explainedBy reports whether the listing shows the truth of some instant. It tries those at which something changed.
func (l listing) explainedBy(truth []farmtest.SessionTruth) bool {
	instants := []time.Time{l.sent}
	for _, s := range truth {
		for _, st := range s.States {
			if !st.Shown.Before(l.sent) && !st.Shown.After(l.arrived) {
				instants = append(instants, st.Shown)
			}
		}
	}
	for _, at := range instants {
		if cmp.Equal(stateAt(truth, at), l.sessions) {
			return true
		}
	}
	return false
}

func stateAt(truth []farmtest.SessionTruth, at time.Time) map[string]shown {
	all := map[string]shown{}
	for _, s := range truth {
		for _, st := range s.States {
			if !st.Shown.After(at) {
				all[s.SessionID] = shown{st.LifecycleStatus, aws.ToString(st.TargetLifecycleStatus), aws.ToTime(st.EndedAt)}
			}
		}
	}
	return all
}

func TestTruthFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "truth.jsonl")
	srv := farmtest.New(farmtest.Config{TruthFile: path, Skew: time.Second, Faults: []farmtest.Fault{{Kind: farmtest.StaleEnds, Delay: time.Second}}})
	if err := srv.Start(""); err != nil {
		t.Fatal(err)
	}
	worker := srv.Cloud().AddFarm("f").AddFleet("render").AddWorker()
	open, gone := worker.StartSession(nil), worker.StartSession(nil)
	open.SetTarget()
	gone.End()
	gone.Forget()
	want := []farmtest.SessionTruth{gone.Truth(), open.Truth()}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines:\n%s", len(lines), text)
	}
	var got [2]farmtest.SessionTruth
	for i := range got {
		if err := json.Unmarshal([]byte(lines[i]), &got[i]); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(want, got[:]); d != "" {
		t.Errorf("sessions (-want +got):\n%s", d)
	}
	if !got[0].Forgotten || got[0].ForgottenAt == nil || got[1].Forgotten || got[1].EndedAt != nil {
		t.Errorf("forgotten, then open: %+v", got)
	}
	var last struct{ Farm farmtest.FarmTruth }
	if err := json.Unmarshal([]byte(lines[2]), &last); err != nil {
		t.Fatal(err)
	}
	if f := last.Farm; !f.StaleReads || !f.StaleEnds || f.StaleStatuses || f.Missing || f.Skew != time.Second {
		t.Errorf("farm is %+v", f)
	}
}

// A rule for an operation that shows no sessions makes no session's reads stale.
func TestTruthOfStaleWorkers(t *testing.T) {
	for op, stale := range map[farmtest.Operation]bool{
		farmtest.AnyOperation: true, farmtest.ListSessions: true, farmtest.BatchGetSession: true,
		farmtest.ListWorkers: false, farmtest.BatchGetWorker: false,
	} {
		srv := farmtest.New(farmtest.Config{Faults: []farmtest.Fault{{Kind: farmtest.StaleStatuses, Operation: op}}})
		var text strings.Builder
		if err := srv.Cloud().WriteTruth(&text); err != nil {
			t.Fatal(err)
		}
		var last struct{ Farm farmtest.FarmTruth }
		if err := json.Unmarshal([]byte(text.String()), &last); err != nil {
			t.Fatal(err)
		}
		if f := last.Farm; f.StaleReads != stale || f.StaleStatuses != stale {
			t.Errorf("%q: stale reads %v, stale statuses %v, want %v", op, f.StaleReads, f.StaleStatuses, stale)
		}
		srv.Close()
	}
}
