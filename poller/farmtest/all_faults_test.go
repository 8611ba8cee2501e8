package farmtest_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
)

// TestAllFaultsHasEveryKind reads the kinds from the source and looks for a rule of each.
func TestAllFaultsHasEveryKind(t *testing.T) {
	on := map[farmtest.Kind]bool{}
	for _, f := range farmtest.AllFaults(1).Faults {
		on[f.Kind] = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != "Kind" || len(spec.Values) != 1 {
			return true
		}
		kinds++
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if !on[farmtest.Kind(text)] {
			t.Errorf("there is no rule of %s", text)
		}
		return true
	})
	if kinds < 30 {
		t.Errorf("only %d kinds found", kinds)
	}
}

// TestAllFaultsAllowProgress lists workers with all faults. Every answer may fail, but most must not.
func TestAllFaultsAllowProgress(t *testing.T) {
	cfg := farmtest.AllFaults(2)
	cfg.Workers, cfg.Speed, cfg.Quotas = 30, 60, nil
	cfg.Faults = farmtest.Without(cfg.Faults, farmtest.Slow, farmtest.Hang)
	srv := start(t, cfg)
	client := newClient(t, srv)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
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
	t.Logf("%d listings complete, %d failed; injected: %v", complete, failed, srv.Stats().Faults)
}

// TestAllFaultsStrikeEveryOperation asks with all faults. Every operation fails sometimes, in several ways, and works mostly.
func TestAllFaultsStrikeEveryOperation(t *testing.T) {
	cfg := farmtest.AllFaults(3)
	cfg.Quotas = nil
	// The faults that come from time to time must not strike more calls where the calls are slower.
	cfg.Clock = farmtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	cfg.Faults = farmtest.Without(cfg.Faults, farmtest.Slow, farmtest.Hang)
	srv := start(t, cfg)
	client := newClient(t, srv)
	_, sessions := jobWith(srv, 20)
	const calls = 600 // enough for each operation to meet several of the rare kinds
	for range calls {
		everyOperation(t.Context(), client, sessions[0])
	}
	for _, op := range farmtest.Operations() {
		outcomes := srv.Calls()[op]
		if outcomes[farmtest.OutcomeOK] < calls*7/10 || len(outcomes) < 5 {
			t.Errorf("%s: %v", op, outcomes)
		}
	}
	if n := len(srv.Calls()); n != len(farmtest.Operations()) {
		t.Errorf("%d operations were called: %v", n, srv.Calls())
	}
}

// TestAllFaultsLimitTheNewOperations looks for a rule that denies the new operations for a while, and for their quotas.
func TestAllFaultsLimitTheNewOperations(t *testing.T) {
	cfg := farmtest.AllFaults(1)
	for _, op := range []farmtest.Operation{farmtest.ListWorkers, farmtest.BatchGetWorker, farmtest.ListSessions, farmtest.BatchGetSession} {
		if cfg.Quotas[op].Rate == 0 {
			t.Errorf("%s has no quota", op)
		}
		denies := func(f farmtest.Fault) bool { return f.Kind == farmtest.Denied && f.Operation == op && f.Every > 0 }
		if !slices.ContainsFunc(cfg.Faults, denies) {
			t.Errorf("%s is never denied for a while", op)
		}
	}
}

// list lists the worker of a session and reports whether the listing was complete after at most 20 pages.
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
