package farmwire_test

import (
	"context"
	"net/http"
	"strings"
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
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	client := deadline.New(deadline.Options{
		Region: "us-west-2", BaseEndpoint: aws.String(farm.URL()),
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
		HTTPClient:  &http.Client{Transport: transport},
	}, poller.ClientOptions)
	types := make(chan string, 10)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- farmwire.Run(ctx, farmwire.Config{
			Client:    client,
			Poller:    poller.Config{Rate: 100, Staleness: 100 * time.Millisecond, Discovery: 100 * time.Millisecond},
			Publisher: publisher.Config{Region: "us-west-2", Initial: "open"},
			DryRun: func(r event.Record) error {
				for _, h := range r.Headers {
					if h.Key == "ce_type" {
						types <- string(h.Value)
					}
				}
				return nil
			},
		}, zap.NewNop())
	}()
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
	looked := func() (n int) {
		for _, count := range farm.Calls()[farmtest.BatchGetSession] {
			n += count
		}
		return n
	}
	before := looked()
	for looked() < before+3 { // the first answer has been taken in
		if ctx.Err() != nil {
			t.Fatal("the session is not looked up")
		}
		time.Sleep(10 * time.Millisecond)
	}
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
