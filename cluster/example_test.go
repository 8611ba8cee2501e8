package cluster_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cluster"
)

// A client of franz-go that reads what is committed, and what to make of its errors.
func ExampleConfig_ClientOptions() {
	brokers, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer brokers.Close()

	c := cluster.Config{Brokers: brokers.ListenAddrs()}
	options, err := c.ClientOptions()
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := kgo.NewClient(append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	err = c.Explain(client.Ping(context.Background()))
	if problem, ok := errors.AsType[*cluster.Error](err); ok {
		fmt.Println(problem.Kind, problem.Text)
	}
	switch {
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("reached")
	}
	// Output: reached
}
