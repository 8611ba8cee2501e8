package publisher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"farmwire/cluster"
	"farmwire/diff"
	"farmwire/publisher/kafkatest"
)

// apache is shared by the tests of this package.
var apache kafkatest.Shared

func TestMain(m *testing.M) { os.Exit(apache.Main(m)) }

// onBrokers runs a test on kfake and on Apache Kafka.
func onBrokers(t *testing.T, test func(t *testing.T, addrs []string)) {
	t.Run("kfake", func(t *testing.T) { test(t, fake(t)) })
	t.Run("apache", func(t *testing.T) { test(t, apache.Cluster(t).Addrs()) })
}

func fake(t testing.TB) []string { return fakeCluster(t, 1).Addrs() }

func fakeCluster(t testing.TB, brokers int) *kafkatest.Cluster {
	t.Helper()
	cluster, err := kafkatest.StartFake(t.Context(), brokers)
	return closing(t, cluster, err)
}

// apacheCluster starts a cluster for one test, with options or with brokers that will be killed.
func apacheCluster(t testing.TB, o kafkatest.Options) *kafkatest.Cluster {
	t.Helper()
	if os.Getenv(kafkatest.Variable) != "apache" {
		t.Skipf("starts brokers of its own: run with %s=apache (Java 17 and Maven)", kafkatest.Variable)
	}
	cluster, err := kafkatest.StartApache(t.Context(), o)
	return closing(t, cluster, err)
}

func closing(t testing.TB, cluster *kafkatest.Cluster, err error) *kafkatest.Cluster {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	return cluster
}

var prefixes atomic.Int64 // makes the topics of each test its own

const testPartitions = 3

// clusterAt is a cluster without TLS and SASL.
func clusterAt(brokers []string) cluster.Config { return cluster.Config{Brokers: brokers} }

// testConfig makes a configuration with new topics, and creates them.
func testConfig(t testing.TB, addrs []string) Config {
	c := Config{
		Cluster:     clusterAt(addrs),
		TopicPrefix: "test-" + strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.FormatInt(prefixes.Add(1), 10),
		Region:      "eu-west-1",
		Initial:     "open",
		Compression: CompressionNone,
	}
	createTopics(t, c, testTopics())
	return c
}

// createTopics creates the topics of a test. If a busy cluster does not show them for as long as CreateTopics waits, it looks again.
func createTopics(t testing.TB, c Config, s TopicSpec) {
	t.Helper()
	until(t, time.Minute, "the topics are created", func() bool {
		_, err := CreateTopics(t.Context(), c, s)
		switch {
		case errors.Is(err, ErrRefused):
			t.Fatal(err)
		case err != nil:
			t.Log(err)
		}
		return err == nil
	})
}

func testTopics() TopicSpec { return TopicSpec{Partitions: testPartitions, ReplicationFactor: 1} }

// testOpen opens a publisher until the end of the test, and initializes the state topic.
func testOpen(t testing.TB, c Config) *Publisher {
	t.Helper()
	return initialized(t, justOpen(t, c))
}

// justOpen opens a publisher until the end of the test, and leaves the state topic as it is.
func justOpen(t testing.TB, c Config) *Publisher {
	t.Helper()
	p, err := Open(t.Context(), c, testTopics(), testLog(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// initialized initializes the state topic.
func initialized(t testing.TB, p *Publisher) *Publisher {
	t.Helper()
	if err := p.Initialize(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func testLog(t testing.TB) *zap.Logger {
	return zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))
}

func acquire(t testing.TB, p *Publisher, shard int) *Shard {
	s, err := p.Acquire(t.Context(), shard)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// session is the n-th session of a worker, just started.
func session(worker, n int) diff.Session {
	return diff.Session{
		WorkerKey:       diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: fmt.Sprintf("worker-%032x", worker)},
		QueueID:         "queue-1",
		JobID:           "job-1",
		SessionID:       fmt.Sprintf("session-%032x", worker<<32+n),
		LifecycleStatus: diff.StatusStarted,
		StartedAt:       epoch.Add(time.Duration(n) * time.Second),
	}
}

// started and ended are the changes of a session's first and last observation.
func started(s diff.Session) diff.Change {
	return diff.Change{Kind: diff.Started, Sequence: 1, Session: s, Seen: s.StartedAt.Add(time.Second),
		Observed: diff.Bounds{Before: s.StartedAt.Add(time.Second), Exact: true}}
}

func ended(s diff.Session) diff.Change {
	before := s
	s.LifecycleStatus, s.TargetLifecycleStatus = diff.StatusEnded, diff.StatusEnded
	s.EndedAt = s.StartedAt.Add(time.Minute)
	return diff.Change{Kind: diff.Ended, Sequence: 2, Session: s, Previous: &before, Seen: s.EndedAt.Add(time.Second),
		Observed: diff.Bounds{After: s.StartedAt.Add(time.Second), Before: s.EndedAt.Add(time.Second), Exact: true}}
}

func changesOf(events ...diff.Change) diff.Changes {
	return diff.Changes{Worker: events[0].Session.WorkerKey, Events: events, Status: &diff.WorkerStatus{Status: "RUNNING", HostName: "render-1"}}
}

// kindOf is the kind of the problem in an error, if it has one.
func kindOf(err error) cluster.Kind {
	if problem := (*cluster.Error)(nil); errors.As(err, &problem) {
		return problem.Kind
	}
	return ""
}

func deadline(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
