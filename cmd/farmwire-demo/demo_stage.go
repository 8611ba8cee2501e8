package main

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"farmwire"
	"farmwire/cluster"
	"farmwire/poller"
	"farmwire/poller/farmtest"
	"farmwire/publisher"
	"farmwire/publisher/kafkatest"
)

const (
	region      = "eu-west-1"
	topicPrefix = "deadline.sessions"
	shards      = 12
)

// stage is all that Farmwire needs around it: a farm, a broker, and a door for probes and metrics.
type stage struct {
	farm   *farmtest.Server
	broker *kafkatest.Cluster
	door   net.Listener
}

// openStage starts the farm and the broker, and creates the topics.
func openStage(ctx context.Context, play farmtest.Config) (*stage, error) {
	s := &stage{farm: farmtest.New(play)}
	err := s.farm.Start("")
	if err != nil {
		return nil, err
	}
	if s.broker, err = kafkatest.StartFake(ctx, 1); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.door, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := publisher.CreateTopics(ctx, s.kafka(), topics()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close stops what was started.
func (s *stage) Close() error {
	var errs []error
	if s.broker != nil {
		errs = append(errs, s.broker.Close())
	}
	if s.door != nil {
		_ = s.door.Close() // for the second time, if Farmwire ran
	}
	return errors.Join(append(errs, s.farm.Close())...)
}

// kafka says how to publish on this stage.
func (s *stage) kafka() publisher.Config {
	return publisher.Config{
		Cluster:     cluster.Config{Brokers: s.broker.Addrs()},
		TopicPrefix: topicPrefix, Region: region, Initial: "open",
	}
}

func topics() publisher.TopicSpec {
	return publisher.TopicSpec{Partitions: shards, ReplicationFactor: 1}
}

// farmwire is Farmwire's configuration on this stage, polling each worker once in staleness.
func (s *stage) farmwire(workers int, staleness time.Duration) farmwire.Config {
	const spare = 1.5 // more workers than asked for, and what is asked beside their listings
	return farmwire.Config{
		Client: s.client(),
		Poller: poller.Config{
			Rate:      20 + spare*float64(workers)/staleness.Seconds(),
			Staleness: staleness,
			Discovery: max(time.Second, staleness),
		},
		Publisher: s.kafka(),
		Topics:    topics(),
		Listener:  s.door,
	}
}

// client is a client of the simulated farm, whatever AWS settings this machine has.
func (s *stage) client() *deadline.Client {
	return deadline.New(deadline.Options{
		Region:       region,
		BaseEndpoint: aws.String(s.farm.URL()),
		Retryer:      aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "demo", SecretAccessKey: "demo"}, nil
		}),
		APIOptions: []func(*middleware.Stack) error{withoutHostPrefix},
	})
}

// withoutHostPrefix keeps "management." off the host, which has no such name.
func withoutHostPrefix(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("WithoutHostPrefix",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			return next.HandleInitialize(smithyhttp.DisableEndpointHostPrefix(ctx, true), in)
		}), middleware.Before)
}

// calls are the API calls that the farm has answered, by operation.
func (s *stage) calls() map[string]int {
	calls := map[string]int{}
	for operation, outcomes := range s.farm.Calls() {
		for _, n := range outcomes {
			calls[string(operation)] += n
		}
	}
	return calls
}

// addresses are where a visitor can join in.
func (s *stage) addresses() addresses {
	return addresses{Brokers: s.broker.Addrs(), Topics: topicPrefix, HTTP: s.door.Addr().String(), Farm: s.farm.URL()}
}
