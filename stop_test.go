package farmwire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"farmwire"
	"farmwire/cluster"
	"farmwire/event"
	"farmwire/poller"
	"farmwire/poller/farmtest"
	"farmwire/publisher"
	"farmwire/publisher/kafkatest"
)

// stage is a simulated farm and a simulated Kafka, behind a gate, for instances of Farmwire.
type stage struct {
	t     *testing.T
	farm  *farmtest.Server
	fleet *farmtest.Fleet
	gate  *kafkatest.Gate
	kafka *kfake.Cluster
	addrs []string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, farm: farmtest.New(farmtest.Config{}), gate: kafkatest.NewGate()}
	if err := s.farm.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.farm.Close() })
	s.fleet = s.farm.Cloud().AddFarm("studio").AddFleet("render")
	return s
}

// startKafka starts the broker.
func (s *stage) startKafka(options ...kfake.Opt) {
	s.t.Helper()
	kafka, err := kfake.NewCluster(append(options, kfake.NumBrokers(1), kfake.ListenFn(s.gate.Listen))...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		s.gate.Open()
		kafka.Close()
	})
	s.kafka, s.addrs = kafka, kafka.ListenAddrs()
}

const shards = 4

func (s *stage) config() farmwire.Config {
	transport := new(http.Transport)
	s.t.Cleanup(transport.CloseIdleConnections)
	return farmwire.Config{
		Client: deadline.New(deadline.Options{
			Region:       "us-west-2",
			BaseEndpoint: aws.String(s.farm.URL()),
			Credentials:  credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
			HTTPClient:   &http.Client{Transport: transport},
		}, poller.ClientOptions),
		Poller:    poller.Config{Rate: 500, Staleness: 500 * time.Millisecond, Discovery: time.Second},
		Publisher: publisher.Config{Cluster: cluster.Config{Brokers: s.addrs}, TopicPrefix: "farm", Region: "us-west-2", Initial: "open"},
		Topics:    publisher.TopicSpec{Partitions: shards, ReplicationFactor: 1},
		Create:    true,
	}
}

// running is an instance that runs.
type running struct {
	t      *testing.T
	cancel context.CancelFunc
	ended  chan error
	logs   *observer.ObservedLogs
}

func (s *stage) run(cfg farmwire.Config) *running {
	core, logs := observer.New(zap.InfoLevel)
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	r := &running{t: s.t, cancel: cancel, ended: make(chan error, 1), logs: logs}
	go func() { r.ended <- farmwire.Run(ctx, cfg, zap.New(core)) }()
	s.t.Cleanup(func() {
		if s.t.Failed() {
			for _, e := range logs.All() {
				s.t.Log(e.Message, e.ContextMap())
			}
		}
		cancel()
		s.gate.Open()
		select {
		case <-r.ended:
		case <-time.After(20 * time.Second):
			s.t.Error("an instance does not end")
		}
	})
	return r
}

// stop stops the instance, which must end without an error within five seconds.
func (r *running) stop() {
	r.t.Helper()
	const most = 5 * time.Second
	began := time.Now()
	r.cancel()
	select {
	case err := <-r.ended:
		r.ended <- nil
		if took := time.Since(began); err != nil || took > most {
			r.t.Errorf("the stop took %v and ended with %v", took, err)
		}
	case <-time.After(10 * time.Second):
		r.t.Fatal("the instance does not stop")
	}
}

// await waits for a condition.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	const most = 2 * time.Minute // Nobody promises how soon, and a busy machine may need long.
	for end := time.Now().Add(most); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", most, what)
		}
	}
}

// published returns the changes that are committed in the events topic, by session. It reads up to where the topic ends
// now, however long that takes, because a pause between two answers of a busy broker is not the end.
func (s *stage) published() map[string][]string {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.addrs...), kgo.ConsumeTopics("farm.events"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.KeepControlRecords()) // because the last record is the marker of a transaction
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, "farm.events")
	if err != nil || ends.Error() != nil {
		s.t.Fatal(err, ends.Error())
	}
	unread := map[int32]int64{} // where the partitions end that are not read to their end yet
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			unread[end.Partition] = end.Offset
		}
	})
	all := map[string][]string{}
	for len(unread) > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			s.t.Fatalf("the events topic is not read up to %v", unread)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if end, ok := unread[r.Partition]; ok && r.Offset+1 >= end {
				delete(unread, r.Partition)
			}
			if r.Attrs.IsControl() {
				return
			}
			e := s.decode(r)
			kind := strings.TrimSuffix(strings.TrimPrefix(e.Type, "farmwire.session."), ".v1")
			all[e.Session.SessionID] = append(all[e.Session.SessionID], kind)
		})
	}
	return all
}

func (s *stage) decode(r *kgo.Record) event.Event {
	s.t.Helper()
	var headers []event.Header
	for _, h := range r.Headers {
		headers = append(headers, event.Header{Key: h.Key, Value: h.Value})
	}
	e, err := event.Decode(r.Key, r.Value, headers)
	if err != nil {
		s.t.Error(err)
	}
	return e
}

func (s *stage) want(session *farmtest.Session, kinds ...string) {
	s.t.Helper()
	if got := s.published()[session.ID()]; !slices.Equal(got, kinds) {
		s.t.Errorf("the changes %v of a session are in Kafka, want %v", got, kinds)
	}
}

// followed waits until an instance has published what there is.
func (s *stage) followed(r *running) {
	s.t.Helper()
	first := s.fleet.AddWorker().StartSession(nil)
	await(s.t, "the first session is published", func() bool {
		return isLogged(r, first)
	})
}

// listings returns how many listings were answered.
func (s *stage) listings() int { return s.farm.Calls()[farmtest.ListSessionsForWorker]["ok"] }

// delayed makes the broker answer the requests of a kind late, until the returned function is called.
func (s *stage) delayed(key kmsg.Key, by time.Duration) (asked func() int, release func()) {
	var n atomic.Int32
	var over atomic.Bool
	s.kafka.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		if !over.Load() {
			s.kafka.KeepControl()
			n.Add(1)
			s.kafka.SleepControl(func() { time.Sleep(by) })
		}
		return nil, nil, false
	})
	return func() int { return int(n.Load()) }, func() { over.Store(true) }
}

// What was shown before a stop is published, although a transaction was in flight when the stop began, and although
// a listing had shown some sessions only on the first of its pages.
func TestStopPublishesWhatWasShown(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.startKafka()
	r := s.run(s.config())
	s.followed(r)
	long := s.fleet.AddWorker()
	for range 150 {
		long.StartSession(nil)
	}
	await(t, "the long listing is published", func() bool { return s.logged(r, "session started") >= 150 })
	asked, release := s.delayed(kmsg.Produce, 400*time.Millisecond) // two of them must fit into publisher.DrainTime, with room
	defer release()

	sessions := []*farmtest.Session{s.fleet.AddWorker().StartSession(nil)}
	await(t, "a transaction is in flight", func() bool { return asked() > 0 })
	sessions = append(sessions, s.fleet.AddWorker().StartSession(nil))
	for range 50 {
		sessions = append(sessions, long.StartSession(nil))
	}
	// A listing of which the first page was read before these sessions started may be the one that hangs, and the next must not.
	s.farm.SetFaults(farmtest.Fault{Kind: farmtest.Hang, Operation: farmtest.ListSessionsForWorker, Worker: long.ID(), Page: 2, Delay: 2 * time.Second, Count: 1})
	isShown := func(session *farmtest.Session) bool { return session.Truth().Listed != nil }
	await(t, "the second worker and the first page are listed", func() bool { return isShown(sessions[1]) && slices.ContainsFunc(sessions[2:], isShown) })
	await(t, "the first page was read", func() bool { return s.farm.Stats().Faults[farmtest.Hang] > 0 })
	// What is shown in the moment of the stop need not arrive any more. What was shown before needs some time to do so, on a
	// busy machine up to a second. Others start meanwhile, so that a transaction is in flight when the stop begins.
	shown := make([]bool, len(sessions))
	for i, session := range sessions {
		shown[i] = isShown(session)
	}
	other := s.fleet.AddWorker()
	for range 20 {
		other.StartSession(nil)
		time.Sleep(50 * time.Millisecond)
	}
	r.stop()
	published := s.published()
	for i, session := range sessions {
		if shown[i] && !slices.Equal(published[session.ID()], []string{"started"}) {
			t.Errorf("the changes %v of session %d are in Kafka", published[session.ID()], i)
		}
	}
}

func (s *stage) logged(r *running, message string) int { return r.logs.FilterMessage(message).Len() }

// What was shown before shards move to another instance is published by the one that gives them up. The other instance
// cannot do it here, because its farm is empty.
func TestHandOverPublishesWhatWasShown(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.startKafka()
	one := s.run(s.config())
	s.followed(one)
	var workers []*farmtest.Worker
	for range 20 {
		workers = append(workers, s.fleet.AddWorker())
	}
	seen := s.listings()
	await(t, "the workers are listed", func() bool { return s.listings() > seen+100 })
	// Two of them must fit into publisher.DrainTime, with room. They take longer than an answer may need to arrive, so that what
	// counts below waits for its transaction when the shards move.
	_, release := s.delayed(kmsg.Produce, 500*time.Millisecond)
	defer release()
	empty := newStage(t)
	empty.addrs = s.addrs
	var two *running
	var sessions []*farmtest.Session
	isShown := func(session *farmtest.Session) bool { return session.Truth().Listed != nil }
	for shown := 0; two == nil || s.logged(two, "shard is followed") == 0; { // sessions go on starting meanwhile
		if len(sessions) == 2400 { // after two minutes at the earliest
			t.Fatal("the second instance gets no shard")
		}
		sessions = append(sessions, workers[len(sessions)%len(workers)].StartSession(nil))
		time.Sleep(50 * time.Millisecond) // with more of them, a busy machine would be late with the answers
		if len(sessions) > 40 && isShown(sessions[40]) {
			shown++
		}
		if shown == 80 { // enough answers have arrived, whichever workers are of the shards that move
			two = s.run(empty.config())
		}
	}
	release()
	moved := one.logs.FilterMessage("the group moves shards to another instance").All()
	if len(moved) != 1 {
		t.Fatalf("the group has moved shards %d times", len(moved))
	}
	shown, published := 0, s.published()
	for _, session := range sessions {
		shard := publisher.ShardOf(session.Worker().ID(), shards)
		listed := session.Truth().Listed
		if !strings.Contains(fmt.Sprint(moved[0].ContextMap()["shards"]), strconv.Itoa(shard)) || listed == nil || listed.After(moved[0].Time.Add(-600*time.Millisecond)) {
			continue // It stays, or its answer may not have arrived in time on a busy machine.
		}
		if shown++; !slices.Equal(published[session.ID()], []string{"started"}) {
			t.Errorf("the changes %v of a session are in Kafka that was shown %v before the hand-over", published[session.ID()], moved[0].Time.Sub(*listed))
		}
	}
	if shown < 10 {
		t.Errorf("only %d sessions were shown before the hand-over", shown)
	}
}

// A stop ends in time and without an error, whatever has become of Kafka in the middle of a transaction.
func TestStopWithoutKafka(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(*kafkatest.Gate){"frozen": (*kafkatest.Gate).Freeze, "gone": (*kafkatest.Gate).Close} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.startKafka()
			cfg := s.config()
			cfg.Listener = listen(t)
			r := s.run(cfg)
			s.followed(r)
			asked, release := s.delayed(kmsg.Produce, 2*time.Second) // so that Kafka is taken in the middle of it
			defer release()
			s.fleet.AddWorker().StartSession(nil)
			await(t, "a transaction is in flight", func() bool { return asked() > 0 })
			take(s.gate)
			time.Sleep(300 * time.Millisecond)
			r.stop()
			const left = "the shard is given up before all that it has received is published; the next fence ends what is open, and what is not in Kafka is found again"
			if s.logged(r, left) == 0 && s.logged(r, "the group cannot be reached; trying again") == 0 {
				t.Error("the log does not say what is left to the next fence, and no shard was lost before")
			}
		})
	}
}

// An instance that is started before Kafka waits, and answers the probes meanwhile.
func TestRunWaitsForKafka(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.gate.Close() // Without a listener behind it, another process might take the port.
	s.startKafka()
	cfg := s.config()
	cfg.Listener = listen(t)
	session := s.fleet.AddWorker().StartSessionAt(nil, time.Now().Add(-time.Hour))
	r := s.run(cfg)
	await(t, "the log says what for", func() bool { return s.logged(r, "Kafka cannot be used yet; trying again") > 0 })
	code, text := probe(t, cfg.Listener)
	if code != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d %q", code, text)
	}
	s.gate.Open()
	await(t, "the session is published", func() bool { return s.logged(r, "session discovered") > 0 })
	r.stop()
	s.want(session, "discovered")
}

func probe(t *testing.T, at net.Listener) (int, string) {
	t.Helper()
	answer, err := http.Get("http://" + at.Addr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// A stop while an instance waits for Kafka is a stop like any other.
func TestStopWhileWaitingForKafka(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*stage, *cluster.Config){
		"nobody listens": func(_ *stage, c *cluster.Config) { c.Brokers = []string{"127.0.0.1:1"} },
		"no answer":      func(s *stage, _ *cluster.Config) { s.gate.Freeze() },
		"no TLS":         func(s *stage, c *cluster.Config) { s.gate.Freeze(); c.TLS.Enabled = true },
		"no login": func(s *stage, c *cluster.Config) {
			c.SASL = cluster.SASL{Mechanism: cluster.MechanismPlain, Username: "farmwire", Password: "right"}
			s.delayed(kmsg.SASLHandshake, 20*time.Second)
		},
		"no topics":       func(s *stage, _ *cluster.Config) { s.delayed(kmsg.CreateTopics, 20*time.Second) },
		"no producer id":  func(s *stage, _ *cluster.Config) { s.delayed(kmsg.InitProducerID, 20*time.Second) },
		"no transaction":  func(s *stage, _ *cluster.Config) { s.delayed(kmsg.AddPartitionsToTxn, 20*time.Second) },
		"no end of it":    func(s *stage, _ *cluster.Config) { s.delayed(kmsg.EndTxn, 20*time.Second) },
		"no coordinator":  func(s *stage, _ *cluster.Config) { s.delayed(kmsg.FindCoordinator, 20*time.Second) },
		"no membership":   func(s *stage, _ *cluster.Config) { s.delayed(kmsg.JoinGroup, 20*time.Second) },
		"no assignment":   func(s *stage, _ *cluster.Config) { s.delayed(kmsg.SyncGroup, 20*time.Second) },
		"no way to leave": func(s *stage, _ *cluster.Config) { s.delayed(kmsg.LeaveGroup, 20*time.Second) },
		"no records":      func(s *stage, _ *cluster.Config) { s.delayed(kmsg.Fetch, 20*time.Second) },
		"no offsets":      func(s *stage, _ *cluster.Config) { s.delayed(kmsg.ListOffsets, 20*time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.startKafka(kfake.Superuser("PLAIN", "farmwire", "right"))
			cfg := s.config()
			prepare(s, &cfg.Publisher.Cluster)
			r := s.run(cfg)
			time.Sleep(2 * time.Second) // about when an instance gets to what does not answer; it must stop at any moment
			r.stop()
		})
	}
}

// A stop of an instance that has shards takes as long as is allowed at most, whatever the brokers do not answer any more.
func TestStopWhileBrokersHang(t *testing.T) {
	t.Parallel()
	for _, hangs := range [][]kmsg.Key{
		{kmsg.Produce}, {kmsg.AddPartitionsToTxn}, {kmsg.EndTxn}, {kmsg.Metadata}, {kmsg.Heartbeat}, {kmsg.LeaveGroup}, {kmsg.InitProducerID},
		{kmsg.EndTxn, kmsg.LeaveGroup}, {kmsg.Produce, kmsg.LeaveGroup, kmsg.Heartbeat},
	} {
		t.Run(fmt.Sprintf("%v", hangs), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.startKafka()
			cfg := s.config()
			cfg.Listener = listen(t)
			r := s.run(cfg)
			s.followed(r)
			asked, _ := s.delayed(hangs[0], 20*time.Second)
			for _, key := range hangs[1:] {
				s.delayed(key, 20*time.Second)
			}
			s.fleet.AddWorker().StartSession(nil)
			for end := time.Now().Add(2 * time.Second); asked() == 0 && time.Now().Before(end); { // some are only asked by a stop, or never
				time.Sleep(10 * time.Millisecond)
			}
			r.stop()
		})
	}
}

// What a stop had to leave unanswered arrives late, when another instance has the shards. Each change is published once.
func TestLateRequestsAfterAStop(t *testing.T) {
	t.Parallel()
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.AddPartitionsToTxn, kmsg.EndTxn} {
		t.Run(key.Name(), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.startKafka()
			one := s.run(s.config())
			s.followed(one)
			asked, release := s.delayed(key, 6*time.Second)
			var sessions []*farmtest.Session
			for range 8 {
				sessions = append(sessions, s.fleet.AddWorker().StartSession(nil))
			}
			await(t, "a transaction is in flight", func() bool { return asked() > 0 })
			one.stop()
			release()
			two := s.run(s.config())
			await(t, "the sessions are published", func() bool { return len(s.published()) > len(sessions) })
			for _, session := range sessions {
				session.End()
			}
			await(t, "the ends are published", func() bool { return s.logged(two, "session ended") >= len(sessions) })
			changes := s.published()
			for _, session := range sessions {
				if got := changes[session.ID()]; !isWhole(got) {
					t.Errorf("the changes %v of a session are in Kafka", got)
				}
			}
		})
	}
}

// A wrong password does not pass by itself.
func TestRunEndsWithAWrongPassword(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.startKafka(kfake.EnableSASL(), kfake.Superuser("PLAIN", "farmwire", "right"))
	s.kafka.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) { // as a real broker answers
		s.kafka.KeepControl()
		answer := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		answer.ErrorCode = 58
		return answer, nil, true
	})
	cfg := s.config()
	cfg.Publisher.Cluster.SASL = cluster.SASL{Mechanism: cluster.MechanismPlain, Username: "farmwire", Password: "wrong"}
	err := farmwire.Run(t.Context(), cfg, zap.NewNop())
	var problem *cluster.Error
	if !errors.As(err, &problem) || problem.Kind != cluster.AuthenticationFailed {
		t.Errorf("ended with %v", err)
	}
}
