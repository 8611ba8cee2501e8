package farmwire_test

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap/zaptest/observer"

	"farmwire/poller/farmtest"
	"farmwire/publisher"
)

// While one partition of the events topic has no leader, only the workers wait whose changes it would take. Everything else is
// published, /readyz and the log name the partition, and when it is back the changes that waited follow by themselves.
func TestPartitionWithoutALeader(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.startKafka()
	cfg := s.config()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listener = listener
	r := s.run(cfg)
	m := &member{t: t, addr: listener.Addr().String(), logs: r.logs}
	s.followed(r)
	takeLeader, giveLeader := s.leaderOf("farm.events", 1)
	takeLeader()

	var waiting, published []*farmtest.Session
	for len(waiting) < 8 || len(published) < 8 {
		session := s.fleet.AddWorker().StartSession(nil)
		if publisher.ShardOf(session.ID(), shards) == 1 {
			waiting = append(waiting, session)
		} else {
			published = append(published, session)
		}
	}
	const warning = "farm.events-1 has no leader, and the changes of "
	m.await(time.Minute, true, "warning: "+warning, "start the brokers that keep its replicas")
	await(t, "the others are published", func() bool {
		return !slices.ContainsFunc(published, func(of *farmtest.Session) bool { return !isLogged(r, of) })
	})
	for _, session := range append(published, waiting...) {
		session.End()
	}
	await(t, "the others are followed", func() bool { return s.logged(r, "session ended") >= len(published) })
	await(t, "the log names the partition", func() bool { return countPrefix(r, warning) > 0 })
	changes := s.published()
	for _, session := range waiting {
		if got := changes[session.ID()]; got != nil {
			t.Errorf("the changes %v of a session that waits are in Kafka", got)
		}
	}

	began := time.Now()
	giveLeader()
	await(t, "what waited is published", func() bool { return s.logged(r, "session ended") == len(published)+len(waiting) })
	t.Logf("published %v after the leader was back", time.Since(began))
	changes = s.published()
	for _, session := range append(published, waiting...) {
		if got := changes[session.ID()]; !isWhole(got) {
			t.Errorf("the changes %v of a session are in Kafka", got)
		}
	}
	if n := countPrefix(r, warning); n != 1 {
		t.Errorf("the log names the partition %d times", n)
	}
	if n := s.logged(r, "shard will be acquired again"); n != 0 {
		t.Errorf("shards were acquired again %d times", n)
	}

	takeLeader()
	for n := 0; n < 4; {
		if publisher.ShardOf(s.fleet.AddWorker().StartSession(nil).ID(), shards) == 1 {
			n++
		}
	}
	m.await(time.Minute, true, warning)
	r.stop()
}

// leaderOf returns functions that take the leader of a partition away and give it back, for the client that publishes. take
// returns when that client has asked.
func (s *stage) leaderOf(topic string, partition int32) (take, give func()) {
	var offline atomic.Bool
	var answered atomic.Int32
	host, port, _ := net.SplitHostPort(s.addrs[0])
	number, _ := strconv.Atoi(port)
	s.kafka.ControlKey(kmsg.Metadata.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		s.kafka.KeepControl()
		const publishing = 8 // the version of kafka-go; the group's client asks for newer ones
		if !offline.Load() || r.GetVersion() > publishing {
			return nil, nil, false
		}
		answered.Add(1)
		answer := r.ResponseKind().(*kmsg.MetadataResponse)
		answer.Brokers = []kmsg.MetadataResponseBroker{{Host: host, Port: int32(number)}}
		for _, asked := range r.(*kmsg.MetadataRequest).Topics {
			of := kmsg.MetadataResponseTopic{Topic: asked.Topic}
			for i := range int32(shards) {
				p := kmsg.MetadataResponseTopicPartition{Partition: i}
				if *asked.Topic == topic && i == partition {
					p.Leader, p.ErrorCode = -1, 5
				}
				of.Partitions = append(of.Partitions, p)
			}
			answer.Topics = append(answer.Topics, of)
		}
		return answer, nil, true
	})
	take = func() {
		before := answered.Load()
		offline.Store(true)
		await(s.t, "the client has two answers", func() bool { return answered.Load() >= before+2 })
	}
	return take, func() { offline.Store(false) }
}

func countPrefix(r *running, message string) (n int) {
	for _, e := range r.logs.All() {
		if strings.HasPrefix(e.Message, message) {
			n++
		}
	}
	return n
}

// isLogged reports whether a change of the session is logged.
func isLogged(r *running, session *farmtest.Session) bool {
	return slices.ContainsFunc(r.logs.All(), func(e observer.LoggedEntry) bool { return e.ContextMap()["session"] == session.ID() })
}

// isWhole reports whether changes are the first sight of a session and its end. The first depends on whether its shard had
// stored the watch on the fleet before.
func isWhole(changes []string) bool {
	return slices.Equal(changes, []string{"started", "ended"}) || slices.Equal(changes, []string{"discovered", "ended"})
}
