package farmtest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"farmwire/poller/farmtest"
)

// BenchmarkListing measures a listing of 100 sessions without the network.
func BenchmarkListing(b *testing.B) {
	srv := farmtest.New(farmtest.Config{})
	defer srv.Close()
	worker := srv.Cloud().AddFarm("f").AddFleet("render").AddWorker()
	for range 100 {
		worker.StartSession(nil).End()
	}
	path := "/2023-10-12/farms/" + worker.Fleet().Farm().ID() + "/fleets/" + worker.Fleet().ID() + "/workers/" + worker.ID() + "/sessions"
	b.ReportAllocs()
	for b.Loop() {
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Code)
		}
	}
}

// BenchmarkLargeFarm measures one second of a timeline with 7,500 workers and 20,000 open sessions.
func BenchmarkLargeFarm(b *testing.B) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	srv := farmtest.New(farmtest.Config{Clock: farmtest.NewClock(at), Workers: 7500, Sessions: 20000, Fleets: 5, Churn: 0.01})
	defer srv.Close()
	for b.Loop() {
		at = at.Add(time.Second)
		srv.Advance(at)
	}
	b.ReportMetric(float64(len(srv.Cloud().Truth())), "sessions")
}
