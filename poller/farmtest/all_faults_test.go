package farmtest_test

import (
	"context"
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
)

// TestAllFaultsLeaveRoomForProgress lists workers under the preset: every answer may fail, most do not.
func TestAllFaultsLeaveRoomForProgress(t *testing.T) {
	cfg := farmtest.AllFaults(2)
	cfg.Workers, cfg.Speed, cfg.Quotas = 30, 60, nil
	cfg.Faults = farmtest.Without(cfg.Faults, farmtest.Slow, farmtest.Hang)
	srv := start(t, cfg)
	client := newClient(t, srv)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	known := map[string]bool{}
	complete, failed := 0, 0
	for _, s := range srv.Cloud().Truth() {
		if known[s.WorkerID] {
			continue
		}
		known[s.WorkerID] = true
		for range 20 {
			if list(ctx, client, s) {
				complete++
			} else {
				failed++
			}
		}
	}
	if complete < failed || failed == 0 {
		t.Errorf("%d listings complete, %d failed", complete, failed)
	}
	t.Logf("%d listings complete, %d failed; struck: %v", complete, failed, srv.Stats().Faults)
}

// list reports whether the listing came to an end within 20 pages.
func list(ctx context.Context, client *deadline.Client, s farmtest.SessionTruth) bool {
	in := &deadline.ListSessionsForWorkerInput{FarmId: &s.FarmID, FleetId: &s.FleetID, WorkerId: &s.WorkerID}
	for range 20 {
		out, err := client.ListSessionsForWorker(ctx, in)
		if err != nil || out.Sessions == nil {
			return false
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return true
		}
	}
	return false
}
