package publisher

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/event"
	"farmwire/publisher/kafkatest"
)

// In the tests of this file brokers give empty or wrong answers for a while, as they do when they throttle or were just
// started. None of these answers means that a topic, a setting or a record does not exist.

// emptyAnswers are answers that say nothing about what was asked for. Those that CheckTopics gets last for a second only, because
// it waits for five seconds at most and a busy machine takes some of them.
var emptyAnswers = map[string]struct {
	key    kmsg.Key
	lasts  time.Duration
	later  bool // it begins after the topics were checked
	answer func(kmsg.Request) kmsg.Response
}{
	"throttled fetches": {kmsg.Fetch, 7 * time.Second, false, func(r kmsg.Request) kmsg.Response {
		answer := r.ResponseKind().(*kmsg.FetchResponse)
		answer.ThrottleMillis = 1000
		return answer
	}},
	"fetches from a leader that is behind": {kmsg.Fetch, 7 * time.Second, false, func(r kmsg.Request) kmsg.Response {
		answer := r.ResponseKind().(*kmsg.FetchResponse)
		for _, t := range r.(*kmsg.FetchRequest).Topics {
			topic := kmsg.FetchResponseTopic{Topic: t.Topic, TopicID: t.TopicID}
			for _, p := range t.Partitions {
				tp := kmsg.NewFetchResponseTopicPartition()
				tp.Partition, tp.HighWatermark, tp.LastStableOffset = p.Partition, p.FetchOffset, p.FetchOffset
				topic.Partitions = append(topic.Partitions, tp)
			}
			answer.Topics = append(answer.Topics, topic)
		}
		return answer
	}},
	"offsets that are not available": {kmsg.ListOffsets, 3 * time.Second, false, func(r kmsg.Request) kmsg.Response {
		answer := r.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, t := range r.(*kmsg.ListOffsetsRequest).Topics {
			topic := kmsg.ListOffsetsResponseTopic{Topic: t.Topic}
			for _, p := range t.Partitions {
				tp := kmsg.NewListOffsetsResponseTopicPartition()
				tp.Partition, tp.ErrorCode = p.Partition, int16(codeOffsetNotAvailable)
				topic.Partitions = append(topic.Partitions, tp)
			}
			answer.Topics = append(answer.Topics, topic)
		}
		return answer
	}},
	"offsets of nothing":        {kmsg.ListOffsets, 3 * time.Second, false, func(r kmsg.Request) kmsg.Response { return r.ResponseKind() }},
	"settings of nothing":       {kmsg.DescribeConfigs, time.Second, false, func(r kmsg.Request) kmsg.Response { return r.ResponseKind() }},
	"unknown topics":            {kmsg.Metadata, time.Second, false, func(r kmsg.Request) kmsg.Response { return strange(r, 3, 0) }},
	"topics without partitions": {kmsg.Metadata, time.Second, false, func(r kmsg.Request) kmsg.Response { return strange(r, 0, 0) }},
	"topics with one partition": {kmsg.Metadata, 3 * time.Second, true, func(r kmsg.Request) kmsg.Response { return strange(r, 0, 1) }},
	"topics without leaders":    {kmsg.Metadata, time.Second, false, func(r kmsg.Request) kmsg.Response { return strange(r, 0, testPartitions) }},
}

// strange makes an answer that has an error code for each topic, or partitions without leaders.
func strange(r kmsg.Request, code int16, partitions int) kmsg.Response {
	answer := r.ResponseKind().(*kmsg.MetadataResponse)
	for _, t := range r.(*kmsg.MetadataRequest).Topics {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.TopicID, topic.ErrorCode = t.Topic, t.TopicID, code
		for i := range partitions {
			tp := kmsg.NewMetadataResponseTopicPartition()
			tp.Partition, tp.Leader, tp.ErrorCode = int32(i), -1, 5
			topic.Partitions = append(topic.Partitions, tp)
		}
		answer.Topics = append(answer.Topics, topic)
	}
	return answer
}

func TestEmptyAnswersAreRepeated(t *testing.T) {
	for name, silence := range emptyAnswers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := fakeCluster(t, 1)
			c := testConfig(t, cluster.Addrs())
			h := newHistory(t, c, testOpen(t, c))
			h.must()
			h.must()
			silent := new(atomic.Bool)
			broker := fakeBroker(t, cluster)
			cluster.Fake().ControlKey(int16(silence.key), func(r kmsg.Request) (kmsg.Response, error, bool) {
				cluster.Fake().KeepControl()
				if !silent.Load() {
					return nil, nil, false
				}
				answer := silence.answer(r)
				if m, ok := answer.(*kmsg.MetadataResponse); ok {
					m.Brokers = []kmsg.MetadataResponseBroker{broker}
				}
				return answer, nil, true
			})
			for _, during := range []string{"the start", "an acquisition"} {
				var over <-chan struct{}
				if !silence.later {
					over = silenced(silent, silence.lasts)
				}
				p := justOpen(t, c)
				if silence.later {
					over = silenced(silent, silence.lasts)
					time.Sleep(1500 * time.Millisecond) // until the transport has asked again
				}
				if during == "the start" {
					if err := p.Initialize(t.Context()); err != nil {
						t.Error(err)
					}
				}
				s, err := p.Acquire(t.Context(), 0)
				if err == nil && remembered(s) != 2 || errors.Is(err, ErrRefused) {
					t.Errorf("%s: %v, %v", during, s, err)
				}
				<-over
			}
			stored := slices.DeleteFunc(consume(t, c, c.StateTopic()), func(r *kgo.Record) bool { return string(r.Key) == event.LogKey })
			if n := len(stored); n != testPartitions+2 {
				t.Errorf("the state topic has %d records, and not %d watch records and 2 of sessions", n, testPartitions)
			}
			h.shard = acquire(t, h.p, 0)
			h.must()
			h.check()
		})
	}
}

// fakeBroker is the broker of a kfake cluster as metadata names it.
func fakeBroker(t *testing.T, cluster *kafkatest.Cluster) kmsg.MetadataResponseBroker {
	t.Helper()
	host, text, _ := strings.Cut(cluster.Addrs()[0], ":")
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return kmsg.MetadataResponseBroker{NodeID: 0, Host: host, Port: int32(port)}
}

// silenced sets silent for a while. The channel is closed when it is over.
func silenced(silent *atomic.Bool, d time.Duration) (over <-chan struct{}) {
	done := make(chan struct{})
	silent.Store(true)
	time.AfterFunc(d, func() { silent.Store(false); close(done) })
	return done
}
