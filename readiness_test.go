package farmwire_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"farmwire"
	"farmwire/cluster"
	"farmwire/poller"
	"farmwire/poller/farmtest"
	"farmwire/publisher"
	"farmwire/publisher/kafkatest"
)

// site is a simulated farm, a broker, and topics with two shards.
type site struct {
	farm   *farmtest.Server
	fleet  *farmtest.Fleet
	broker *kafkatest.Cluster
	admin  *kadm.Client
	config publisher.Config
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{farm: farmtest.New(farmtest.Config{})}
	if err := s.farm.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.farm.Close() })
	s.fleet = s.farm.Cloud().AddFarm("studio").AddFleet("render")
	var err error
	if s.broker, err = kafkatest.StartFake(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.broker.Close() })
	client, err := kgo.NewClient(kgo.SeedBrokers(s.broker.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s.admin = kadm.NewClient(client)
	s.config = publisher.Config{Cluster: cluster.Config{Brokers: s.broker.Addrs()}, TopicPrefix: "site", Region: "us-west-2", Initial: "open"}
	return s
}

// member is an instance whose /readyz is asked.
type member struct {
	t    *testing.T
	addr string
	logs *observer.ObservedLogs
	stop func()
}

// start starts an instance, which is stopped at the end of the test at the latest.
func (s *site) start(t *testing.T) *member {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client := deadline.New(deadline.Options{
		Region:       "us-west-2",
		BaseEndpoint: aws.String(s.farm.URL()),
		Credentials:  credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
	}, poller.ClientOptions)
	core, logs := observer.New(zapcore.InfoLevel)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- farmwire.Run(ctx, farmwire.Config{
			Client:    client,
			Poller:    poller.Config{Rate: 50, Staleness: time.Second, Discovery: 2 * time.Second},
			Publisher: s.config,
			Topics:    publisher.TopicSpec{Partitions: 2, ReplicationFactor: 1},
			Create:    true,
			Listener:  listener,
		}, zap.New(core))
	}()
	m := &member{t: t, addr: listener.Addr().String(), logs: logs}
	m.stop = func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		m.stop = func() {}
	}
	t.Cleanup(func() { m.stop() })
	return m
}

// readyz asks /readyz.
func (m *member) readyz() (ready bool, text string) {
	answer, err := http.Get("http://" + m.addr + "/readyz")
	if err != nil {
		return false, err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return false, err.Error()
	}
	return answer.StatusCode == http.StatusOK, string(body)
}

// await waits until /readyz answers as wanted, with a text that has all the parts.
func (m *member) await(within time.Duration, want bool, parts ...string) {
	m.t.Helper()
	var ready bool
	var text string
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		ready, text = m.readyz()
		all := ready == want
		for _, part := range parts {
			all = all && strings.Contains(text, part)
		}
		if all {
			return
		}
	}
	m.t.Fatalf("after %v: ready %v\n%s\nwant %v, %q", within, ready, text, want, parts)
}

// An instance that has no shard is ready, and takes over when another stops.
func TestStandbyIsReady(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fleet.AddWorker().StartSession(nil)
	all := []*member{s.start(t), s.start(t), s.start(t)}
	for _, m := range all {
		m.await(time.Minute, true)
	}
	standby := -1
	for deadline := time.Now().Add(time.Minute); standby < 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for n, m := range all {
			if ready, text := m.readyz(); ready && strings.Contains(text, "has assigned no shard to this instance") {
				standby = n
			}
		}
	}
	if standby < 0 {
		t.Fatal("no instance stands by")
	}
	all[(standby+1)%3].stop()
	all[standby].await(time.Minute, true)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if ready, text := all[standby].readyz(); ready && !strings.Contains(text, "no shard") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the standby has taken no shard over")
		}
	}
}

// When a topic is deleted, /readyz and the log name it and the cure, and /readyz does not flap.
func TestDeletedTopic(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	worker := s.fleet.AddWorker()
	session := worker.StartSession(nil)
	first := s.start(t)
	first.await(time.Minute, true)
	for deadline := time.Now().Add(time.Minute); first.logs.FilterMessageSnippet("session ").Len() == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the session was not published")
		}
	}
	if _, err := s.admin.DeleteTopics(t.Context(), s.config.EndedTopic()); err != nil {
		t.Fatal(err)
	}
	session.End()
	cure := s.config.EndedTopic() + " does not exist any more"
	first.await(2*time.Minute, false, cure, "create it again")
	for until := time.Now().Add(14 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if ready, text := first.readyz(); ready || !strings.Contains(text, cure) {
			t.Fatalf("ready %v:\n%s", ready, text)
		}
	}
	if first.logs.FilterMessageSnippet(cure).Len() == 0 {
		t.Error("the log does not name the cure")
	}
	if _, err := s.admin.CreateTopic(t.Context(), 2, 1, nil, s.config.EndedTopic()); err != nil {
		t.Fatal(err)
	}
	first.await(2*time.Minute, false, "is ready after a minute without a failure")
}

// An account without farms is not ready, and /readyz and the log say what to check. The state topic stays empty, so that a
// start in the right region follows.
func TestNoFarm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	empty := farmtest.New(farmtest.Config{})
	if err := empty.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { empty.Close() })
	s.farm = empty
	m := s.start(t)
	const text = "Deadline Cloud lists no farm in us-west-2: check the region and the account"
	m.await(time.Minute, false, text)
	for deadline := time.Now().Add(time.Minute); m.logs.FilterLevelExact(zapcore.WarnLevel).FilterMessageSnippet(text).Len() == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the log says nothing")
		}
	}
	ends, err := s.admin.ListEndOffsets(t.Context(), s.config.StateTopic())
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset != 0 {
			t.Errorf("partition %d of the state topic ends at %d before a farm was shown", o.Partition, o.Offset)
		}
	})
	m.stop()
	s.config.Region = "eu-west-1"
	m = s.start(t)
	m.await(time.Minute, false, "Deadline Cloud lists no farm in eu-west-1")
	empty.Cloud().AddFarm("studio")
	m.await(time.Minute, true, "has no fleet to watch")
}
