package publisher

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ungivenConfig makes a configuration with topics that do not exist.
func ungivenConfig(t *testing.T, addrs []string) Config {
	return Config{Cluster: clusterAt(addrs), TopicPrefix: "topics-" + strings.ToLower(strings.NewReplacer("/", "-").Replace(t.Name())), Region: "eu-west-1"}
}

func admin(t *testing.T, c Config) *kadm.Client {
	client, err := c.adminClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

func TestTopicsAreCreatedOnceByMany(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := ungivenConfig(t, addrs)
		_, err := CheckTopics(t.Context(), c, testTopics())
		if kindOf(err) != TopicMissing || !strings.Contains(err.Error(), c.EventsTopic()+" is missing") {
			t.Errorf("check of missing topics: %v", err)
		}
		var wg sync.WaitGroup
		var all [3][]string
		for i := range all {
			wg.Go(func() {
				var err error
				if all[i], err = CreateTopics(t.Context(), c, testTopics()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if created := slices.Sorted(slices.Values(slices.Concat(all[:]...))); !slices.Equal(created, slices.Sorted(slices.Values(c.Topics()))) {
			t.Errorf("created: %q", all)
		}
		n, err := CheckTopics(t.Context(), c, testTopics())
		if n != testPartitions || err != nil {
			t.Errorf("check: %d, %v", n, err)
		}
		configs, err := admin(t, c).DescribeTopicConfigs(t.Context(), c.Topics()...)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, topic := range configs {
			for _, entry := range topic.Configs {
				if entry.Key == cleanupPolicy || entry.Key == retention {
					got = append(got, strings.TrimPrefix(topic.Name, c.TopicPrefix)+" "+entry.Key+"="+entry.MaybeValue())
				}
			}
		}
		for _, want := range []string{".events retention.ms=-1", ".events cleanup.policy=delete", ".ended retention.ms=604800000", ".state cleanup.policy=compact"} {
			if !slices.Contains(got, want) {
				t.Errorf("%s is missing in %q", want, got)
			}
		}
	})
}

func TestCreateRefusesWhatDoesNotFit(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := ungivenConfig(t, addrs)
		a := admin(t, c)
		if _, err := a.CreateTopic(t.Context(), 5, 1, nil, c.EventsTopic()); err != nil {
			t.Fatal(err)
		}
		until(t, 20*time.Second, "the broker, which answers before, shows the topic", func() bool {
			details, err := a.ListTopics(t.Context(), c.EventsTopic())
			return err == nil && len(details[c.EventsTopic()].Partitions) == 5
		})
		_, err := CreateTopics(t.Context(), c, testTopics())
		if !errors.Is(err, ErrRefused) || kindOf(err) != PartitionsDiffer || !strings.Contains(err.Error(), "5 partitions") {
			t.Errorf("create: %v", err)
		}
		details, err := a.ListTopics(t.Context(), c.Topics()...)
		if err != nil || details.Has(c.StateTopic()) {
			t.Errorf("the state topic was created: %v", err)
		}
	})
}

func TestCreateRefusesMoreReplicasThanBrokers(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		_, err := CreateTopics(t.Context(), ungivenConfig(t, addrs), TopicSpec{Partitions: 1, ReplicationFactor: 7})
		if !errors.Is(err, ErrRefused) || kindOf(err) != TooFewBrokers {
			t.Errorf("create: %v", err)
		}
	})
}

// A topic is refused if one of its settings was made unsafe. The error is one line that says what to do.
func TestAlteredTopicsAreRefused(t *testing.T) {
	c := testConfig(t, apache.Cluster(t).Addrs())
	a := admin(t, c)
	for _, alteration := range []struct{ topic, name, value, want string }{
		{c.StateTopic(), cleanupPolicy, "compact,delete", "--topic " + c.StateTopic() + " --add-config cleanup.policy=compact"},
		{c.EventsTopic(), cleanupPolicy, "compact", "cleanup.policy=delete"},
		{c.EventsTopic(), retention, "3600000", "keeps events for 1h0m0s only"},
		{c.EndedTopic(), retentionBytes, "1000000", "retention.bytes=-1"},
		{c.EndedTopic(), minInsync, "2", "nothing can be written"},
		{c.StateTopic(), uncleanElection, "true", "unclean.leader.election.enable=false"},
		{c.EventsTopic(), maxBatch, "100000", "a record may have 393216 bytes"},
		{c.EndedTopic(), timestampType, logAppendTime, "--add-config message.timestamp.type=CreateTime"},
	} {
		set := func(op kadm.IncrementalOp) {
			_, err := a.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: op, Name: alteration.name, Value: &alteration.value}}, alteration.topic)
			if err != nil {
				t.Fatal(err)
			}
			until(t, 20*time.Second, "the broker, which answers before, has it", func() bool {
				described, err := a.DescribeTopicConfigs(t.Context(), alteration.topic)
				return err == nil && slices.ContainsFunc(described[0].Configs, func(c kadm.Config) bool {
					if op == kadm.DeleteConfig {
						return c.Key == alteration.name && c.Source != kmsg.ConfigSourceDynamicTopicConfig
					}
					return c.Key == alteration.name && c.MaybeValue() == alteration.value
				})
			})
		}
		was := topicTable()[slices.Index(c.Topics(), alteration.topic)].settings(1)[alteration.name]
		set(kadm.SetConfig)
		_, err := CheckTopics(t.Context(), c, testTopics())
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), alteration.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s=%s: %v", alteration.name, alteration.value, err)
		}
		alteration.value = was
		if was == "" {
			set(kadm.DeleteConfig)
		} else {
			set(kadm.SetConfig)
		}
	}
	if _, err := CheckTopics(t.Context(), c, testTopics()); err != nil {
		t.Errorf("after all was set back: %v", err)
	}
}

// A topic must take every record, and keep its time.
func TestRecordsMustFit(t *testing.T) {
	for _, tc := range []struct{ setting, value, want string }{
		{maxBatch, strconv.Itoa(LongestRecord), ""},
		{maxBatch, strconv.Itoa(defaultBatchLimit), ""},
		{maxBatch, strconv.Itoa(LongestRecord - 1), "--topic t --add-config max.message.bytes=1048588"},
		{timestampType, "CreateTime", ""},
		{timestampType, logAppendTime, "--topic t --add-config message.timestamp.type=CreateTime"},
	} {
		safe := topic{name: "t", partitions: 3, replicas: 3, settings: map[string]string{cleanupPolicy: "delete", retention: forever, minInsync: "2", tc.setting: tc.value}}
		err := safe.check(TopicSpec{Partitions: 3, ReplicationFactor: 3}, 3, topicTable()[eventsTopic])
		if (err == nil) != (tc.want == "") || err != nil && (kindOf(err) != TopicUnsafe || !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s=%s: %v", tc.setting, tc.value, err)
		}
	}
}

func TestReplicasAreJudged(t *testing.T) {
	safe := func(replicas int, insync string) topic {
		return topic{name: "t", partitions: 3, replicas: replicas, settings: map[string]string{cleanupPolicy: compact, minInsync: insync}}
	}
	for _, tc := range []struct {
		topic topic
		asked int
		want  string // "": accepted
	}{
		{safe(3, "2"), 3, ""},
		{safe(1, "1"), 1, ""},
		{safe(3, "2"), 1, ""},
		{safe(2, "1"), 2, ""},
		{safe(1, "1"), 3, "has 1 of the 3 replicas that are asked for"},
		{safe(3, "1"), 3, "--add-config min.insync.replicas=2"},
		{safe(3, "4"), 3, "nothing can be written"},
	} {
		err := tc.topic.check(TopicSpec{Partitions: 3, ReplicationFactor: tc.asked}, 3, topicTable()[stateTopic])
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%d replicas, insync %s, asked for %d: %v", tc.topic.replicas, tc.topic.settings[minInsync], tc.asked, err)
		}
	}
	if err := safe(1, "1").check(TopicSpec{ReplicationFactor: 1}, 5, topicTable()[stateTopic]); err == nil || !strings.Contains(err.Error(), "3 partitions and the state topic 5") {
		t.Errorf("another number of partitions: %v", err)
	}
}
