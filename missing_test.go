package farmwire_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"go.uber.org/zap"

	"farmwire"
	"farmwire/event"
	"farmwire/poller"
	"farmwire/poller/farmtest"
	"farmwire/publisher"
)

// Over HTTP, a session whose fleet was deleted is published as vanished when the service's clock, and only that, says that
// a day has passed.
func TestFleetIsDeletedOverHTTP(t *testing.T) {
	farm := farmtest.New(farmtest.Config{})
	if err := farm.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { farm.Close() })
	fleet := farm.Cloud().AddFarm("studio").AddFleet("render")
	fleet.AddWorker().StartSessionAt(nil, time.Now().Add(-time.Hour))
	types := make(chan string, 10)
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	ended := fastDryRun(ctx, t, farm.URL(), func(r event.Record) error {
		for _, h := range r.Headers {
			if h.Key == "ce_type" {
				types <- string(h.Value)
			}
		}
		return nil
	})
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-types:
			if !strings.Contains(got, want) {
				t.Fatalf("got %s, want %s", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("no event %s", want)
		}
	}
	expect("discovered")
	farm.Cloud().Delete(fleet.ID())
	awaitMore := func(operation farmtest.Operation, more int) {
		t.Helper()
		asked := func() (n int) {
			for _, count := range farm.Calls()[operation] {
				n += count
			}
			return n
		}
		for before := asked(); asked() < before+more; time.Sleep(10 * time.Millisecond) {
			if ctx.Err() != nil {
				t.Fatalf("%s is not called", operation)
			}
		}
	}
	awaitMore(farmtest.ListFleets, 3)      // a complete list that lacks the fleet has been taken in
	awaitMore(farmtest.BatchGetSession, 3) // and after that the first answer that names it
	if len(types) > 0 {
		t.Fatalf("too early: %s", <-types)
	}
	farm.Cloud().SetSkew(25 * time.Hour)
	expect("vanished")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// fastDryRun begins a dry run, which polls fast. The channel receives its error.
func fastDryRun(ctx context.Context, t *testing.T, url string, show func(event.Record) error) <-chan error {
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	client := deadline.New(deadline.Options{
		Region: "us-west-2", BaseEndpoint: aws.String(url),
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
		HTTPClient:  &http.Client{Transport: transport},
	}, poller.ClientOptions)
	ended := make(chan error, 1)
	go func() {
		ended <- farmwire.Run(ctx, farmwire.Config{
			Client:    client,
			Poller:    poller.Config{Rate: 100, Staleness: 100 * time.Millisecond, Discovery: 100 * time.Millisecond},
			Publisher: publisher.Config{Region: "us-west-2", Initial: "open"},
			DryRun:    show,
		}, zap.NewNop())
	}()
	return ended
}

// A session whose id is a key of the state topic that Farmwire uses itself makes the listings of its worker malformed, and
// those of no other.
func TestSessionWithOwnKey(t *testing.T) {
	for _, id := range []string{"watch", "absent.farm/fleet/worker", "absent.x"} {
		t.Run(id, func(t *testing.T) {
			farm := farmtest.New(farmtest.Config{})
			fleet := farm.Cloud().AddFarm("studio").AddFleet("render")
			odd := fleet.AddWorker().StartSession(nil)
			fleet.AddWorker().StartSession(nil)
			var listings atomic.Int32 // of the worker with the odd session
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := httptest.NewRecorder()
				farm.ServeHTTP(answer, r)
				if strings.Contains(answer.Body.String(), odd.ID()) {
					listings.Add(1)
				}
				w.WriteHeader(answer.Code)
				_, _ = io.WriteString(w, strings.ReplaceAll(answer.Body.String(), odd.ID(), id))
			}))
			t.Cleanup(server.Close)
			ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
			defer stop()
			keys := make(chan string, 10)
			ended := fastDryRun(ctx, t, server.URL, func(r event.Record) error {
				keys <- string(r.Key)
				return nil
			})
			for listings.Load() < 2 && ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
			select {
			case key := <-keys:
				if key == id {
					t.Error("an event of the session was published")
				}
			case <-ctx.Done():
				t.Error("no event of the other session was published")
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if len(keys) > 0 {
				t.Errorf("an event of %q was published", <-keys)
			}
		})
	}
}
