package publisher

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cluster"
)

const (
	leastRetention = 24 * time.Hour  // a consumer that was down for a night must still find everything
	missingTimeout = 5 * time.Second // a broker that was just started may not know its topics yet
)

// CheckTopics returns the number of partitions of each topic, or an error that says in one line which topic is missing or
// unsafe, why, and what to do. If a topic is missing, the error's kind is TopicMissing. If a topic is unsafe, because it can
// lose or reorder what was committed, the error is an ErrRefused. CheckTopics refuses:
//   - numbers of partitions that are not the same for all topics;
//   - for the state topic, a cleanup.policy other than compact; for the others, one with compact;
//   - for the topics other than the state topic, retention.ms below a day, or any limit of the size;
//   - fewer replicas than the spec says;
//   - min.insync.replicas below 2 where there are three replicas or more, or above their number;
//   - unclean.leader.election.enable;
//   - max.message.bytes below [LongestRecord];
//   - message.timestamp.type=LogAppendTime.
func CheckTopics(ctx context.Context, c Config, s TopicSpec) (partitions int, err error) {
	client, err := c.adminClient(ctx)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	pause, began := newBackoff(), time.Now()
	var found [topicCount]topic
	describe := func() (err error) {
		found, err = c.describe(ctx, client)
		return err
	}
	err = c.askSeeds(describe)
	for mayPass(err) && time.Since(began) < missingTimeout && pause.wait(ctx, later) == nil {
		err = describe()
	}
	if err != nil {
		return 0, c.explainClosed(ctx, err)
	}
	partitions = found[stateTopic].partitions
	for r, d := range topicTable() {
		if err := found[r].check(s, partitions, d); err != nil {
			return 0, err
		}
	}
	return partitions, nil
}

// mayPass reports whether a broker that has just been started may answer so although the topics exist.
func mayPass(err error) bool {
	var problem *cluster.Error
	return errors.As(err, &problem) && problem.Kind == TopicMissing || errors.Is(err, errIncomplete) || errors.Is(err, errNotNamed) ||
		kerr.IsRetriable(kerr.ErrorForCode(cluster.Code(err)))
}

// errIncomplete says that an answer leaves out parts of a topic.
var errIncomplete = errors.New("the brokers do not show the whole topic")

// topic is a topic as the brokers describe it.
type topic struct {
	name       string
	partitions int
	replicas   int // the fewest that a partition has
	settings   map[string]string
}

// describe asks the brokers for all topics, in the order of the table.
func (c Config) describe(ctx context.Context, client *kgo.Client) (found [topicCount]topic, err error) {
	details, err := kadm.NewClient(client).ListTopics(ctx, c.Topics()...)
	if err != nil {
		return found, fmt.Errorf("look at the topics: %w", err)
	}
	for r, name := range c.Topics() {
		d, ok := details[name]
		switch {
		case !ok, errors.Is(d.Err, kerr.UnknownTopicOrPartition):
			return found, missing(ctx, client, name)
		case d.Err != nil:
			return found, fmt.Errorf("look at %s: %w", name, d.Err)
		case !isWhole(d.Partitions):
			return found, fmt.Errorf("look at %s: %w", name, errIncomplete)
		}
		found[r] = topic{name: name, partitions: len(d.Partitions), replicas: d.Partitions.NumReplicas()}
	}
	settings, err := topicSettings(ctx, client.Request, c.Topics(), cleanupPolicy)
	if err != nil {
		return found, err
	}
	for r := range found {
		found[r].settings = settings[found[r].name]
	}
	return found, nil
}

// isWhole reports whether there are partitions, none is left out before the last one, and each has replicas.
func isWhole(all kadm.PartitionDetails) bool {
	for i := range int32(len(all)) {
		if len(all[i].Replicas) == 0 {
			return false
		}
	}
	return len(all) > 0
}

// missing returns an error that says that a topic does not exist, or that this user may not describe it. In the metadata
// both look the same.
func missing(ctx context.Context, client *kgo.Client, name string) error {
	if isHidden(ctx, client, name) {
		return fmt.Errorf("look at %s: %w", name, kerr.TopicAuthorizationFailed)
	}
	return &cluster.Error{Kind: TopicMissing, Text: name + " is missing"}
}

// check refuses a topic that is not as safe as its design.
func (t topic) check(s TopicSpec, partitions int, d topicDesign) error {
	if t.partitions != partitions {
		return refuse(PartitionsUneven, "%s has %d partitions and the state topic %d, and all topics must have the same number",
			t.name, t.partitions, partitions)
	}
	if err := t.checkCleanup(d); err != nil {
		return err
	}
	if err := t.checkRecords(); err != nil {
		return err
	}
	return t.checkReplicas(s)
}

// checkRecords refuses settings by which the topic does not take every record, or not as it was written.
func (t topic) checkRecords() error {
	limit, err := strconv.Atoi(t.settings[maxBatch])
	switch {
	case err == nil && limit < LongestRecord:
		return t.unsafe(maxBatch, strconv.Itoa(defaultBatchLimit), "has max.message.bytes=%d, and a record may have %d bytes, so one session could stop its shard", limit, LongestRecord)
	case t.settings[timestampType] == logAppendTime:
		return t.unsafe(timestampType, "CreateTime", "has message.timestamp.type=LogAppendTime, so the brokers replace the time of every record")
	}
	return nil
}

// checkCleanup refuses settings by which brokers delete what is still needed.
func (t topic) checkCleanup(d topicDesign) error {
	policy := t.settings[cleanupPolicy]
	kept, _ := strconv.ParseInt(t.settings[retention], 10, 64)
	size, _ := strconv.ParseInt(t.settings[retentionBytes], 10, 64)
	switch {
	case d.compacted && policy != compact:
		return t.unsafe(cleanupPolicy, compact, "has cleanup.policy=%s, so the state of quiet sessions would be deleted", policy)
	case d.compacted:
		return nil
	case strings.Contains(policy, compact):
		return t.unsafe(cleanupPolicy, "delete", "has cleanup.policy=%s, which keeps only the last event of a session", policy)
	case kept >= 0 && kept < leastRetention.Milliseconds():
		return t.unsafe(retention, "604800000", "keeps events for %s only, so a consumer that is down for a night loses some", time.Duration(kept)*time.Millisecond)
	case size > 0:
		return t.unsafe(retentionBytes, forever, "has retention.bytes=%d, so a burst deletes events before anybody has read them", size)
	}
	return nil
}

// checkReplicas refuses replicas by which committed records may be lost, or nothing can be written.
func (t topic) checkReplicas(s TopicSpec) error {
	insync, _ := strconv.Atoi(t.settings[minInsync])
	switch {
	case t.replicas < s.ReplicationFactor:
		return refuse(TooFewReplicas, "%s has %d of the %d replicas that are asked for: add replicas by kafka-reassign-partitions.sh",
			t.name, t.replicas, s.ReplicationFactor)
	case t.replicas >= 3 && insync < 2:
		return t.unsafe(minInsync, "2", "has min.insync.replicas=%d, so a committed event may be on one broker only", insync)
	case insync > t.replicas:
		return t.unsafe(minInsync, strconv.Itoa(max(t.replicas-1, 1)), "has min.insync.replicas=%d but %d replicas, so nothing can be written", insync, t.replicas)
	case t.settings[uncleanElection] == "true":
		return t.unsafe(uncleanElection, "false", "has unclean.leader.election.enable=true, so committed events may be lost")
	}
	return nil
}

// unsafe refuses a setting, and names the command of Kafka that changes it.
func (t topic) unsafe(setting, safe, format string, args ...any) error {
	return refuse(TopicUnsafe, "%s %s: kafka-configs.sh --bootstrap-server HOST:PORT --alter --topic %s --add-config %s=%s",
		t.name, fmt.Sprintf(format, args...), t.name, setting, safe)
}
