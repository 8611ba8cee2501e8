package farmwire_test

import (
	"context"
	"fmt"
	"log"
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

// A dry run hands the events of the sessions that it sees to a function. Without DryRun they go to Kafka, and
// Config.Publisher says where.
func ExampleRun() {
	// A simulated farm with one worker that has run a session for an hour. In production the client is one of poller.NewClient's.
	farm := farmtest.New(farmtest.Config{})
	if err := farm.Start(""); err != nil {
		log.Fatal(err)
	}
	defer farm.Close()
	farm.Cloud().AddFarm("studio").AddFleet("render").AddWorker().StartSessionAt(nil, time.Now().Add(-time.Hour))
	client := deadline.New(deadline.Options{
		Region:       "us-west-2",
		BaseEndpoint: aws.String(farm.URL()),
		Credentials:  credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
	}, poller.ClientOptions)

	ctx, stop := context.WithCancel(context.Background())
	err := farmwire.Run(ctx, farmwire.Config{
		Client:    client,
		Poller:    poller.Config{Rate: 50},
		Publisher: publisher.Config{Region: client.Options().Region, Initial: "open"},
		DryRun: func(r event.Record) error {
			e, err := event.Decode(r.Key, r.Value, r.Headers)
			fmt.Println(e.Type)
			stop()
			return err
		},
	}, zap.NewNop())
	fmt.Println("stopped:", err)
	// Output:
	// farmwire.session.discovered.v1
	// stopped: <nil>
}
