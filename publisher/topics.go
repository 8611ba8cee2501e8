package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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

// ErrMissing says that a topic does not exist.
var ErrMissing = errors.New("missing")

// The settings that decide whether a topic is safe.
const (
	cleanupPolicy   = "cleanup.policy"
	retention       = "retention.ms"
	retentionBytes  = "retention.bytes"
	minInsync       = "min.insync.replicas"
	uncleanElection = "unclean.leader.election.enable"

	compact = "compact"
	forever = "-1"
)

const (
	endedRetention = 7 * 24 * time.Hour
	leastRetention = 24 * time.Hour // a consumer that stands still for a night must find what it missed
	appearTimeout  = 10 * time.Second
	hearingTime    = 500 * time.Millisecond // a broker hears a moment later than the others of a new topic
	missingTimeout = 5 * time.Second        // a broker that was just started may not know its topics yet
)

// plan is a topic as Farmwire makes it.
type plan struct {
	name     string
	settings map[string]string
}

// plans are the three topics. .coverage is not among them: nothing is published there yet.
func (c Config) plans(s TopicSpec) []plan {
	safe := func(name string, settings map[string]string) plan {
		settings[minInsync] = "1"
		if s.ReplicationFactor >= 3 {
			settings[minInsync] = "2"
		}
		settings[uncleanElection] = "false"
		return plan{name, settings}
	}
	return []plan{
		safe(c.EventsTopic(), map[string]string{cleanupPolicy: "delete", retention: forever, retentionBytes: forever}),
		safe(c.EndedTopic(), map[string]string{cleanupPolicy: "delete", retention: strconv.FormatInt(endedRetention.Milliseconds(), 10), retentionBytes: forever}),
		safe(c.StateTopic(), map[string]string{cleanupPolicy: compact}),
	}
}

// CreateTopics creates the topics that are missing, with as many partitions and replicas as the spec says: .events
// is kept for ever, .ended 7 days, .state is compacted. With three replicas or more a write needs two. That
// somebody else creates them at the same moment does no harm. Existing topics stay as they are, and no right is needed for them: one with another
// number of partitions is refused (ErrRefused) before anything is created, and CheckTopics judges the rest. It
// returns when the new topics can be seen.
func CreateTopics(ctx context.Context, c Config, s TopicSpec) error {
	client, err := c.adminClient(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	there, err := c.fits(ctx, admin, s)
	if err != nil {
		return c.explainClosed(ctx, err)
	}
	if len(there) == len(c.topics()) {
		return nil
	}
	for _, p := range c.plans(s) {
		if slices.Contains(there, p.name) {
			continue
		}
		settings := make(map[string]*string, len(p.settings))
		for name, value := range p.settings {
			settings[name] = &value
		}
		answer, err := admin.CreateTopic(ctx, int32(s.Partitions), int16(s.ReplicationFactor), settings, p.name)
		switch {
		case err == nil, errors.Is(err, kerr.TopicAlreadyExists):
		case errors.Is(err, kerr.InvalidReplicationFactor):
			return c.explain(refuse("%s can't have %d replicas (%s): start more brokers, or give a smaller --replication-factor", p.name, s.ReplicationFactor, cluster.OneLine(answer.ErrMessage)))
		default:
			return c.explain(fmt.Errorf("create %s: %w %s", p.name, err, cluster.OneLine(answer.ErrMessage)))
		}
	}
	return c.appear(ctx, client)
}

// fits says which topics are there, and refuses what would leave the topics with different numbers of partitions.
func (c Config) fits(ctx context.Context, admin *kadm.Client, s TopicSpec) (there []string, err error) {
	details, err := admin.ListTopics(ctx, c.topics()...)
	if err != nil {
		return nil, fmt.Errorf("look at the topics: %w", err)
	}
	for _, d := range details.Sorted() {
		if d.Err != nil {
			continue
		}
		there = append(there, d.Topic)
		if n := len(d.Partitions); n != s.Partitions {
			return nil, refuse("%s has %d partitions and %d are asked for, which can't be changed later: say --partitions %d, or begin with another --topic-prefix", d.Topic, n, s.Partitions, n)
		}
	}
	return there, nil
}

// CheckTopics reports how many partitions the topics have, or an error that says in a line which topic is missing
// (ErrMissing) or unsafe (ErrRefused), why, and what to do. Unsafe is what can lose or reorder what was committed:
//   - partitions: the three topics must have the same number;
//   - cleanup.policy: compact, and nothing else, for .state; never compact for the others;
//   - retention.ms below a day for .events or .ended, or any limit of their size;
//   - fewer replicas than the spec says;
//   - min.insync.replicas below 2 where there are three replicas or more, or above their number;
//   - unclean.leader.election.enable.
func CheckTopics(ctx context.Context, c Config, s TopicSpec) (partitions int, err error) {
	client, err := c.adminClient(ctx)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	pause, began := newPauses(), time.Now()
	found, err := c.describe(ctx, client)
	for mayPass(err) && time.Since(began) < missingTimeout && pause.wait(ctx, later) == nil {
		found, err = c.describe(ctx, client)
	}
	if err != nil {
		return 0, c.explainClosed(ctx, err)
	}
	partitions = found[c.StateTopic()].partitions
	for _, name := range c.topics() {
		if err := found[name].check(s, partitions, name == c.StateTopic()); err != nil {
			return 0, err
		}
	}
	return partitions, nil
}

// mayPass reports whether a broker that has just been started may say so of topics that are there.
func mayPass(err error) bool {
	return errors.Is(err, ErrMissing) || errors.Is(err, errIncomplete) || kerr.IsRetriable(err)
}

// errIncomplete is an answer that does not show a topic whole.
var errIncomplete = errors.New("the brokers do not show the topic whole")

func (c Config) topics() []string {
	return []string{c.EventsTopic(), c.EndedTopic(), c.StateTopic()}
}

// adminClient makes a client whose requests end with ctx: those for metadata would outlast the context of a call.
func (c Config) adminClient(ctx context.Context) (*kgo.Client, error) {
	opts, err := c.Cluster.ClientOptions()
	if err != nil {
		return nil, err
	}
	return kgo.NewClient(append(opts,
		kgo.WithContext(ctx),
		kgo.RetryTimeout(openTimeout/3),
		kgo.MetadataMinAge(hearingTime/4), // a topic that was missing is soon looked for again
	)...)
}

// topic is a topic as it is.
type topic struct {
	name       string
	partitions int
	replicas   int // the fewest that a partition has
	settings   map[string]string
}

func (c Config) describe(ctx context.Context, client *kgo.Client) (map[string]topic, error) {
	admin := kadm.NewClient(client)
	details, err := admin.ListTopics(ctx, c.topics()...)
	if err != nil {
		return nil, fmt.Errorf("look at the topics: %w", err)
	}
	found := make(map[string]topic)
	for _, name := range c.topics() {
		d, ok := details[name]
		switch {
		case !ok, errors.Is(d.Err, kerr.UnknownTopicOrPartition):
			return nil, missing(ctx, client, name)
		case d.Err != nil:
			return nil, fmt.Errorf("look at %s: %w", name, d.Err)
		case !isWhole(d.Partitions):
			return nil, fmt.Errorf("look at %s: %w", name, errIncomplete)
		}
		found[name] = topic{name: name, partitions: len(d.Partitions), replicas: d.Partitions.NumReplicas(), settings: map[string]string{}}
	}
	configs, err := admin.DescribeTopicConfigs(ctx, c.topics()...)
	if err != nil {
		return nil, fmt.Errorf("settings of the topics: %w", err)
	}
	for _, r := range configs {
		if r.Err != nil {
			return nil, fmt.Errorf("settings of %s: %w", r.Name, r.Err)
		}
		for _, entry := range r.Configs {
			if t, asked := found[r.Name]; asked {
				t.settings[entry.Key] = entry.MaybeValue()
			}
		}
	}
	for name, t := range found {
		if _, told := t.settings[cleanupPolicy]; !told {
			return nil, fmt.Errorf("settings of %s: %w", name, errIncomplete)
		}
	}
	return found, nil
}

// isWhole reports whether partitions are there, none is left out before the last, and each has replicas.
func isWhole(all kadm.PartitionDetails) bool {
	for i := range int32(len(all)) {
		if len(all[i].Replicas) == 0 {
			return false
		}
	}
	return len(all) > 0
}

// missing tells a topic that is not there from one that may not be seen: without the right to describe it,
// metadata shows a topic as missing, and only an offset request is refused by name.
func missing(ctx context.Context, client *kgo.Client, name string) error {
	if mayNotSee(ctx, client, name) {
		return fmt.Errorf("look at %s: %w", name, kerr.TopicAuthorizationFailed)
	}
	return fmt.Errorf("%s is %w: create the topics by `farmwire topics create`, or run with --create-topics", name, ErrMissing)
}

func (t topic) check(s TopicSpec, partitions int, state bool) error {
	unsafe := func(format string, args ...any) error { return refuse(t.name+" "+format, args...) }
	policy := t.settings[cleanupPolicy]
	insync, _ := strconv.Atoi(t.settings[minInsync])
	kept, _ := strconv.ParseInt(t.settings[retention], 10, 64)
	size, _ := strconv.ParseInt(t.settings[retentionBytes], 10, 64)
	switch {
	case t.partitions != partitions:
		return unsafe("has %d partitions and the state topic %d: the topics must have the same number; create them anew with another --topic-prefix", t.partitions, partitions)
	case state && policy != compact:
		return unsafe("has cleanup.policy=%s, so the state of quiet sessions would be deleted: %s", policy, t.alter(cleanupPolicy, compact))
	case !state && strings.Contains(policy, compact):
		return unsafe("has cleanup.policy=%s, which keeps only the last event of a session: %s", policy, t.alter(cleanupPolicy, "delete"))
	case !state && kept >= 0 && kept < leastRetention.Milliseconds():
		return unsafe("keeps events for %s only, so a consumer that stands still for a night loses some: %s", time.Duration(kept)*time.Millisecond, t.alter(retention, "604800000"))
	case !state && size > 0:
		return unsafe("has retention.bytes=%d, so a burst deletes events before anybody has read them: %s", size, t.alter(retentionBytes, forever))
	case t.replicas < s.ReplicationFactor:
		return unsafe("has %d replicas and %d are asked for: add replicas by kafka-reassign-partitions.sh, or accept fewer by --replication-factor %d", t.replicas, s.ReplicationFactor, t.replicas)
	case t.replicas >= 3 && insync < 2:
		return unsafe("has min.insync.replicas=%d, so a committed event may be on one broker only: %s", insync, t.alter(minInsync, "2"))
	case insync > t.replicas:
		return unsafe("has min.insync.replicas=%d but %d replicas, so nothing can be written: %s", insync, t.replicas, t.alter(minInsync, strconv.Itoa(max(t.replicas-1, 1))))
	case t.settings[uncleanElection] == "true":
		return unsafe("has unclean.leader.election.enable=true, so committed events may be lost: %s", t.alter(uncleanElection, "false"))
	}
	return nil
}

// alter is the command that changes a setting.
func (t topic) alter(name, value string) string {
	return fmt.Sprintf("kafka-configs.sh --bootstrap-server HOST:PORT --alter --topic %s --add-config %s=%s", t.name, name, value)
}
