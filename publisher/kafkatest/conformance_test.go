package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// shared is the Apache cluster of the conformance suite.
var shared Shared

func TestMain(m *testing.M) {
	code := m.Run()
	if err := shared.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// law is a property of brokers that Farmwire relies on.
type law struct {
	name  string
	holds func(suite, *testing.T)
}

// TestConformance checks what Farmwire relies on, on each kind of broker and with franz-go only. A broker that passes
// supports Farmwire's guarantee. The publisher's tests cover what kfake cannot reproduce: pending markers and lost
// answers.
func TestConformance(t *testing.T) {
	laws := []law{
		{"a transaction over two topics is visible completely or not at all", suite.atomic},
		{"no read_committed reader gets an aborted transaction", suite.aborted},
		{"a fence ends the previous producer's transaction and prevents further writes by it", suite.fence},
		{"a fence raises the epoch and keeps the producer id", suite.epochs},
		{"a repeated commit gets the same answer as the first", suite.repeatedCommit},
		{"the last record of a finished transaction is a marker that a reader reaches", suite.marker},
		{"compaction keeps the last record of each key, in order", suite.compaction},
		{"the group assigns each partition to one member, and those of a member that leaves to the other", suite.group},
		{"a topic is created once, and never with more replicas than brokers", suite.creation},
	}
	onlyOnKafka := []law{ // kfake accepts such a record
		{"a compacted topic rejects a record without a key", suite.keyless},
	}
	kinds := []struct {
		name    string
		cluster func(*testing.T) *Cluster
	}{
		{"kfake", func(t *testing.T) *Cluster {
			c, err := StartFake(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		}},
		{"apache", func(t *testing.T) *Cluster { return shared.Cluster(t) }},
	}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			cluster := kind.cluster(t)
			laws := laws
			if cluster.Fake() == nil {
				laws = append(slices.Clip(laws), onlyOnKafka...)
			}
			for i, law := range laws {
				t.Run(law.name, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
					defer cancel()
					name := fmt.Sprintf("law-%d-%s", i, strconv.FormatInt(time.Now().UnixNano(), 36))
					law.holds(suite{ctx: ctx, cluster: cluster, name: name}, t)
				})
			}
		})
	}
}

// suite has the topics, ids and groups of one law, which no other law uses.
type suite struct {
	ctx     context.Context
	cluster *Cluster
	name    string // prefix of the names of topics, transactional ids and groups
}

func (s suite) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append([]kgo.Opt{
		kgo.SeedBrokers(s.cluster.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.MaxVersions(kversion.V3_7_0()), // the classic transaction protocol, which Farmwire uses
	}, opts...)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func (s suite) topic(t *testing.T, suffix string, partitions int32, config map[string]string) string {
	t.Helper()
	pointers := map[string]*string{}
	for name, value := range config {
		pointers[name] = &value
	}
	name := s.name + suffix
	if _, err := kadm.NewClient(s.client(t)).CreateTopic(s.ctx, partitions, 1, pointers, name); err != nil {
		t.Fatal(err)
	}
	return name
}

func (s suite) id() string { return s.name + "-id" }

// transact writes records in one transaction and commits or aborts it.
func (s suite) transact(t *testing.T, client *kgo.Client, end kgo.TransactionEndTry, records ...*kgo.Record) {
	t.Helper()
	s.begin(t, client, records...)
	if err := client.EndTransaction(s.ctx, end); err != nil {
		t.Fatal(err)
	}
}

func (s suite) begin(t *testing.T, client *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(s.ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// ends returns the high watermark and the last stable offset of a topic's first partition.
func (s suite) ends(t *testing.T, topic string) (uncommitted, stable int64) {
	t.Helper()
	admin := kadm.NewClient(s.client(t))
	high, err := ListOffsets(s.ctx, admin.ListEndOffsets, topic)
	if err != nil {
		t.Fatal(err)
	}
	low, err := ListOffsets(s.ctx, admin.ListCommittedOffsets, topic)
	if err != nil {
		t.Fatal(err)
	}
	return high[topic][0].Offset, low[topic][0].Offset
}

// read reads a topic's first partition until the reader's position has reached the end. It returns the records in order,
// as "key=value", and whether the last record was a marker.
func (s suite) read(t *testing.T, topic string, isolation kgo.IsolationLevel) (seen []string, marker bool) {
	t.Helper()
	end, stable := s.ends(t, topic)
	if isolation == kgo.ReadCommitted() {
		end = stable
	}
	client := s.client(t, kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	for position := int64(0); position < end; {
		fetches := client.PollFetches(s.ctx)
		if err := errors.Join(fetches.Err(), s.ctx.Err()); err != nil {
			t.Fatalf("at %d of %d: %v", position, end, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			position, marker = r.Offset+1, r.Attrs.IsControl()
			if !marker {
				seen = append(seen, string(r.Key)+"="+string(r.Value))
			}
		})
	}
	return seen, marker
}

func record(topic, key, value string) *kgo.Record {
	return &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)}
}

func (s suite) atomic(t *testing.T) {
	events, state := s.topic(t, ".events", 1, nil), s.topic(t, ".state", 1, map[string]string{"cleanup.policy": "compact"})
	client := s.client(t, kgo.TransactionalID(s.id()))
	s.begin(t, client, record(events, "k", "1"), record(state, "k", "1"))
	for _, topic := range []string{events, state} {
		if seen, _ := s.read(t, topic, kgo.ReadCommitted()); len(seen) != 0 {
			t.Errorf("%s shows %q before the commit", topic, seen)
		}
	}
	if err := client.EndTransaction(s.ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{events, state} {
		s.awaitStable(t, topic)
		if seen, _ := s.read(t, topic, kgo.ReadCommitted()); !slices.Equal(seen, []string{"k=1"}) {
			t.Errorf("%s shows %q after the commit", topic, seen)
		}
	}
}

// awaitStable waits until the markers are written, which may be after the answer of EndTxn.
func (s suite) awaitStable(t *testing.T, topic string) {
	t.Helper()
	for {
		uncommitted, stable := s.ends(t, topic)
		if uncommitted == stable {
			return
		}
		select {
		case <-s.ctx.Done():
			t.Fatalf("%s is stable up to %d of %d", topic, stable, uncommitted)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s suite) aborted(t *testing.T) {
	topic := s.topic(t, "", 1, nil)
	client := s.client(t, kgo.TransactionalID(s.id()))
	s.transact(t, client, kgo.TryCommit, record(topic, "a", "1"))
	s.transact(t, client, kgo.TryAbort, record(topic, "a", "aborted"))
	s.transact(t, client, kgo.TryCommit, record(topic, "a", "2"))
	s.awaitStable(t, topic)
	if seen, _ := s.read(t, topic, kgo.ReadCommitted()); !slices.Equal(seen, []string{"a=1", "a=2"}) {
		t.Errorf("read_committed shows %q", seen)
	}
	if seen, _ := s.read(t, topic, kgo.ReadUncommitted()); !slices.Equal(seen, []string{"a=1", "a=aborted", "a=2"}) {
		t.Errorf("read_uncommitted shows %q", seen)
	}
}

// initProducer sends InitProducerID, which fences the previous producer. It repeats the request until that producer's
// transaction has ended.
func (s suite) initProducer(t *testing.T) *kmsg.InitProducerIDResponse {
	t.Helper()
	client := s.client(t)
	id := s.id()
	for {
		request := kmsg.NewPtrInitProducerIDRequest()
		request.TransactionalID, request.TransactionTimeoutMillis = &id, 60_000
		answer, err := request.RequestWith(s.ctx, client)
		if err != nil {
			t.Fatal(err)
		}
		if answer.ErrorCode == 0 {
			return answer
		}
		if err := kerr.ErrorForCode(answer.ErrorCode); !errors.Is(err, kerr.ConcurrentTransactions) || s.ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (s suite) fence(t *testing.T) {
	topic := s.topic(t, "", 1, nil)
	old := s.client(t, kgo.TransactionalID(s.id()))
	s.transact(t, old, kgo.TryCommit, record(topic, "k", "1"))
	s.begin(t, old, record(topic, "k", "open"))
	s.initProducer(t)
	if uncommitted, stable := s.ends(t, topic); uncommitted != stable {
		t.Errorf("after the fence the log is stable up to %d of %d", stable, uncommitted)
	}
	end, _ := s.ends(t, topic)
	err := old.EndTransaction(s.ctx, kgo.TryCommit)
	if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
		t.Errorf("the fenced producer's commit: %v", err)
	}
	if after, _ := s.ends(t, topic); after != end {
		t.Errorf("the log grew from %d to %d after the fence", end, after)
	}
	if seen, _ := s.read(t, topic, kgo.ReadCommitted()); !slices.Equal(seen, []string{"k=1"}) {
		t.Errorf("read_committed shows %q", seen)
	}
}

func (s suite) epochs(t *testing.T) {
	one := s.initProducer(t)
	two := s.initProducer(t)
	if one.ProducerID != two.ProducerID || one.ProducerEpoch >= two.ProducerEpoch {
		t.Errorf("ids %d and %d, epochs %d and %d", one.ProducerID, two.ProducerID, one.ProducerEpoch, two.ProducerEpoch)
	}
}

func (s suite) repeatedCommit(t *testing.T) {
	topic := s.topic(t, "", 1, nil)
	client := s.client(t)
	p := s.initProducer(t)
	add := kmsg.NewPtrAddPartitionsToTxnRequest()
	add.Version = 3
	add.TransactionalID, add.ProducerID, add.ProducerEpoch = s.id(), p.ProducerID, p.ProducerEpoch
	add.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: topic, Partitions: []int32{0}}}
	coordinator := s.coordinator(t, client)
	answer, err := coordinator.RetriableRequest(s.ctx, fixed{add})
	if err != nil {
		t.Fatal(err)
	}
	if code := answer.(*kmsg.AddPartitionsToTxnResponse).Topics[0].Partitions[0].ErrorCode; code != 0 {
		t.Fatal(kerr.ErrorForCode(code))
	}
	for answers := 0; answers < 2; {
		end := kmsg.NewPtrEndTxnRequest()
		end.Version = 3
		end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = s.id(), p.ProducerID, p.ProducerEpoch, true
		answer, err := coordinator.RetriableRequest(s.ctx, fixed{end})
		if err != nil {
			t.Fatal(err)
		}
		switch err := kerr.ErrorForCode(answer.(*kmsg.EndTxnResponse).ErrorCode); {
		case err == nil:
			answers++
		case !errors.Is(err, kerr.ConcurrentTransactions):
			t.Fatalf("commit after %d answers: %v", answers, err)
		}
	}
}

// fixed is a request that is sent with the version that is set in it, here that of the classic protocol.
type fixed struct{ kmsg.Request }

func (f fixed) MaxVersion() int16 { return f.GetVersion() }

func (s suite) coordinator(t *testing.T, client *kgo.Client) *kgo.Broker {
	t.Helper()
	request := kmsg.NewPtrFindCoordinatorRequest()
	request.CoordinatorKey, request.CoordinatorType = s.id(), 1
	answer, err := request.RequestWith(s.ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	node := answer.NodeID
	if len(answer.Coordinators) > 0 {
		node = answer.Coordinators[0].NodeID
	}
	return client.Broker(int(node))
}

func (s suite) marker(t *testing.T) {
	topic := s.topic(t, "", 1, nil)
	client := s.client(t, kgo.TransactionalID(s.id()))
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		s.transact(t, client, end, record(topic, "k", "v"))
		s.awaitStable(t, topic)
		if _, marker := s.read(t, topic, kgo.ReadCommitted()); !marker {
			t.Errorf("the last record is not a marker (commit: %v)", end)
		}
	}
}

func (s suite) compaction(t *testing.T) {
	config := map[string]string{"cleanup.policy": "compact", "segment.ms": "100"}
	if s.cluster.Fake() == nil { // kfake does not know this setting; Cluster.Compact makes it compact
		config["min.cleanable.dirty.ratio"] = "0.01"
	}
	topic := s.topic(t, "", 1, config)
	client := s.client(t, kgo.TransactionalID(s.id()))
	var want []string
	const keys, rounds = 5, 4
	for round := range rounds {
		var records []*kgo.Record
		for key := range keys {
			records = append(records, record(topic, strconv.Itoa(key), strconv.Itoa(round)))
			if round == rounds-1 {
				want = append(want, fmt.Sprintf("%d=%d", key, round))
			}
		}
		s.transact(t, client, kgo.TryCommit, records...)
	}
	for i := 0; ; i++ { // a record after segment.ms closes a segment, and only closed segments are compacted
		time.Sleep(150 * time.Millisecond)
		s.transact(t, client, kgo.TryCommit, record(topic, "last", strconv.Itoa(i)))
		s.awaitStable(t, topic)
		s.cluster.Compact()
		seen, marker := s.read(t, topic, kgo.ReadCommitted())
		if !marker || seen[len(seen)-1] != "last="+strconv.Itoa(i) {
			t.Fatalf("the end of the log is %q (marker: %v)", seen, marker)
		}
		kept := slices.DeleteFunc(seen, func(r string) bool { return strings.HasPrefix(r, "last=") })
		if len(kept) == keys {
			if diff := cmp.Diff(want, kept); diff != "" {
				t.Errorf("compaction kept (-want +got):\n%s", diff)
			}
			return
		}
		if s.ctx.Err() != nil {
			t.Fatalf("not compacted: %q", kept)
		}
	}
}

func (s suite) keyless(t *testing.T) {
	topic := s.topic(t, "", 1, map[string]string{"cleanup.policy": "compact"})
	err := s.client(t).ProduceSync(s.ctx, &kgo.Record{Topic: topic, Value: []byte("v")}).FirstErr()
	if !errors.Is(err, kerr.InvalidRecord) {
		t.Errorf("produce: %v, want InvalidRecord", err)
	}
}

// membership is a member of a consumer group and the partitions that are assigned to it.
type membership struct {
	client *kgo.Client
	mu     sync.Mutex
	owned  map[int32]bool
}

func (s suite) member(t *testing.T, topic string) *membership {
	m := &membership{owned: map[int32]bool{}}
	change := func(owned bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, client *kgo.Client, partitions map[string][]int32) {
			if owned {
				client.PauseFetchPartitions(partitions)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, p := range partitions[topic] {
				if owned {
					m.owned[p] = true
				} else {
					delete(m.owned, p)
				}
			}
		}
	}
	m.client = s.client(t, kgo.ConsumerGroup(s.name), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.SessionTimeout(30*time.Second), kgo.HeartbeatInterval(200*time.Millisecond),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)))
	return m
}

func (m *membership) count() int { return len(m.partitions()) }

func (m *membership) partitions() map[int32]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.owned)
}

func (s suite) group(t *testing.T) {
	const partitions = 6
	topic := s.topic(t, "", partitions, nil)
	one := s.member(t, topic)
	await := func(what string, reached func() bool) {
		t.Helper()
		for !reached() {
			select {
			case <-s.ctx.Done():
				t.Fatalf("not reached: %s", what)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	await("one has all", func() bool { return one.count() == partitions })
	two := s.member(t, topic)
	await("each has half", func() bool { return one.count() == partitions/2 && two.count() == partitions/2 })
	ofOne, ofTwo := one.partitions(), two.partitions()
	for p := range ofOne {
		if ofTwo[p] {
			t.Errorf("both have partition %d", p)
		}
	}
	if err := two.client.LeaveGroupContext(s.ctx); err != nil {
		t.Fatal(err)
	}
	await("one has all again", func() bool { return one.count() == partitions })
}

func (s suite) creation(t *testing.T) {
	topic := s.topic(t, "", 1, nil)
	admin := kadm.NewClient(s.client(t))
	if _, err := admin.CreateTopic(s.ctx, 1, 1, nil, topic); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Errorf("creating the topic again: %v, want TopicAlreadyExists", err)
	}
	if _, err := admin.CreateTopic(s.ctx, 1, 7, nil, topic+"-7"); !errors.Is(err, kerr.InvalidReplicationFactor) {
		t.Errorf("creating a topic with seven replicas: %v, want InvalidReplicationFactor", err)
	}
}
