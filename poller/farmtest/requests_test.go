package farmtest_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/google/go-cmp/cmp"
)

// Each request has a line with what its answer showed, and each worker one with when it existed.
func TestRequestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	begun := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := farmtest.NewClock(begun)
	srv := start(t, farmtest.Config{Clock: clock, PageSize: 2, Order: farmtest.OldestFirst, RequestFile: path, Faults: []farmtest.Fault{
		{Kind: farmtest.Denied, Operation: farmtest.GetSession},
		{Kind: farmtest.ListNull, Operation: farmtest.ListFarms},
	}})
	worker, sessions := workerWith(srv, 3)
	client := newClient(t, srv)
	in := listInput(worker)
	first, err := client.ListSessionsForWorker(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	clock.Set(begun.Add(time.Second))
	in.NextToken = first.NextToken
	if _, err := client.ListSessionsForWorker(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetSession(t.Context(), getInput(sessions[0])); err == nil {
		t.Error("no error, but it is denied")
	}
	_, _ = client.ListFarms(t.Context(), &deadline.ListFarmsInput{}) // the answer is damaged
	worker.Delete()
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	var requests []farmtest.RequestTruth
	for _, line := range lines[:len(lines)-1] {
		var r farmtest.RequestTruth
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		requests = append(requests, r)
	}
	var shown []string
	for _, s := range sessions {
		shown = append(shown, s.ID())
	}
	later := begun.Add(time.Second)
	farm, fleet := worker.Fleet().Farm().ID(), worker.Fleet().ID()
	page := func(at time.Time, complete bool, ids ...string) farmtest.RequestTruth {
		return farmtest.RequestTruth{Operation: farmtest.ListSessionsForWorker, By: "AKID", FarmID: farm, FleetID: fleet, WorkerID: worker.ID(),
			Arrived: at, Shown: &at, Done: at, Outcome: "ok", Begun: &begun, Complete: complete, IDs: ids}
	}
	want := []farmtest.RequestTruth{
		page(begun, false, shown[:2]...),
		page(later, true, shown[2:]...),
		{Operation: farmtest.GetSession, By: "AKID", FarmID: farm, Arrived: later, Done: later, Outcome: "AccessDeniedException"},
		{Operation: farmtest.ListFarms, By: "AKID", Arrived: later, Shown: &later, Done: later, Outcome: "ok", Damaged: true, Begun: &later, IDs: []string{farm}},
	}
	if d := cmp.Diff(want, requests); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
	var w farmtest.WorkerTruth
	if err := json.Unmarshal(lines[len(lines)-1], &w); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(farmtest.WorkerTruth{FarmID: farm, FleetID: fleet, WorkerID: worker.ID(), Created: begun, Deleted: &later}, w); d != "" {
		t.Errorf("worker (-want +got):\n%s", d)
	}
}

// Rules that are added come first, and their removal leaves the others.
func TestAddedFaults(t *testing.T) {
	srv := start(t, farmtest.Config{Faults: []farmtest.Fault{{Kind: farmtest.Denied, Operation: farmtest.ListFarms}}})
	client := newClient(t, srv)
	code := func() string {
		_, err := client.ListFarms(t.Context(), &deadline.ListFarmsInput{})
		_, code, _ := apiError(err)
		return code
	}
	remove := srv.AddFaults(farmtest.Fault{Kind: farmtest.ServerError})
	if got := code(); got != "InternalServerErrorException" {
		t.Errorf("with the added rule: %s", got)
	}
	remove()
	if got := code(); got != "AccessDeniedException" {
		t.Errorf("without it: %s", got)
	}
}
