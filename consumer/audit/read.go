package audit

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"farmwire/cluster"
	"farmwire/consumer"
)

const (
	askTimeout  = 15 * time.Second       // how long it may take to find the topics and their offsets
	fetchSize   = 4 << 20                // bytes of one answer with records
	fetchWait   = 500 * time.Millisecond // after which a broker answers even if it has no records
	fetchPause  = 100 * time.Millisecond // after an answer that does not help
	openFor     = 90 * time.Second       // how long a transaction may stay open, and a little more
	fetchesOver = 2                      // how many more partitions are read at once than there are processors
)

// span is a range of offsets: from first to before end.
type span struct{ first, end int64 }

// reader reads the topics through one client.
type reader struct {
	config   consumer.Config
	client   *kgo.Client
	admin    *kadm.Client
	patience time.Duration // how long a partition may give no records
	done     atomic.Int64  // how many offsets were read
	total    atomic.Int64  // how many there are
}

// openReader returns a reader whose requests end with ctx.
func openReader(ctx context.Context, c consumer.Config) (*reader, error) {
	options, err := c.Cluster.ClientOptions()
	if err != nil {
		return nil, err
	}
	// Later versions of the request name a topic only by its number, and refer readers to other replicas.
	const fetch, newest = 1, 10
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(fetch, newest)
	client, err := kgo.NewClient(append(options, kgo.WithContext(ctx), kgo.MaxVersions(versions), kgo.RetryTimeout(askTimeout/2), kgo.DisableClientMetrics())...)
	if err != nil {
		return nil, err
	}
	return &reader{config: c, client: client, admin: kadm.NewClient(client), patience: 30 * time.Second}, nil
}

func (r *reader) close() { r.client.Close() }

func (r *reader) topics() []string {
	c := r.config
	return []string{c.StateTopic(), c.CoverageTopic(), c.EndedTopic(), c.EventsTopic()}
}

// explain adds what an error means. ctx is that of the request.
func (r *reader) explain(ctx context.Context, err error) error {
	return r.config.Cluster.ExplainClosed(ctx, err, r.topics()...)
}

// endedBy returns an error with that of ctx in it, if ctx has ended. The request that was cut off may say only that its client was
// closed, or that no broker answered.
func endedBy(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// exist returns an error if one of the topics does not exist. It gives up after askTimeout.
func (r *reader) exist(ctx context.Context, topics ...string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return r.explain(ctx, consumer.Exist(ctx, r.admin, topics...))
}

// end is where a partition ends.
type end bool

const (
	committed end = false // behind the newest record that a reader sees
	written   end = true  // behind everything that was written, in transactions that may not have ended yet
)

// spans returns which offsets of each partition of a topic to read. It gives up after askTimeout.
func (r *reader) spans(ctx context.Context, topic string, upTo end) ([]span, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	spans, err := r.askSpans(ctx, topic, upTo)
	if err != nil {
		return nil, r.explain(ctx, err)
	}
	for _, s := range spans {
		r.total.Add(s.end - s.first)
	}
	return spans, nil
}

func (r *reader) askSpans(ctx context.Context, topic string, upTo end) ([]span, error) {
	// The end is asked for first. The first offset may move on later, but not beyond the end.
	ask := r.admin.ListCommittedOffsets
	if upTo == written {
		ask = r.admin.ListEndOffsets
	}
	ends, err := ask(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, err
	}
	firsts, err := consumer.Beginning().Offsets(ctx, r.admin, topic)
	if err != nil {
		return nil, err
	}
	spans := make([]span, len(ends[topic]))
	for p := range spans {
		end, ok := ends.Lookup(topic, int32(p))
		first, also := firsts.Lookup(topic, int32(p))
		if !ok || !also {
			return nil, fmt.Errorf("offsets of %s/%d: none were given", topic, p)
		}
		spans[p] = span{first.Offset, end.Offset}
	}
	return spans, nil
}

// visitor takes the records of a partition, in their order. A record is valid until forget is called, after the last.
type visitor interface {
	visit(*kgo.Record)
	forget()
}

// readTopic passes the records of the spans to the visitors of their partitions, several partitions at once. It returns when all
// are read, or when a partition cannot be read.
func readTopic[V visitor](ctx context.Context, r *reader, topic string, spans []span, visitors []V) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	leaders, err := r.leaders(ctx, topic)
	if err != nil {
		return err
	}
	places := make(chan struct{}, runtime.GOMAXPROCS(0)+fetchesOver)
	var reading sync.WaitGroup
	for p, s := range spans {
		reading.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			at := partitionReader{r, topic, int32(p), leaders[int32(p)]}
			if err := at.read(ctx, s, visitors[p].visit); err != nil {
				cancel(err)
			}
			visitors[p].forget()
		})
	}
	reading.Wait()
	return context.Cause(ctx)
}

// leaders returns the leader of each partition of a topic that has one.
func (r *reader) leaders(ctx context.Context, topic string) (map[int32]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	of := kmsg.NewMetadataRequestTopic()
	of.Topic = kmsg.StringPtr(topic)
	request.Topics = append(request.Topics, of)
	answer, err := request.RequestWith(ctx, r.client)
	if err != nil {
		return nil, r.explain(ctx, fmt.Errorf("look at %s: %w", topic, err))
	}
	leaders := make(map[int32]int32)
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if p.Leader >= 0 {
				leaders[p.Partition] = p.Leader
			}
		}
	}
	return leaders, nil
}

// partitionReader reads one partition.
type partitionReader struct {
	*reader
	topic     string
	partition int32
	leader    int32
}

var (
	// errNoProgress says that an answer has no records, and does not show that there are none.
	errNoProgress = errors.New("the broker sends no records")

	// errOpen says that the records after an offset are in a transaction that has not ended.
	errOpen = errors.New("a transaction has not ended, so that no consumer can read on")

	// errNotNamed says that an answer leaves out what was asked for.
	errNotNamed = errors.New("the answer leaves out what was asked for")
)

// read passes the records of a span to visit, in their order. An answer without records does not mean that there are none: a
// broker that is slow sends one too. So read asks again until a batch covers each offset, or until the leader serves the partition
// up to the end of the span and still has no records there, because compaction has removed them.
func (at *partitionReader) read(ctx context.Context, s span, visit func(*kgo.Record)) error {
	progress := time.Now()
	for next := s.first; next < s.end; {
		records, after, err := at.fetch(ctx, span{next, s.end})
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, kerr.OffsetOutOfRange):
			return &cluster.Error{Kind: RecordsGone, Text: fmt.Sprintf("records of %s/%d were deleted while the topic was read: run the audit again", at.topic, at.partition)}
		case errors.Is(err, errOpen) && time.Since(progress) < openFor:
			at.pause(ctx)
			continue
		case err != nil && time.Since(progress) >= at.patience:
			asking, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			return at.explain(asking, fmt.Errorf("%s/%d could be read only up to offset %d of %d: %w", at.topic, at.partition, next, s.end, err))
		case err != nil:
			at.pause(ctx)
			continue
		}
		for _, record := range records {
			if record.Offset < s.end && !record.Attrs.IsControl() {
				visit(record)
			}
		}
		after = min(after, s.end)
		at.done.Add(after - next)
		next, progress = after, time.Now()
	}
	return nil
}

// pause waits a moment, and then looks which broker leads the partition.
func (at *partitionReader) pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(fetchPause):
	}
	if leaders, err := at.leaders(ctx, at.topic); err == nil {
		if leader, ok := leaders[at.partition]; ok {
			at.leader = leader
		}
	}
}

// fetch asks the leader once for the first records of a span. It also returns the offset to read next.
func (at *partitionReader) fetch(ctx context.Context, s span) ([]*kgo.Record, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, at.patience)
	defer cancel()
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = at.partition, s.first, fetchSize
	of := kmsg.NewFetchRequestTopic()
	of.Topic, of.Partitions = at.topic, append(of.Partitions, partition)
	request := kmsg.NewPtrFetchRequest()
	const readCommitted = 1
	request.ReplicaID, request.SessionEpoch, request.IsolationLevel = -1, -1, readCommitted
	// The limit of the partition is what counts. Where the limit of the answer cuts it off, kfake does not say what was aborted.
	request.MinBytes, request.MaxBytes, request.MaxWaitMillis = 1, 2*fetchSize, int32(fetchWait.Milliseconds())
	request.Topics = append(request.Topics, of)
	m, err := at.client.Broker(int(at.leader)).RetriableRequest(ctx, request)
	if err != nil {
		return nil, s.first, err
	}
	answer := m.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return nil, s.first, err
	}
	for _, t := range answer.Topics {
		i := slices.IndexFunc(t.Partitions, func(p kmsg.FetchResponseTopicPartition) bool { return p.Partition == at.partition })
		if t.Topic == at.topic && i >= 0 {
			return at.fetched(s, &t.Partitions[i])
		}
	}
	return nil, s.first, errNotNamed
}

// fetched returns the records in an answer, and the offset to read next. It uses franz-go, which leaves out aborted records and
// knows how many offsets are covered by batches that compaction has emptied.
func (at *partitionReader) fetched(s span, answer *kmsg.FetchResponseTopicPartition) ([]*kgo.Record, int64, error) {
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return nil, s.first, err
	}
	if len(answer.RecordBatches) == 0 {
		switch {
		case answer.LastStableOffset >= s.end:
			return nil, s.end, nil
		case answer.LastStableOffset == s.first && answer.HighWatermark > s.first:
			return nil, s.first, errOpen
		}
		return nil, s.first, errNoProgress
	}
	how := kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: s.first, IsolationLevel: kgo.ReadCommitted(), Topic: at.topic, Partition: at.partition}
	of, next := kgo.ProcessFetchPartition(how, answer, kgo.DefaultDecompressor(), nil)
	if of.Err != nil {
		return nil, s.first, fmt.Errorf("records from offset %d: %w", s.first, of.Err)
	}
	if next <= s.first {
		return nil, s.first, errNoProgress
	}
	return of.Records, next, nil
}
