package poller_test

import (
	"context"
	"fmt"
	"time"

	"farmwire/diff"
	"farmwire/poller"
	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"go.uber.org/zap"
)

// A Poller observes a worker, and package diff says what has changed. The service is a simulated one.
func Example() {
	service := farmtest.New(farmtest.Config{})
	if err := service.Start(""); err != nil {
		fmt.Println(err)
		return
	}
	defer service.Close()
	session := service.Cloud().AddFarm("farm").AddFleet("fleet").AddWorker().StartSession(nil)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	config := poller.Config{Rate: 100, Staleness: 100 * time.Millisecond}
	p := poller.New(exampleClient(service.URL()), config, zap.NewNop(), nil)
	result := make(chan error)
	go func() { result <- p.Run(ctx) }()

	snapshots := make(map[diff.WorkerKey]diff.Snapshot)
	for observation := range p.Own(0, nil) {
		snapshot, known := snapshots[observation.Worker]
		if !known {
			snapshot = diff.NewSnapshot(observation.Worker, diff.Watch{})
		}
		changes := diff.Between(snapshot, observation)
		for _, change := range changes.Events {
			fmt.Println(change.Sequence, change.Kind, change.Session.LifecycleStatus)
			switch change.Kind {
			case diff.Started:
				session.End()
			case diff.Ended:
				cancel()
			}
		}
		snapshots[observation.Worker] = diff.Apply(snapshot, changes)
		p.Committed(snapshots[observation.Worker])
	}
	fmt.Println("error:", <-result)
	// Output:
	// 1 started STARTED
	// 2 ended ENDED
	// error: <nil>
}

// exampleClient makes a client of the simulated service. For AWS use poller.NewClient.
func exampleClient(url string) *deadline.Client {
	return deadline.New(deadline.Options{
		Region:       "us-west-2",
		BaseEndpoint: &url,
		Credentials:  credentials.NewStaticCredentialsProvider("id", "secret", ""),
	}, poller.ClientOptions)
}
