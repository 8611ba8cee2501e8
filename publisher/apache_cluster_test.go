package publisher

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/diff"
	"farmwire/publisher/kafkatest"
)

// TestApacheThreeBrokers tests what needs a cluster of its own: transactions that time out soon, and brokers that die. The
// order of its parts matters, because several of them use the death of one broker.
func TestApacheThreeBrokers(t *testing.T) {
	cluster := apacheCluster(t, kafkatest.Options{Brokers: 3, Properties: map[string]string{
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
	}})
	t.Run("timed out", func(t *testing.T) { testTimedOut(t, cluster) })
	t.Run("coordinator moves", func(t *testing.T) { testCoordinatorMoves(t, cluster) })
	t.Run("partitions without leaders", func(t *testing.T) { testLeaderless(t, cluster) })
	t.Run("the seed is gone", func(t *testing.T) { testSeedGone(t, cluster) })
}

// With the only bootstrap broker dead and two of three brokers well, publishing goes on, and shards can be acquired.
func testSeedGone(t *testing.T, cluster *kafkatest.Cluster) {
	for i := range cluster.Size() { // the test before has stopped one
		if err := cluster.Restart(t.Context(), i); err != nil {
			t.Logf("not started again: %v", err)
		}
	}
	c := replicated(t, cluster, "seed-gone")
	for seed := range cluster.Size() - 1 {
		c.Cluster.Brokers = cluster.Addrs()[seed : seed+1]
		g := newApacheShard(t, c)
		g.p.brokers.timeouts = defaultTimeouts()
		g.shard = acquire(t, g.p, 0)
		s := g.stream()
		s.await(10)
		if err := cluster.Kill(seed); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		s.await(10)
		t.Logf("ten more transactions %v after SIGKILL of the seed", time.Since(began))
		s.stop()
		for shard := range testPartitions { // asks for coordinators
			if _, err := g.p.Acquire(deadline(t, time.Minute), shard); err != nil {
				t.Errorf("shard %d without the seed: %v", shard, err)
			}
		}
		if err := cluster.Restart(t.Context(), seed); err != nil {
			t.Fatal(err)
		}
	}
}

// If the brokers verify transactions, partitions without a leader are left out of a take-over. If they do not, the take-over
// fails, and the error names a partition.
func testLeaderless(t *testing.T, cluster *kafkatest.Cluster) {
	for i := range cluster.Size() { // the test before has stopped one
		if err := cluster.Restart(t.Context(), i); err != nil {
			t.Logf("not started again: %v", err)
		}
	}
	c := testConfig(t, cluster.Addrs()) // of one replica
	g := newApacheShard(t, c)
	g.must()
	g.p.brokers.timeouts.leaderless = time.Second
	g.p.brokers.timeouts.attempt = defaultTimeouts().attempt // one attempt asks all brokers for their versions and settings
	var own int32
	until(t, time.Minute, "the state of the shard has a leader", func() bool {
		leader, err := g.p.brokers.leader(t.Context(), g.p.statePartition(0))
		own = leader
		return err == nil
	})
	if err := cluster.Kill(int(own) % cluster.Size()); err != nil { // the next one
		t.Fatal(err)
	}
	until(t, time.Minute, "partitions have no leader", func() bool {
		all, err := g.p.brokers.leaders(t.Context(), c.Topics()...)
		return err == nil && slices.Contains(append(all[c.EventsTopic()], all[c.EndedTopic()]...), noLeader)
	})
	verify := func(on string) {
		t.Helper()
		until(t, time.Minute, "the cluster takes the setting", func() bool { // the broker that was killed may be asked, or may have been the controller
			altered, err := g.admin.AlterBrokerConfigs(t.Context(), []kadm.AlterConfig{
				{Op: kadm.SetConfig, Name: "transaction.partition.verification.enable", Value: &on}})
			for _, a := range altered {
				err = errors.Join(err, a.Err)
			}
			if err != nil {
				t.Log(err)
			}
			return err == nil
		})
		until(t, time.Minute, "the brokers say so", func() bool {
			found, err := g.p.brokers.inspect(t.Context())
			return err == nil && (found.Verification == VerificationOn) == (on == "true")
		})
	}
	verify("false")
	_, err := g.p.Acquire(t.Context(), 0)
	if !errors.Is(err, errNoLeader) || errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.TopicPrefix+".e") {
		t.Errorf("acquired although nobody can be taught the epoch: %v", err)
	}
	verify("true")
	g.p.brokers.timeouts.fence = time.Minute
	if g.shard, err = g.p.Acquire(t.Context(), 0); err != nil {
		t.Errorf("partitions without a leader hold a shard up: %v", err)
	}
	g.testAround(own)
}

// testAround publishes while some partitions have no leader. own leads the partition of shard 0.
func (g *apacheShard) testAround(own int32) {
	t := g.t
	var all map[string][]int32
	until(t, time.Minute, "the leaders are known", func() bool {
		leaders, err := g.p.brokers.leaders(t.Context(), g.c.Topics()...)
		all = leaders
		return err == nil
	})
	var written, refused int
	for n := range 12 { // the partitions of some sessions have leaders
		s := session(0, 100+n)
		to := newPartitioner(testPartitions).of(s.SessionID)
		online := all[g.c.EventsTopic()][to] != noLeader
		waits := ""
		if !online {
			waits = g.c.EventsTopic() + "-" + strconv.Itoa(to)
		}
		if names, err := g.shard.WithoutLeader(t.Context(), []diff.Changes{changesOf(started(s))}); err != nil || strings.Join(names, " ") != waits {
			t.Errorf("changes wait for %q, %v; want %q", names, err, waits)
		}
		switch err := g.shard.Publish(t.Context(), []diff.Changes{changesOf(started(s))}); {
		case online && err != nil:
			t.Errorf("a transaction that needs no partition without a leader: %v", err)
		case !online && (!errors.Is(err, errNoLeader) || !strings.Contains(err.Error(), waits)):
			t.Errorf("published to a partition without a leader: %v", err)
		case online:
			written++
			continue
		}
		refused++
		began := time.Now()
		var err error
		if g.shard, err = g.p.Acquire(t.Context(), 0); err != nil {
			t.Fatalf("the refused transaction holds its shard up: %v", err)
		}
		t.Logf("acquired again within %v", time.Since(began))
	}
	t.Logf("%d transactions were written, and %d refused", written, refused)
	for shard, leader := range all[g.c.StateTopic()] {
		_, err := g.p.Acquire(t.Context(), shard)
		if at := g.p.statePartition(shard).String(); leader == noLeader && (!errors.Is(err, errNoLeader) || !strings.Contains(err.Error(), at)) {
			t.Errorf("%s has no leader: %v", at, err)
		} else if leader != noLeader && err != nil {
			t.Errorf("shard %d: %v", shard, err)
		}
	}
}

// replicated has topics of its own with three replicas, two of them in sync, and a prefix that begins as told.
func replicated(t *testing.T, cluster *kafkatest.Cluster, prefix string) Config {
	t.Helper()
	c := Config{Cluster: clusterAt(cluster.Addrs()), TopicPrefix: prefix, Region: "eu-west-1", Initial: "open", Compression: CompressionNone}
	createTopics(t, c, TopicSpec{Partitions: testPartitions, ReplicationFactor: 3})
	return c
}

// A transaction that took too long is aborted by the broker: a produce is answered 47, a commit 90 and an abort 90.
// None of that means that the shard has another owner, and it can be acquired again.
func testTimedOut(t *testing.T, cluster *kafkatest.Cluster) {
	g := newApacheShard(t, replicated(t, cluster, "timed-out"))
	g.must()
	const timeout = 8 * time.Second // in which a busy machine takes a shard over and writes to it
	for key, answer := range map[kmsg.Key]kafka.Error{kmsg.Produce: codeInvalidEpoch, kmsg.EndTxn: codeProducerFenced} {
		g.p.brokers.timeouts.transaction = timeout
		g.shard = acquire(t, g.p, 0)
		g.takeSaid()
		g.zombie(g.during(key, g.timedOut), key, answer)
		g.p.brokers.timeouts.transaction = time.Minute
		g.shard = acquire(t, g.p, 0)
		g.must()
	}
	g.p.brokers.timeouts.transaction = timeout
	g.shard = acquire(t, g.p, 0)
	p := g.shard.producer
	if err := p.write(t.Context(), time.Now(), g.prepare()); err != nil {
		t.Fatal(err)
	}
	g.timedOut()
	if err := p.end(t.Context(), false); !errors.Is(err, ErrFenced) || !errors.Is(err, codeProducerFenced) {
		t.Errorf("abort after the timeout: %v", err)
	}
	g.p.brokers.timeouts.transaction = time.Minute
	g.shard = acquire(t, g.p, 0)
	g.must()
	g.check()
}

// timedOut waits until the coordinator has aborted the shard's transaction by itself.
func (g *apacheShard) timedOut() {
	g.t.Helper()
	g.awaitState("CompleteAbort")
}

// awaitState waits for a state of the shard's transactional id, in the coordinator's words.
func (g *apacheShard) awaitState(state string) {
	g.t.Helper()
	id := g.shard.producer.id
	until(g.t, time.Minute, id+" is "+state, func() bool {
		all, err := g.admin.DescribeTransactions(g.t.Context(), id)
		return err == nil && all[id].State == state
	})
}

// The coordinator is killed in the middle of publishing, and later its successor leaves in an orderly way: nothing is
// lost or published twice, and no transaction fails. Meanwhile a topic requires three replicas and has two, which is error 19.
func testCoordinatorMoves(t *testing.T, cluster *kafkatest.Cluster) {
	g := newApacheShard(t, replicated(t, cluster, "moves"))
	g.p.brokers.timeouts = defaultTimeouts()
	g.shard = acquire(t, g.p, 0)
	exhausted := nearExhaustion(t, cluster, g.shard.producer.id)
	s := g.stream()
	s.await(10)
	victim := g.coordinator()
	if err := cluster.Kill(victim); err != nil {
		t.Fatal(err)
	}
	s.await(10)
	t.Logf("worst transaction around SIGKILL of the coordinator: %v", s.takeWorst())
	s.stop()
	// How long a replica is missing is how long this machine takes to start a broker.
	g.p.brokers.timeouts.transaction, g.p.brokers.timeouts.total = 4*time.Minute, 3*time.Minute
	g.shard = acquire(t, g.p, 0)
	g.must()
	g.awaitState("CompleteCommit") // or it would be the markers that are not taken: 51 for as long
	g.minInsync("3")
	g.untilNotEnoughReplicas()
	s = g.stream()
	until(t, time.Minute, "the broker misses replicas", func() bool { return g.retries("NOT_ENOUGH_REPLICAS") > 0 })
	if err := cluster.Restart(t.Context(), victim); err != nil {
		t.Fatal(err)
	}
	s.await(10)
	g.minInsync("2")
	s.await(10)
	t.Logf("worst transaction while a replica was missing: %v", s.takeWorst())
	testExhaustion(t, exhausted)
	if err := cluster.Stop(g.coordinator()); err != nil {
		t.Fatal(err)
	}
	s.await(10)
	s.stop()
	t.Logf("worst transaction around an orderly stop of the coordinator: %v", s.takeWorst())
	for _, code := range []int16{3, 5, 6, 7, 14, 15, 16, 19, 20, 51} {
		name := errorLabel(asError(code))
		t.Logf("sent again because of %s: %d", name, g.retries(name))
	}
	t.Logf("sent again because of the network: %d", g.retries("network"))
	t.Logf("%d transactions", g.n)
	g.check()
}

// coordinator is the broker, counted from 0, that has the shard's transactional id.
func (g *apacheShard) coordinator() (broker int) {
	g.t.Helper()
	until(g.t, time.Minute, "the id has a coordinator", func() bool {
		node, err := g.p.brokers.findCoordinator(g.t.Context(), transactionalID(g.c.StateTopic(), 0))
		broker = int(node) - 1
		return err == nil
	})
	return broker
}

func (g *apacheShard) minInsync(n string) {
	g.t.Helper()
	alter := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: minInsync, Value: &n}}
	until(g.t, time.Minute, "the topic takes min.insync.replicas="+n, func() bool {
		altered, err := g.admin.AlterTopicConfigs(g.t.Context(), alter, g.c.EndedTopic())
		for _, topic := range altered {
			err = errors.Join(err, topic.Err)
		}
		if err != nil {
			g.t.Log(err)
		}
		return err == nil
	})
}

// untilNotEnoughReplicas waits until no partition of the topic takes a record. The records that it takes before are no events.
func (g *apacheShard) untilNotEnoughReplicas() {
	g.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(g.c.Cluster.Brokers...), kgo.DisableIdempotentWrite(), kgo.RecordRetries(0), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		g.t.Fatal(err)
	}
	defer client.Close()
	for partition := range int32(testPartitions) {
		until(g.t, time.Minute, "the new min.insync.replicas counts", func() bool {
			probe := &kgo.Record{Topic: g.c.EndedTopic(), Partition: partition, Key: []byte("probe")}
			return errors.Is(client.ProduceSync(g.t.Context(), probe).FirstErr(), kerr.NotEnoughReplicas)
		})
	}
}

// stream publishes one transaction after the other until it is stopped.
type stream struct {
	t        *testing.T
	stopping chan struct{}
	ended    chan error

	mu    sync.Mutex
	count int
	worst time.Duration // since it was last taken
}

func (g *apacheShard) stream() *stream {
	s := &stream{t: g.t, stopping: make(chan struct{}), ended: make(chan error, 1)}
	go func() {
		for {
			select {
			case <-s.stopping:
				s.ended <- nil
				return
			default:
			}
			began := time.Now()
			err := g.publish(g.t.Context())
			if errors.Is(err, errBetween) { // the answer to a beginning was lost: nothing of it is committed
				if g.shard, err = g.p.Acquire(g.t.Context(), 0); err == nil {
					g.n--
					continue
				}
			}
			if err != nil {
				s.ended <- fmt.Errorf("transaction %d: %w", g.n, err)
				return
			}
			s.mu.Lock()
			s.count++
			s.worst = max(s.worst, time.Since(began))
			s.mu.Unlock()
		}
	}()
	return s
}

// await waits for n more transactions.
func (s *stream) await(n int) {
	s.t.Helper()
	count := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		select {
		case err := <-s.ended:
			s.t.Fatal(err)
		default:
		}
		return s.count
	}
	reached := count() + n
	until(s.t, 2*time.Minute, "publishing goes on", func() bool { return count() >= reached })
}

func (s *stream) takeWorst() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	worst := s.worst
	s.worst = 0
	return worst
}

func (s *stream) stop() {
	s.t.Helper()
	close(s.stopping)
	if err := <-s.ended; err != nil {
		s.t.Error(err)
	}
}
