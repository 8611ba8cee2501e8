package paginator_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/deadline"

	"farmwire/diff"
	"farmwire/poller/paginator"
)

// A worker's sessions are listed four at a time, each piece by a new Paginator. For AWS, poller.NewClient or
// deadline.NewFromConfig makes the client.
func ExamplePaginator() {
	if err := printPieces(context.Background(), exampleClient()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// session-0
	// session-1
	// session-2
	// session-3
	// next: eyJuZXh0VG9rZW4iOiAiMyIsICJib3RvX3RydW5jYXRlX2Ftb3VudCI6IDF9
	// session-4
	// session-5
	// session-6
}

func printPieces(ctx context.Context, client paginator.SessionLister) error {
	worker := diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: "worker-1"}
	options := paginator.Options{PageSize: new(3), MaxItems: new(4)}
	for {
		pages, err := paginator.New(client, worker, options)
		if err != nil {
			return err
		}
		for page, err := range pages.Pages(ctx) {
			if err != nil {
				return err
			}
			for _, session := range page.Sessions {
				fmt.Println(*session.SessionId)
			}
		}
		next := pages.NextToken()
		if next == "" {
			return nil
		}
		fmt.Println("next:", next)
		options.StartingToken = &next
	}
}

// exampleClient has seven sessions, three on a page.
func exampleClient() paginator.SessionLister {
	return lister(func(token string) *deadline.ListSessionsForWorkerOutput {
		first := 0
		fmt.Sscan(token, &first)
		out := &deadline.ListSessionsForWorkerOutput{}
		for i := first; i < min(first+3, 7); i++ {
			out.Sessions = append(out.Sessions, sessionsNamed(fmt.Sprintf("session-%d", i))...)
		}
		if first+3 < 7 {
			out.NextToken = new(fmt.Sprint(first + 3))
		}
		return out
	})
}
