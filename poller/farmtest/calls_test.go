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
				t.Errorf("refused by %v", err)
			}
		}
		return n
	}
	if n := passed(); n != 3 {
		t.Errorf("%d calls of a burst of 3", n)
	}
	clock.Set(clock.Now().Add(time.Second))
	if n := passed(); n != 2 {
		t.Errorf("%d calls after a second at 2 a second", n)
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

func TestStatsSeeTwoAtATime(t *testing.T) {
	var mu sync.Mutex
	var observed []farmtest.Call
	srv := start(t, farmtest.Config{
		Faults: []farmtest.Fault{{Kind: farmtest.Hang, Delay: 300 * time.Millisecond, Count: 2}},
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
	if s := srv.Stats(); s.PerWorker != 2 || s.AtOnce != 2 {
		t.Errorf("two at a time are seen as %d, %d", s.PerWorker, s.AtOnce)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, c := range observed {
		if c.WorkerID != worker.ID() || c.Outcome != farmtest.OutcomeCut || len(c.Faults) != 1 || c.Page != 1 {
			t.Errorf("observed %+v", c)
		}
	}
}

func TestOneAfterAnotherIsOneAtATime(t *testing.T) {
	// The observer is slow and the answer longer than the server's buffer: were calls counted out
	// behind the answer, the next one would come before.
	srv := start(t, farmtest.Config{Observer: func(farmtest.Call) { time.Sleep(2 * time.Millisecond) }})
	worker, _ := workerWith(srv, 100)
	clients := []*deadline.Client{newClient(t, srv), newClient(t, srv)} // of one connection each
	for i := range 50 {
		if _, err := clients[i%2].ListSessionsForWorker(t.Context(), listInput(worker)); err != nil {
			t.Fatal(err)
		}
	}
	if s := srv.Stats(); s.PerWorker != 1 || s.AtOnce != 1 {
		t.Errorf("one at a time is seen as %d, %d", s.PerWorker, s.AtOnce)
	}
}

func TestDateIsTheServices(t *testing.T) {
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

func TestCloseBreaksOffAndWaits(t *testing.T) {
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
			t.Errorf("closing gave an answer: %+v", out)
		}
	}()
	for srv.Stats().AtOnce == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	if !observed {
		t.Error("Close came back before the call was over")
	}
	<-arrived
}
