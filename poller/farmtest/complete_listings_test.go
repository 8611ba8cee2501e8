package farmtest_test

import (
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
)

// listAs lists the sessions of a worker in pages of two with the access key id. It stops at an error.
func listAs(t *testing.T, srv *farmtest.Server, id string, w *farmtest.Worker) {
	t.Helper()
	client := newClient(t, srv)
	in := listInput(w)
	in.MaxResults = aws.Int32(2)
	as := func(o *deadline.Options) { o.Credentials = credentials.NewStaticCredentialsProvider(id, "x", "") }
	for {
		out, err := client.ListSessionsForWorker(t.Context(), in, as)
		if err != nil || out.Sessions == nil || out.NextToken == nil {
			return
		}
		in.NextToken = out.NextToken
	}
}

// The truth has the complete listings that showed a session: the access key id, the beginning and the end.
func TestCompleteListings(t *testing.T) {
	clock := farmtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	srv := start(t, farmtest.Config{Clock: clock})
	worker, sessions := workerWith(srv, 3)
	of := func(n int) farmtest.SessionTruth { return sessions[n].Truth() }

	listAs(t, srv, "one", worker)
	clock.Set(clock.Now().Add(time.Second))
	listAs(t, srv, "two", worker)
	got := of(0)
	if got.CompleteListings != 2 || len(got.Listings) != 2 || got.Listings[0].By != "one" || got.Listings[1].By != "two" {
		t.Fatalf("two listings: %+v", got.Listings)
	}
	if l := got.Listings[1]; !l.Begun.Equal(clock.Now()) || !l.At.Equal(clock.Now()) {
		t.Errorf("the second was at %v", l)
	}
	for name, fault := range map[string]farmtest.Fault{
		"cut":                 {Kind: farmtest.Cut, Page: 2},
		"reset":               {Kind: farmtest.Reset, Page: 2},
		"truncated body":      {Kind: farmtest.Truncated, Page: 2},
		"no JSON":             {Kind: farmtest.NotJSON, Page: 2},
		"no body":             {Kind: farmtest.EmptyBody, Page: 2},
		"no list":             {Kind: farmtest.ListAbsent, Page: 2},
		"null":                {Kind: farmtest.ListNull, Page: 2},
		"a null entry":        {Kind: farmtest.EntryNull, Page: 2},
		"incomplete entry":    {Kind: farmtest.EntryIncomplete, Page: 2},
		"a number for a time": {Kind: farmtest.EpochTime, Page: 2},
		"an error":            {Kind: farmtest.ServerError, Page: 2},
		"empty pages":         {Kind: farmtest.EndlessPages, Page: 1, N: 2},
	} {
		srv.SetFaults(fault)
		clock.Set(clock.Now().Add(time.Second))
		listAs(t, srv, "three", worker)
		if n := of(0).CompleteListings; n != 2 {
			t.Fatalf("%s: %d listings, not 2", name, n)
		}
	}
	srv.SetFaults(farmtest.Fault{Kind: farmtest.Missing})
	clock.Set(clock.Now().Add(time.Second))
	listAs(t, srv, "three", worker)
	srv.SetFaults()
	clock.Set(clock.Now().Add(time.Second))
	later := worker.StartSession(nil)
	clock.Set(clock.Now().Add(time.Second))
	if n := of(0).CompleteListings; n != 2 {
		t.Errorf("%d listings, not 2: one that hid the session is counted", n)
	}
	for range 12 {
		clock.Set(clock.Now().Add(time.Second))
		listAs(t, srv, "four", worker)
	}
	if got := of(1); got.CompleteListings != 14 || len(got.Listings) != 10 {
		t.Errorf("%d listings, %d kept", got.CompleteListings, len(got.Listings))
	}
	if got := later.Truth(); got.CompleteListings != 12 {
		t.Errorf("the later one was in %d listings", got.CompleteListings)
	}
}

// A listing need not show a session that began after the listing. A last page that is requested twice is one listing.
func TestCompleteListingsOfALaterSessionAndARepeatedPage(t *testing.T) {
	srv := start(t, farmtest.Config{})
	worker, sessions := workerWith(srv, 3)
	client := newClient(t, srv)
	in := listInput(worker)
	in.MaxResults = aws.Int32(2)
	out, err := client.ListSessionsForWorker(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Millisecond)
	later := worker.StartSession(nil)
	in.NextToken, in.MaxResults = out.NextToken, aws.Int32(100)
	for range 2 {
		if _, err := client.ListSessionsForWorker(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if n := later.Truth().CompleteListings; n != 0 {
		t.Errorf("the later one: %d listings, not 0", n)
	}
	got := sessions[2].Truth()
	if got.CompleteListings != 1 || !got.Listings[0].At.After(got.Listings[0].Begun) {
		t.Errorf("%d listings, not 1: %v", got.CompleteListings, got.Listings)
	}
}
