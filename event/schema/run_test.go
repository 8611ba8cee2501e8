package schema_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"farmwire"
	"farmwire/cluster"
	"farmwire/event"
	"farmwire/poller"
	"farmwire/poller/farmtest"
	"farmwire/publisher"
	"farmwire/publisher/kafkatest"
)

// What a run between a simulated farm and a broker publishes is valid: every kind of change but vanished, which takes two
// minutes, every kind of state record, and heartbeats and the begin of a watch.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	farm := farmtest.New(farmtest.Config{})
	if err := farm.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { farm.Close() })
	fleet := farm.Cloud().AddFarm("studio").AddFleet("render")
	worker, deleted := fleet.AddWorker(), fleet.AddWorker()
	now := farm.Cloud().Now()
	for _, w := range []*farmtest.Worker{worker, deleted} {
		w.AddHistory(nil, now.Add(-2*time.Hour), now.Add(-time.Hour))
	}
	open := make([]*farmtest.Session, 7)
	for i := range open {
		open[i] = worker.StartSessionAt(nil, now.Add(-time.Hour))
	}
	seen := publishedBy(ctx, t, farm)
	seen.await("events discovered", len(open)+2) // and the history
	seen.await("events ended", 2)

	open[0].Update("UPDATE_IN_PROGRESS")
	open[1].Update("UPDATE_SUCCEEDED")
	open[2].Update("UPDATE_FAILED")
	open[3].Update("PAUSED")
	open[4].SetTarget()
	open[5].End()
	farm.SetFaults(farmtest.Fault{Kind: farmtest.EndWithoutTime})
	open[6].End()
	farm.SetFaults()
	worker.SetStatus(farmtest.WorkerRunning)
	worker.StartSession(nil)
	deleted.Delete()
	for _, what := range []string{
		"events updating", "events updated", "events updatefailed", "events changed", "events ending", "events started",
		"state watch", "state absences", "state session", "state log", "state coverage", "state workers",
		"coverage farmwire.coverage.heartbeat.v1", "coverage farmwire.coverage.watch.v1",
	} {
		seen.await(what, 1)
	}
	seen.await("events ended", 4)
	seen.await("ended ended", 2)
	t.Log(seen.counts)
}

// publications are the records that a run has published.
type publications struct {
	t        *testing.T
	ctx      context.Context
	client   *kgo.Client
	contract *contract
	counts   map[string]int // of the valid records, by the end of the topic's name and the change or the kind
}

// publishedBy begins a run that watches the farm until the end of the test.
func publishedBy(ctx context.Context, t *testing.T, farm *farmtest.Server) *publications {
	t.Helper()
	broker, err := kafkatest.StartFake(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	config := publisher.Config{Cluster: cluster.Config{Brokers: broker.Addrs()}, TopicPrefix: "schema", Region: "eu-west-1", Initial: "all"}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- farmwire.Run(running, farmwire.Config{
			Client: deadline.New(deadline.Options{
				Region: "eu-west-1", BaseEndpoint: aws.String(farm.URL()),
				Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""), HTTPClient: &http.Client{Transport: transport},
			}, poller.ClientOptions),
			Poller:    poller.Config{Rate: 200, Staleness: time.Second, Discovery: time.Second},
			Publisher: config,
			Topics:    publisher.TopicSpec{Partitions: 2, ReplicationFactor: 1},
			Create:    true,
		}, zap.NewNop())
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...), kgo.ConsumeTopics(config.Topics()...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.UnknownTopicRetries(-1), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &publications{t: t, ctx: ctx, client: client, contract: load(t), counts: map[string]int{}}
}

// await reads until there are so many records of a kind, and checks each.
func (p *publications) await(what string, n int) {
	p.t.Helper()
	for p.counts[what] < n {
		fetches := p.client.PollFetches(p.ctx)
		if p.ctx.Err() != nil {
			p.t.Fatalf("there is no %s: %v", what, p.counts)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			channel := strings.TrimPrefix(r.Topic, "schema.")
			record := event.Record{Key: r.Key, Value: r.Value}
			for _, h := range r.Headers {
				record.Headers = append(record.Headers, event.Header(h))
			}
			kind, err := kindOf(channel, record)
			if err == nil {
				err = p.contract.check(channel, record)
			}
			if err != nil {
				p.t.Errorf("%s: %s: %v", channel, r.Value, err)
			}
			p.counts[channel+" "+kind]++
			if r.Value != nil {
				pass(p.t, "valid/"+schemaOf(channel), fmt.Sprintf("run-%s-%d-%d", channel, r.Partition, r.Offset), string(r.Value))
			}
		})
	}
}

// kindOf is the change of an event, the type of a coverage record, or the message that a state record is.
func kindOf(channel string, r event.Record) (string, error) {
	switch channel {
	case "events", "ended":
		e, err := event.Decode(r.Key, r.Value, r.Headers)
		return string(e.Kind), err
	case "coverage":
		c, err := event.DecodeCoverage(r.Key, r.Value, r.Headers)
		return c.Type, err
	}
	s, err := event.DecodeState(r.Key, r.Value)
	switch {
	case s.Forgotten():
		return "forgotten", err
	case s.Watch != nil:
		return event.WatchKey, err
	case s.Log != nil:
		return event.LogKey, err
	case s.Coverage != nil:
		return event.CoverageKey, err
	case s.Workers != nil:
		return event.WorkersKey, err
	case s.Absences != nil:
		return "absences", err
	}
	return "session", err
}
