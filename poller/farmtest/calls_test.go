package farmtest_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/google/go-cmp/cmp"
)

func TestQuotas(t *testing.T) {
	clock := farmtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	srv := start(t, farmtest.Config{Clock: clock, Quotas: map[farmtest.Operation]farmtest.Quota{
		farmtest.ListSessionsForWorker: {Rate: 2, Burst: 3, RetryAfter: time.Second},
	}})
	worker, sessions := workerWith(srv, 1)
	client := newClient(t, srv)
	passed := func() (n int) {
		for range 5 {
			_, err := client.ListSessionsForWorker(t.Context(), listInput(worker))
			if err == nil {
				n++
			} else if _, code, detail := apiError(err); code != "ThrottlingException" || detail != "1s" {
				t.Errorf("refused with %v, want ThrottlingException after 1s", err)
			}
		}
		return n
	}
	if n := passed(); n != 3 {
		t.Errorf("%d calls passed, want the burst of 3", n)
	}
	clock.Set(clock.Now().Add(time.Second))
	if n := passed(); n != 2 {
		t.Errorf("%d calls passed after one second, want 2", n)
	}
	if _, err := client.GetSession(t.Context(), getInput(sessions[0])); err != nil {
		t.Errorf("another operation: %v", err)
	}
	want := map[farmtest.Operation]map[string]int{
		farmtest.ListSessionsForWorker: {farmtest.OutcomeOK: 5, "ThrottlingException": 5},
		farmtest.GetSession:            {farmtest.OutcomeOK: 1},
	}
	if d := cmp.Diff(want, srv.Calls()); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]int{5, 6}, srv.Stats().PerSecond); d != "" {
		t.Errorf("calls per second (-want +got):\n%s", d)
	}
}

func TestStatsCountCallsInFlight(t *testing.T) {
	var mu sync.Mutex
	var observed []farmtest.Call
	srv := start(t, farmtest.Config{
		Faults: []farmtest.Fault{{Kind: farmtest.Hang, Delay: 2 * time.Second, Count: 2}}, // so that the second call arrives while the first hangs
		Observer: func(c farmtest.Call) {
			mu.Lock()
			defer mu.Unlock()
			observed = append(observed, c)
		},
	})
	worker, _ := workerWith(srv, 1)
	client := newClient(t, srv)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { client.ListSessionsForWorker(t.Context(), listInput(worker)) })
	}
	wg.Wait()
	if s := srv.Stats(); s.MaxInFlightPerWorker != 2 || s.MaxInFlight != 2 {
		t.Errorf("in flight: %d for the worker and %d in all, want 2 and 2", s.MaxInFlightPerWorker, s.MaxInFlight)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, c := range observed {
		if c.WorkerID != worker.ID() || c.Outcome != farmtest.OutcomeCut || len(c.Faults) != 1 || c.Page != 1 {
			t.Errorf("observed %+v", c)
		}
	}
}

func TestSequentialCallsAreNotInFlightTogether(t *testing.T) {
	// The observer is slow and the answer is longer than the server's buffer. If a call were in flight until after
	// its answer, the next call would begin before its end.
	srv := start(t, farmtest.Config{Observer: func(farmtest.Call) { time.Sleep(2 * time.Millisecond) }})
	worker, _ := workerWith(srv, 100)
	clients := []*deadline.Client{newClient(t, srv), newClient(t, srv)} // with one connection each
	for i := range 50 {
		if _, err := clients[i%2].ListSessionsForWorker(t.Context(), listInput(worker)); err != nil {
			t.Fatal(err)
		}
	}
	if s := srv.Stats(); s.MaxInFlightPerWorker != 1 || s.MaxInFlight != 1 {
		t.Errorf("in flight: %d for the worker and %d in all, want 1 and 1", s.MaxInFlightPerWorker, s.MaxInFlight)
	}
}

func TestDateHeaderIsTheServiceClock(t *testing.T) {
	clock := farmtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 900e6, time.UTC))
	srv := start(t, farmtest.Config{Clock: clock, Skew: -time.Hour})
	for _, path := range []string{"/2023-10-12/farms", "/nowhere"} {
		res, err := http.Get(srv.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Date"); got != "Sun, 01 Mar 2026 11:00:00 GMT" {
			t.Errorf("%s: Date is %s", path, got)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestCloseAbortsCallsAndWaits(t *testing.T) {
	arrived, observed := make(chan struct{}), false
	srv := farmtest.New(farmtest.Config{
		Faults:   []farmtest.Fault{{Kind: farmtest.Hang}},
		Observer: func(c farmtest.Call) { time.Sleep(20 * time.Millisecond); observed = true },
	})
	if err := srv.Start(""); err != nil {
		t.Fatal(err)
	}
	client := newClient(t, srv)
	worker, _ := workerWith(srv, 1)
	go func() {
		defer close(arrived)
		if out, err := client.ListSessionsForWorker(context.Background(), listInput(worker)); err == nil {
			t.Errorf("the aborted call has the answer %+v", out)
		}
	}()
	for srv.Stats().MaxInFlight == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	if !observed {
		t.Error("Close returned before the call ended")
	}
	<-arrived
}
