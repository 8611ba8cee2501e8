package farmtest_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"farmwire/poller/farmtest"

	"github.com/google/go-cmp/cmp"
)

func TestBoto3(t *testing.T) {
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("boto3 is not installed: pip install boto3")
	}
	srv := start(t, farmtest.Config{PageSize: 2})
	fleet := srv.Cloud().AddFarm("f").AddFleet("render")
	var want []string
	for range 3 {
		worker := fleet.AddWorker()
		job := fleet.Farm().AddJob("")
		for i := range 5 {
			s := worker.StartSession(job)
			if i%2 == 0 {
				s.SetTarget()
				s.End()
			}
			want = append(want, s.ID())
		}
	}
	out, err := exec.CommandContext(t.Context(), "python3", "testdata/boto3_client.py", srv.URL()).Output()
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			t.Fatalf("%v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var got struct {
		Sessions, Items, Errors, Workers, OfJobs []string
		GoneWorkers                              [][]any
		Missing                                  []any
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(got.Sessions)
	slices.Sort(got.Items)
	if d := cmp.Diff(want, got.Sessions); d != "" {
		t.Errorf("listed (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want, got.Items); d != "" {
		t.Errorf("found (-want +got):\n%s", d)
	}
	slices.Sort(got.OfJobs)
	if d := cmp.Diff(want, got.OfJobs); d != "" {
		t.Errorf("listed by job (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"IDLE", "IDLE", "IDLE"}, got.Workers); d != "" {
		t.Errorf("statuses (-want +got):\n%s", d)
	}
	notFound := "ResourceNotFoundException"
	if d := cmp.Diff([]string{notFound, notFound, notFound}, got.Errors); d != "" {
		t.Errorf("errors (-want +got):\n%s", d)
	}
	if d := cmp.Diff([][]any{{"worker-" + strings.Repeat("0", 32), true, notFound}}, got.GoneWorkers); d != "" {
		t.Errorf("workers that do not exist (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]any{404.0, notFound, "worker"}, got.Missing); d != "" {
		t.Errorf("missing worker (-want +got):\n%s", d)
	}
}
