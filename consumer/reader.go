package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cluster"
)

// openTimeout is how long it may take to find the topics and the offsets at which to begin.
const openTimeout = 15 * time.Second

// Reader reads all partitions of some topics from a position on, without a consumer group. Read is for one goroutine. Reach may be
// called by another at the same time.
type Reader struct {
	config  Config
	client  *kgo.Client
	topics  []string
	backlog backlog
	failed  error // why it cannot go on reading
}

// Open finds where to begin in each partition, and begins to read. It gives up after 15 seconds. Its error is an [*cluster.Error]
// where the cause is known, with the kind TopicMissing if a topic does not exist. Partitions that are added later are not read.
func Open(ctx context.Context, c Config, from Position, topics ...string) (*Reader, error) {
	asking, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	begin, ends, err := c.begin(asking, from, topics)
	if err != nil {
		return nil, c.explain(asking, err)
	}
	options, err := c.Cluster.ClientOptions()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(options,
		kgo.ConsumePartitions(begin),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // they show how far a partition was read
		kgo.DisableClientMetrics(),
	)...)
	if err != nil {
		return nil, err
	}
	return &Reader{config: c, client: client, topics: topics, backlog: newBacklog(from.at, ends)}, nil
}

// begin returns at which offset to begin in each partition, and the ends of the partitions that have records from there on.
func (c Config) begin(ctx context.Context, from Position, topics []string) (begin map[string]map[int32]kgo.Offset, ends map[place]int64, err error) {
	admin, err := c.Admin(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer admin.Close()
	if err := Exist(ctx, admin, topics...); err != nil {
		return nil, nil, err
	}
	committed, err := Now().Offsets(ctx, admin, topics...)
	if err != nil {
		return nil, nil, err
	}
	starts, err := from.Offsets(ctx, admin, topics...)
	if err != nil {
		return nil, nil, err
	}
	begin, ends = map[string]map[int32]kgo.Offset{}, map[place]int64{}
	starts.Each(func(o kadm.ListedOffset) {
		if begin[o.Topic] == nil {
			begin[o.Topic] = map[int32]kgo.Offset{}
		}
		begin[o.Topic][o.Partition] = kgo.NoResetOffset().At(o.Offset)
		if end, ok := committed.Lookup(o.Topic, o.Partition); ok && o.Offset < end.Offset {
			ends[place{o.Topic, o.Partition}] = end.Offset
		}
	})
	return begin, ends, nil
}

// Admin returns a client for requests about topics, offsets and groups. They end with ctx. The caller closes it.
func (c Config) Admin(ctx context.Context) (*kadm.Client, error) {
	options, err := c.Cluster.ClientOptions()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(options, kgo.WithContext(ctx), kgo.RetryTimeout(openTimeout/2), kgo.DisableClientMetrics())...)
	if err != nil {
		return nil, err
	}
	return kadm.NewClient(client), nil
}

// Exist returns an error of the kind TopicMissing if one of the topics does not exist.
func Exist(ctx context.Context, admin *kadm.Client, topics ...string) error {
	details, err := admin.ListTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("look at the topics: %w", err)
	}
	for _, topic := range topics {
		switch err := details[topic].Err; {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			return &cluster.Error{Kind: TopicMissing, Text: fmt.Sprintf("there is no topic %s", topic)}
		case err != nil:
			return fmt.Errorf("look at %s: %w", topic, err)
		}
	}
	return nil
}

// explain adds what an error means. ctx is that of the request.
func (c Config) explain(ctx context.Context, err error) error {
	return c.Cluster.ExplainClosed(ctx, err, c.EventsTopic(), c.EndedTopic(), c.StateTopic())
}

// Close ends reading.
func (r *Reader) Close() { r.client.Close() }

// Read waits for records until ctx ends, and then returns the context's error. It returns what was there when the reader was
// opened in the order of time, as far as the clocks of the instances that wrote it agree, and what comes later by partition. If
// the brokers send nothing of it for two seconds, it does not wait for the rest of that order. The records of a partition are
// always in their order.
//
// An error of the kind RecordsGone says that records were deleted before they were read, and one of the kind TopicMissing that
// a topic was deleted. After an error, but for that of the context, each call returns it again.
//
// Brokers that cannot be reached are no error: Read waits for them, and Reach says whether they can be.
func (r *Reader) Read(ctx context.Context) ([]Record, error) {
	for {
		if records := r.backlog.take(); len(records) > 0 {
			return records, nil
		}
		if r.failed != nil {
			return nil, r.failed
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r.poll(ctx)
	}
}

// poll waits for records, or for an error, until ctx ends or the backlog has waited long enough.
func (r *Reader) poll(ctx context.Context) {
	waiting, cancel := r.backlog.patience(ctx)
	defer cancel()
	began := time.Now()
	fetches := r.client.PollFetches(waiting)
	r.backlog.waited(time.Since(began))
	fetches.EachRecord(r.backlog.add)
	for _, e := range fetches.Errors() {
		if waiting.Err() == nil || !errors.Is(e.Err, waiting.Err()) {
			r.failed = r.failure(ctx, e)
			r.backlog.giveUp()
			return
		}
	}
}

// failure says what the error of a fetch means.
func (r *Reader) failure(ctx context.Context, e kgo.FetchError) error {
	switch {
	case errors.Is(e.Err, kerr.OffsetOutOfRange):
		return &cluster.Error{Kind: RecordsGone, Text: fmt.Sprintf("records of %s/%d were deleted before they were read", e.Topic, e.Partition)}
	case errors.Is(e.Err, kerr.UnknownTopicID):
		return &cluster.Error{Kind: TopicMissing, Text: fmt.Sprintf("the topic %s was deleted while it was read", e.Topic)}
	}
	return r.config.explain(ctx, fmt.Errorf("read %s: %w", e.Topic, e.Err))
}

// Reach asks the leader of each partition how far it is, and returns why there is no answer. It waits for five seconds at most.
func (r *Reader) Reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cluster.DialTimeout)
	defer cancel()
	// If no broker can be reached, Ping returns at once and says why.
	err := r.client.Ping(ctx)
	if err == nil {
		_, err = Now().Offsets(ctx, kadm.NewClient(r.client), r.topics...)
	}
	return r.config.explain(ctx, err)
}
