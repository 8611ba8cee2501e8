package main

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"

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

// stage is the surroundings of Farmwire: a farm, a broker, and a listener for probes and metrics.
type stage struct {
	farm     *farmtest.Server
	looks    *looks // at the workers of the farm
	broker   *kafkatest.Cluster
	listener net.Listener
}

// openStage starts the farm and the broker, and creates the topics.
func openStage(ctx context.Context, play farmtest.Config) (*stage, error) {
	looks := newLooks()
	play.Observer = looks.observe
	s := &stage{farm: farmtest.New(play), looks: looks}
	err := s.farm.Start("")
	if err != nil {
		return nil, err
	}
	if s.broker, err = kafkatest.StartFake(ctx, 1); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if _, err := publisher.CreateTopics(ctx, s.kafka(), topics()); err != nil {
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
	if s.listener != nil {
		_ = s.listener.Close() // an error if Farmwire has closed it already
	}
	return errors.Join(append(errs, s.farm.Close())...)
}

// kafka returns the configuration of publishing to the broker of the stage.
func (s *stage) kafka() publisher.Config {
	return publisher.Config{
		Cluster:     cluster.Config{Brokers: s.broker.Addrs()},
		TopicPrefix: topicPrefix, Region: region, Initial: "open",
	}
}

func topics() publisher.TopicSpec {
	return publisher.TopicSpec{Partitions: shards, ReplicationFactor: 1}
}

// farmwire returns the configuration of Farmwire, with which it lists each worker once in staleness.
func (s *stage) farmwire(workers int, staleness time.Duration) farmwire.Config {
	const (
		spare = 1.5 // for more workers than asked for, and for requests beside the listings
		least = 100 // discovery takes a twentieth, and its five lists are read once a second
	)
	return farmwire.Config{
		Client: s.client(),
		Poller: poller.Config{
			Rate:      least + spare*float64(workers)/staleness.Seconds(),
			Staleness: staleness,
			Discovery: max(time.Second, staleness),
		},
		Publisher: s.kafka(),
		Topics:    topics(),
		Listener:  s.listener,
	}
}

// client returns a client of the simulated farm. It ignores the AWS settings of this machine.
func (s *stage) client() *deadline.Client {
	return deadline.New(deadline.Options{
		Region:       region,
		BaseEndpoint: aws.String(s.farm.URL()),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "demo", SecretAccessKey: "demo"}, nil
		}),
	}, poller.ClientOptions)
}

// calls returns how many API calls the farm has answered, by operation.
func (s *stage) calls() map[string]int {
	calls := map[string]int{}
	for operation, outcomes := range s.farm.Calls() {
		for _, n := range outcomes {
			calls[string(operation)] += n
		}
	}
	return calls
}

// addresses are where other programs can connect.
type addresses struct {
	Brokers []string // host:port
	Topics  string   // prefix
	HTTP    string   // host:port of metrics and probes
	Farm    string   // URL of the simulated farm
}

// addresses returns where other programs can connect.
func (s *stage) addresses() addresses {
	return addresses{Brokers: s.broker.Addrs(), Topics: topicPrefix, HTTP: s.listener.Addr().String(), Farm: s.farm.URL()}
}
