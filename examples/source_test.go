package examples

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cluster"
	"farmwire/diff"
	"farmwire/event"
	"farmwire/publisher"
	"farmwire/publisher/kafkatest"
)

const (
	region     = "eu-west-1"
	prefix     = "deadline.sessions" // the default of every example
	partitions = 3
)

// source is an embedded broker, and publishes events there as Farmwire does.
type source struct {
	brokers string
	client  *kgo.Client
}

func newSource(t *testing.T) *source {
	t.Helper()
	broker, err := kafkatest.StartFake(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	c := publisher.Config{Cluster: cluster.Config{Brokers: broker.Addrs()}, TopicPrefix: prefix, Region: region, Initial: "open"}
	if _, err := publisher.CreateTopics(t.Context(), c, publisher.TopicSpec{Partitions: partitions, ReplicationFactor: 1}); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...), kgo.TransactionalID("examples"),
		kgo.ProducerBatchCompression(kgo.NoCompression())) // as Farmwire does
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &source{brokers: strings.Join(broker.Addrs(), ","), client: client}
}

// publish publishes changes in one transaction, and returns the records of the events.
func (s *source) publish(t *testing.T, end kgo.TransactionEndTry, changes ...diff.Change) (records []event.Record) {
	t.Helper()
	if err := s.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		r := event.Encode(&c, event.Envelope{Region: region, Status: statusOf(c), Recorded: time.Now()})
		records = append(records, r)
		topics := []string{prefix + event.EventsSuffix}
		if c.Kind == diff.Ended && !c.Snapshot {
			topics = append(topics, prefix+event.EndedSuffix)
		}
		for _, topic := range topics {
			record := &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value}
			for _, h := range r.Headers {
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
			}
			s.client.Produce(t.Context(), record, nil)
		}
	}
	if err := s.client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.client.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
	return records
}

// hostName has everything that needs quoting in JSON, in a shell or in a message of Slack.
const hostName = `"renderer 17" $(id) 'Zürich' \ <&>`

// statusOf returns what is said of the worker: of some nothing.
func statusOf(c diff.Change) *diff.WorkerStatus {
	if c.Kind == diff.Discovered {
		return nil
	}
	return &diff.WorkerStatus{Status: "RUNNING", HostName: hostName}
}

// began is the start of all sessions. It stays the same when an hour begins during a test.
var began = time.Now().UTC().Truncate(time.Hour).Add(-time.Hour)

// change returns a change of the n-th session. The sessions last 90.5 seconds and began an hour ago.
func change(n int, kind diff.Kind, sequence uint64) diff.Change {
	c := diff.Change{Kind: kind, Sequence: sequence, Session: diff.Session{
		WorkerKey: diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: fmt.Sprint("worker-", n)},
		QueueID:   fmt.Sprint("queue-", n%2), JobID: "job-1", SessionID: fmt.Sprint("session-", n),
		LifecycleStatus: "STARTED", StartedAt: began,
	}, Observed: diff.Bounds{After: began.Add(90 * time.Second), Before: began.Add(92 * time.Second)}}
	if sequence > 1 {
		previous := c.Session
		c.Previous = &previous
	}
	switch kind {
	case diff.Discovered:
		c.Snapshot, c.Inferred, c.Observed.After = true, true, time.Time{}
	case diff.Started:
		c.Inferred, c.Observed.Exact = true, true
	case diff.Ending:
		c.Session.TargetLifecycleStatus = "ENDED"
	case diff.Changed:
		c.Session.LifecycleStatus = "PAUSED_BY_A_NEWER_SERVICE"
	case diff.Ended:
		c.Session.LifecycleStatus, c.Session.EndedAt, c.Observed.Exact = "ENDED", began.Add(90500*time.Millisecond), true
	}
	return c
}

// ends returns the starts and the ends of sessions.
func ends(sessions ...int) (changes []diff.Change) {
	for _, n := range sessions {
		changes = append(changes, change(n, diff.Started, 1), change(n, diff.Ended, 2))
	}
	return changes
}
