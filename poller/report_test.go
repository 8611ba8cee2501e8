package poller

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/diff"
	"farmwire/poller/farmtest"
	"farmwire/poller/schedule"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// If no worker of a fleet can be listed, one warning is logged for all, and one line when all can be listed again.
func TestOneWarningForAFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		for range 20 {
			world.fleet.AddWorker()
		}
		core, logs := observer.New(zapcore.InfoLevel)
		p := New(directClient(direct{handler: world}), testConfig, zap.New(core), nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		observations := p.Own(0, nil)
		go func() {
			w := &watcher{poller: p, snapshots: make(map[diff.WorkerKey]diff.Snapshot)}
			for o := range observations {
				w.take(o)
			}
		}()
		time.Sleep(30 * time.Second)
		world.SetFaults(farmtest.Fault{Kind: farmtest.Denied, Operation: farmtest.ListSessionsForWorker})
		time.Sleep(2 * time.Minute)
		if n := p.State().UnlistedCount; n != 21 {
			t.Errorf("%d workers are unlisted", n)
		}
		world.SetFaults()
		time.Sleep(2 * time.Minute)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for message, want := range map[string]int{
			noteText(schedule.ScopeFails, schedule.ListSessionsForWorker): 1, noteText(schedule.ScopeWorks, schedule.ListSessionsForWorker): 1, noteText(schedule.WorkerFails, schedule.ListSessionsForWorker): 0, noteText(schedule.WorkerWorks, schedule.ListSessionsForWorker): 0,
		} {
			if n := logs.FilterMessage(message).Len(); n != want {
				t.Errorf("%q was logged %d times, want %d", message, n, want)
			}
		}
	})
}
