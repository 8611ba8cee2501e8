package consumer_test

import (
	"context"
	"errors"
	"fmt"

	"farmwire/cluster"
	"farmwire/consumer"
	"farmwire/event"
)

// Print the sessions that end from now on.
func ExampleReader() {
	ctx := context.Background() // until the program is to stop
	c := consumer.Config{Cluster: cluster.Config{Brokers: []string{"kafka-1:9092", "kafka-2:9092"}}, TopicPrefix: "deadline.sessions"}
	r, err := consumer.Open(ctx, c, consumer.Now(), c.EndedTopic())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	for {
		records, err := r.Read(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, record := range records {
			e, err := record.Event()
			switch {
			case errors.Is(err, event.ErrUnknown):
				continue // a newer Farmwire wrote it
			case err != nil:
				fmt.Println(err)
			default:
				fmt.Println(e.Session.SessionID, "ended at", e.Session.EndedAt)
			}
		}
	}
}
