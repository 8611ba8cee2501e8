package farmtest_test

import (
	"testing"
	"time"

	"farmwire/poller/farmtest"
)

func TestPeriodicFault(t *testing.T) {
	clock := farmtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	srv := start(t, farmtest.Config{Clock: clock, Faults: []farmtest.Fault{
		{Kind: farmtest.Denied, Every: time.Minute, For: 10 * time.Second},
	}})
	worker, _ := workerWith(srv, 1)
	client := newClient(t, srv)
	denied := ""
	for range 24 {
		mark := "."
		if _, err := client.ListSessionsForWorker(t.Context(), listInput(worker)); err != nil {
			mark = "x"
		}
		denied += mark
		clock.Set(clock.Now().Add(5 * time.Second))
	}
	if want := "..........xx..........xx"; denied != want {
		t.Errorf("denied at %s, want %s", denied, want)
	}
}
