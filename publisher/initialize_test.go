package publisher

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/diff"
	"farmwire/event"
)

// Several instances start at the same time on new topics: the state topic is initialized once, and whole.
func TestInitialize(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := testConfig(t, addrs)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				p, err := Open(t.Context(), c, testTopics(), testLog(t), nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer p.Close()
				if err := p.Initialize(t.Context()); err != nil {
					t.Error(err)
				}
				// The markers of the transaction that another instance has committed may still be on their way.
				until(t, 20*time.Second, "the topic is initialized for a reader of committed records", func() bool {
					done, err := p.Initialized(t.Context())
					if err != nil {
						t.Error(err)
					}
					return done
				})
			})
		}
		wg.Wait()
		records := consume(t, c, c.StateTopic())
		if len(records) != testPartitions {
			t.Errorf("%d records, want one in each of %d partitions", len(records), testPartitions)
		}
		for _, r := range records {
			if string(r.Key) != event.WatchKey {
				t.Errorf("key %s", r.Key)
			}
		}
	})
}

// An instance that is overtaken while it initializes finds the events of the other one, and does not take the state for lost.
func TestInitializeIsOvertaken(t *testing.T) {
	cluster := fakeCluster(t, 1)
	c := testConfig(t, cluster.Addrs())
	slow, other := justOpen(t, c), justOpen(t, c)
	var begun atomic.Bool
	cluster.Fake().ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.Fake().KeepControl()
		if r.(*kmsg.ListOffsetsRequest).Topics[0].Topic == c.EventsTopic() && !begun.Swap(true) {
			cluster.Fake().SleepControl(func() {
				if err := other.Initialize(t.Context()); err != nil {
					t.Error(err)
				}
				s, err := other.Acquire(t.Context(), 0)
				if err != nil {
					t.Error(err)
					return
				}
				for n := range 4 * testPartitions { // in each partition, or nearly so
					if err := s.Publish(t.Context(), []diff.Changes{changesOf(started(session(0, n)))}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		return nil, nil, false
	})
	if err := slow.Initialize(deadline(t, time.Minute)); err != nil {
		t.Error(err)
	}
}

// An instance that is fenced while it writes looks again, whatever the answer to the write is. kfake answers that the
// transaction is not open, which would end the program if nobody had fenced this instance.
func TestInitializeIsFenced(t *testing.T) {
	cluster := fakeCluster(t, 1)
	c := testConfig(t, cluster.Addrs())
	slow, other := justOpen(t, c), justOpen(t, c)
	var begun atomic.Bool
	cluster.Fake().ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.Fake().KeepControl()
		if !begun.Swap(true) {
			cluster.Fake().SleepControl(func() {
				if err := other.Initialize(deadline(t, time.Minute)); err != nil {
					t.Error(err)
				}
			})
		}
		return nil, nil, false
	})
	if err := slow.Initialize(deadline(t, time.Minute)); err != nil {
		t.Error(err)
	}
	if !begun.Load() {
		t.Error("nothing was written")
	}
}

// An initialization whose transaction was left open does not count, and the next one aborts it.
func TestInitializeAfterAnAbandonedOne(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := testConfig(t, addrs)
		abandon(t, c, c.StateTopic(), &outgoing{topicPartition: topicPartition{c.StateTopic(), 0}, limit: defaultBatchLimit})
		p := testOpen(t, c)
		for shard := range testPartitions {
			acquire(t, p, shard)
		}
	})
}

// abandon writes to a partition in a transaction that it leaves open.
func abandon(t *testing.T, c Config, id string, o *outgoing) *producer {
	t.Helper()
	b := testBrokers(t, c)
	p, err := b.fence(t.Context(), id, CompressionNone)
	if err != nil {
		t.Fatal(err)
	}
	o.append([]byte("abandoned"), []byte(`{"schema":1}`), nil)
	if err := p.write(deadline(t, 30*time.Second), time.Now(), []*outgoing{o}); err != nil {
		t.Fatal(err)
	}
	return p
}

func testBrokers(t *testing.T, c Config) *brokers {
	t.Helper()
	transport, err := c.Cluster.Transport()
	if err != nil {
		t.Fatal(err)
	}
	b := newBrokers(transport, c.Cluster.Brokers, c.Topics(), newMetrics())
	t.Cleanup(b.close)
	return b
}

// The fence ends a transaction that the previous owner left open, and nothing of it is restored.
func TestAcquireEndsTheOpenTransaction(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		p := testOpen(t, testConfig(t, addrs))
		topic := p.config.StateTopic()
		abandoned := abandon(t, p.config, transactionalID(topic, 2), &outgoing{topicPartition: topicPartition{topic, 2}, limit: defaultBatchLimit})
		s := acquire(t, p, 2)
		if len(s.Snapshots()) != 0 {
			t.Errorf("restored what was never committed: %v", s.Snapshots())
		}
		if err := abandoned.end(deadline(t, 30*time.Second), true); !errors.Is(err, ErrFenced) {
			t.Errorf("the predecessor committed after the fence: %v", err)
		}
	})
}

// State that does not fit the configuration is refused with one line that says what to do, and nothing is written.
func TestRefused(t *testing.T) {
	existing := func(t *testing.T, addrs []string) Config {
		c := testConfig(t, addrs)
		testOpen(t, c).Close()
		return c
	}
	write := func(t *testing.T, c Config, topic, key, value string) {
		o := &outgoing{topicPartition: topicPartition{topic, 1}, limit: defaultBatchLimit}
		o.append([]byte(key), []byte(value), nil)
		p, err := testBrokers(t, c).fence(t.Context(), "foreign", CompressionNone)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.commit(t.Context(), time.Now(), []*outgoing{o}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name, says string
		prepare    func(t *testing.T, addrs []string) Config
	}{
		{"another region", "belongs to region eu-west-1", func(t *testing.T, addrs []string) Config {
			c := existing(t, addrs)
			c.Region = "us-east-1"
			return c
		}},
		{"newer watch", "newer farmwire", func(t *testing.T, addrs []string) Config {
			c := existing(t, addrs)
			write(t, c, c.StateTopic(), event.WatchKey, `{"schema":2,"region":"eu-west-1","partitions":3}`)
			return c
		}},
		{"newer record", "newer farmwire", func(t *testing.T, addrs []string) Config {
			c := existing(t, addrs)
			write(t, c, c.StateTopic(), "session-1", `{"schema":2,"what":[]}`)
			return c
		}},
		{"other partitions", "made with 5 partitions and now has 3", func(t *testing.T, addrs []string) Config {
			c := existing(t, addrs)
			write(t, c, c.StateTopic(), event.WatchKey, `{"schema":1,"region":"eu-west-1","partitions":5}`)
			return c
		}},
		{"empty state beside events", "is empty, but", func(t *testing.T, addrs []string) Config {
			c := testConfig(t, addrs)
			write(t, c, c.EventsTopic(), "session-1", `{}`)
			return c
		}},
		{"no watch", "has no watch record", func(t *testing.T, addrs []string) Config {
			c := testConfig(t, addrs)
			o := &outgoing{topicPartition: topicPartition{c.StateTopic(), 0}, limit: defaultBatchLimit}
			o.append([]byte(event.WatchKey), []byte(`{"schema":1,"region":"eu-west-1","partitions":3}`), nil)
			p, err := testBrokers(t, c).fence(t.Context(), "foreign", CompressionNone)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.commit(t.Context(), time.Now(), []*outgoing{o}); err != nil {
				t.Fatal(err)
			}
			return c
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := test.prepare(t, fake(t))
			p, err := Open(t.Context(), c, testTopics(), testLog(t), nil)
			if err == nil {
				defer p.Close()
				err = p.Initialize(t.Context())
			}
			if err == nil {
				_, err = p.Acquire(t.Context(), 1)
			}
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want a refusal that says %q", err, test.says)
			}
		})
	}
}

// If partitions are added to any of the topics while Farmwire runs, the next acquisition is refused.
func TestRefusedAfterGrowth(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		for _, topic := range []func(Config) string{Config.StateTopic, Config.EventsTopic, Config.EndedTopic} {
			p := testOpen(t, testConfig(t, addrs))
			grow(t, p, topic(p.config))
			var err error
			for range 600 { // until the metadata are renewed
				if _, err = p.Acquire(t.Context(), 0); err != nil {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), topic(p.config)) {
				t.Errorf("acquired a shard though %s has grown: %v", topic(p.config), err)
			}
		}
	})
}

func grow(t *testing.T, p *Publisher, topic string) {
	t.Helper()
	client := &kafka.Client{Addr: p.brokers.seeds.current(), Transport: p.brokers.transport}
	grown, err := client.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: testPartitions + 1}}})
	if err != nil || grown.Errors[topic] != nil {
		t.Fatal(err, grown)
	}
}

// If no answer says whether the transaction that initializes the topic was committed, the topic is read again.
func TestInitializeOfUnknownOutcome(t *testing.T) {
	for _, lost := range []fault{answerLate, swallowed} {
		t.Run(lost.String(), func(t *testing.T) {
			c, f := testConfig(t, fake(t)), newFaults()
			p := openUninitialized(t, c, f.dial)
			p.brokers.timeouts = timeouts{transaction: time.Minute, total: time.Second, fence: 10 * time.Second,
				attempt: 300 * time.Millisecond, grace: 100 * time.Millisecond, missing: time.Second, stall: 10 * time.Second, place: time.Second}
			f.inject(kmsg.EndTxn, passed, lost, lost, lost, lost) // the abort of the take-over passes
			if err := p.Initialize(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.cancel()
			for shard := range testPartitions {
				acquire(t, p, shard)
			}
		})
	}
}

// The topic counts as initialized if some partitions have no leader and the others have records. Their leaders are waited for
// side by side: one after the other they would take longer than the fence may take.
func TestInitializedWithoutALeader(t *testing.T) {
	cluster := fakeCluster(t, 1)
	c := testConfig(t, cluster.Addrs())
	p := testOpen(t, c)
	// One partition takes between 6 and 7 seconds, because the pauses grow.
	p.brokers.timeouts.leaderless, p.brokers.timeouts.fence = 6*time.Second, 11500*time.Millisecond
	cluster.Fake().ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.Fake().KeepControl()
		m := strange(r, 0, testPartitions).(*kmsg.MetadataResponse)
		m.Brokers = []kmsg.MetadataResponseBroker{fakeBroker(t, cluster)}
		for _, topic := range m.Topics {
			last := &topic.Partitions[testPartitions-1] // the others have none
			last.Leader, last.ErrorCode = 0, 0
		}
		return m, nil, true
	})
	until(t, 20*time.Second, "the first partition has no leader", func() bool {
		_, err := p.brokers.leader(t.Context(), p.statePartition(0))
		return errors.Is(err, errNoLeader)
	})
	if done, err := p.Initialized(t.Context()); !done || err != nil {
		t.Errorf("initialized: %t, %v", done, err)
	}
}
