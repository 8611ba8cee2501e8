package publisher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cluster"
)

// TopicSpec says what new topics are to be like.
type TopicSpec struct {
	Partitions        int // of each topic; those of the state topic are the shards
	ReplicationFactor int // of each topic; existing topics with fewer replicas are refused
}

const (
	appearTimeout = 10 * time.Second
	spreadTime    = 500 * time.Millisecond // how long it may take until all brokers know a new topic
)

// CreateTopics creates the topics that are missing, with as many partitions and replicas as the spec says, and returns
// the names of those that it created. It returns when every broker shows them.
//
// The events topic keeps its records forever, the ended topic for 7 days, and the state topic is compacted. With three
// replicas or more a write needs two of them. Several instances may create the topics at the same moment.
//
// Existing topics stay as they are, and no permission to create is needed for them. If one has another number of partitions,
// CreateTopics creates nothing and returns ErrRefused. CheckTopics checks everything else.
func CreateTopics(ctx context.Context, c Config, s TopicSpec) (created []string, err error) {
	client, err := c.adminClient(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	var existing []string
	err = c.askSeeds(func() (err error) {
		existing, err = c.existing(ctx, admin, s)
		return err
	})
	if err != nil {
		return nil, c.explainClosed(ctx, err)
	}
	var missing []string
	for r, d := range topicTable() {
		name := c.topic(role(r))
		if slices.Contains(existing, name) {
			continue
		}
		missing = append(missing, name)
		switch err := createTopic(ctx, admin, name, d, s); {
		case err == nil:
			created = append(created, name)
		case !errors.Is(err, kerr.TopicAlreadyExists):
			return created, c.explain(err)
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	return created, c.appear(ctx, client, missing)
}

func createTopic(ctx context.Context, admin *kadm.Client, name string, d topicDesign, s TopicSpec) error {
	settings := make(map[string]*string)
	for setting, value := range d.settings(s.ReplicationFactor) {
		settings[setting] = &value
	}
	answer, err := admin.CreateTopic(ctx, int32(s.Partitions), int16(s.ReplicationFactor), settings, name)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return fmt.Errorf("%w: %w", ErrRefused, &cluster.Error{
			Kind: TooFewBrokers,
			Text: fmt.Sprintf("%s can't have %d replicas, because there are fewer brokers", name, s.ReplicationFactor),
			Err:  errors.New(cmp.Or(cluster.OneLine(answer.ErrMessage), err.Error())),
		})
	}
	return fmt.Errorf("create %s: %w %s", name, err, cluster.OneLine(answer.ErrMessage))
}

// existing returns the topics that exist. It refuses one with another number of partitions than the spec says, because
// all topics must have the same number.
func (c Config) existing(ctx context.Context, admin *kadm.Client, s TopicSpec) (names []string, err error) {
	details, err := admin.ListTopics(ctx, c.Topics()...)
	if err != nil {
		return nil, fmt.Errorf("look at the topics: %w", err)
	}
	for _, d := range details.Sorted() {
		if d.Err != nil {
			continue
		}
		names = append(names, d.Topic)
		if n := len(d.Partitions); n != s.Partitions {
			return nil, refuse(PartitionsDiffer, "%s has %d partitions and %d are asked for, and the number can't be changed later", d.Topic, n, s.Partitions)
		}
	}
	return names, nil
}

// adminClient makes a client whose requests end with ctx. Otherwise its requests for metadata could outlast the context of
// the call that needs them.
func (c Config) adminClient(ctx context.Context) (*kgo.Client, error) {
	opts, err := c.Cluster.ClientOptions()
	if err != nil {
		return nil, err
	}
	return kgo.NewClient(append(opts,
		kgo.WithContext(ctx),
		kgo.RetryTimeout(openTimeout/2),  // long enough for two brokers that do not answer, and a third that does
		kgo.MetadataMinAge(spreadTime/4), // a topic that was missing is soon looked for again
	)...)
}

// askSeeds calls ask, which is to be the first to use a client. If a bootstrap broker closes the connection at once, the client
// does not go on to the next one by itself, but its next request does. So askSeeds calls ask once for each of them at most.
func (c Config) askSeeds(ask func() error) (err error) {
	for range c.Cluster.Brokers {
		err = ask()
		if _, closed := errors.AsType[*kgo.ErrFirstReadEOF](err); !closed {
			break
		}
	}
	return err
}
