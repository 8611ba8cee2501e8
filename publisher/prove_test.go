package publisher

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/cluster"
	"farmwire/publisher/kafkatest"
)

// prove calls Prove, and gives up after a time that no working cluster takes.
func prove(t *testing.T, c Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	began := time.Now()
	_, err := Prove(ctx, c)
	t.Logf("after %v: %v", time.Since(began).Round(time.Millisecond), err)
	if err != nil && strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("not one line: %v", err)
	}
	return err
}

// proven calls Prove until it succeeds. A new cluster first has to create its own topics, and a busy one needs longer for that than
// Prove waits.
func proven(t *testing.T, c Config) {
	t.Helper()
	until(t, 2*time.Minute, "the cluster is proven", func() bool { return prove(t, c) == nil })
}

// A working cluster passes, and Prove leaves nothing but a transactional id.
func TestSoundClusterIsProven(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := testConfig(t, addrs)
		for range 2 {
			if err := prove(t, c); err != nil {
				t.Error(err)
			}
		}
		a := admin(t, c)
		listed(deadline(t, 30*time.Second), t, a.ListEndOffsets, c.Topics()...).Each(func(o kadm.ListedOffset) {
			if o.Offset != 0 {
				t.Errorf("%s-%d was written to", o.Topic, o.Partition)
			}
		})
		groups, err := a.ListGroups(t.Context())
		if err != nil || slices.Contains(groups.Groups(), c.GroupID()) {
			t.Errorf("a group was made: %v, %v", groups.Groups(), err)
		}
		ids, err := a.ListTransactions(t.Context(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids.TransactionalIDs() {
			if strings.Contains(id, c.TopicPrefix) && id != "farmwire."+c.StateTopic()+".check" {
				t.Errorf("the transactional id %s was made", id)
			}
		}
		if open := ids.TransactionalIDs(); len(open) == 0 {
			t.Error("no transactional id was tried")
		}
	})
}

// If there are no coordinators, the error names the setting that is the usual cause.
func TestCoordinatorsThatAreNotThere(t *testing.T) {
	for kind, want := range map[int8]string{0: "offsets.topic.replication.factor", 1: "transaction.state.log.replication.factor"} {
		cluster := fakeCluster(t, 1)
		c := testConfig(t, cluster.Addrs())
		const findCoordinator, notAvailable = 10, 15
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		asked := 0
		cluster.Fake().ControlKey(findCoordinator, func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.Fake().KeepControl()
			if r.(*kmsg.FindCoordinatorRequest).CoordinatorType != kind {
				return nil, nil, false
			}
			if asked++; asked == 2 {
				cancel() // while it waits for the second answer; it has the first
			}
			answer := r.ResponseKind().(*kmsg.FindCoordinatorResponse)
			answer.ErrorCode = notAvailable
			return answer, nil, true
		})
		if _, err := Prove(ctx, c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "no broker answered") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A single broker that requires three replicas of its own topics does not pass.
func TestLoneBrokerThatWantsThree(t *testing.T) {
	for _, topic := range []string{"transaction.state.log", "offsets.topic"} {
		cluster := apacheCluster(t, kafkatest.Options{Properties: map[string]string{topic + ".replication.factor": "3"}})
		c := testConfig(t, cluster.Addrs())
		if err := prove(t, c); err == nil || !strings.Contains(err.Error(), topic+".replication.factor") {
			t.Error(err)
		}
	}
}

// The error names a broker that cannot be reached at its advertised address, with that address.
func TestDeadAdvertisedListener(t *testing.T) {
	const nobody = "127.0.0.1:1" // a port that the system gives to no other test
	cluster := apacheCluster(t, kafkatest.Options{Brokers: 3, Advertise: func(broker int, addr string) string {
		if broker == 2 {
			return nobody
		}
		return addr
	}})
	inner := Config{Cluster: clusterAt(cluster.InnerAddrs()), TopicPrefix: "x"}
	spec := TopicSpec{Partitions: testPartitions, ReplicationFactor: 3}
	if _, err := CreateTopics(t.Context(), inner, spec); err != nil {
		t.Fatal(err)
	}
	proven(t, inner)
	outer := Config{Cluster: clusterAt(cluster.Addrs()[:1]), TopicPrefix: "x"}
	want := "the cluster advertises the broker " + nobody
	if err := prove(t, outer); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "advertised.listeners") || strings.Contains(err.Error(), "--brokers") {
		t.Error(err)
	}
	if _, err := CheckTopics(t.Context(), outer, spec); err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "--brokers")) {
		t.Errorf("check: %v", err)
	}
}

// The error also names a broker that accepts connections at its advertised address and does not answer.
func TestSilentAdvertisedListener(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	cluster := fakeCluster(t, 1)
	c := testConfig(t, cluster.Addrs())
	const metadata = 3
	cluster.Fake().ControlKey(metadata, func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.Fake().KeepControl()
		answer := r.ResponseKind().(*kmsg.MetadataResponse)
		for id, address := range []string{cluster.Addrs()[0], silent.Addr().String()} {
			host, port, _ := net.SplitHostPort(address)
			number, _ := strconv.Atoi(port)
			answer.Brokers = append(answer.Brokers, kmsg.MetadataResponseBroker{NodeID: int32(id), Host: host, Port: int32(number)})
		}
		return answer, nil, true
	})
	want := "the cluster advertises the broker " + silent.Addr().String() + ", and it cannot be reached from here"
	if err := prove(t, c); err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
}

// With the rights that the README lists everything passes, and the error names any right that is missing.
func TestMissingRightsAreFound(t *testing.T) {
	started := secured(t)
	r := newRights(t, started)
	acls := r.documented(farmwireUser)
	r.grant(acls...)
	c := securedConfig(started, cluster.MechanismScramSHA512)
	if _, err := CreateTopics(t.Context(), c, testTopics()); err != nil {
		t.Fatal(err)
	}
	proven(t, c)
	for right, want := range []string{
		0: "grant Write and Describe on the transactional ids with the prefix",
		1: "does not allow the transactional id " + c.StateTopic() + ": grant Write and Describe on it",
		2: "on the topic",
		3: "grant Read on it",
	} {
		r.revoke(acls[right])
		if err := prove(t, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without right %d: %v, want %q", right, err, want)
		}
		r.grant(r.documented(farmwireUser)[right])
	}
	for operation, want := range map[kadm.ACLOperation]string{kadm.OpRead: "does not allow Read on", kadm.OpWrite: "does not allow Write on"} {
		deny := func() *kadm.ACLBuilder {
			return kadm.NewACLs().Deny("User:" + farmwireUser).DenyHosts().Topics(c.StateTopic()).ResourcePatternType(kadm.ACLPatternLiteral).Operations(operation)
		}
		if _, err := r.admin.CreateACLs(t.Context(), deny()); err != nil {
			t.Fatal(err)
		}
		r.await(deny(), true)
		if err := prove(t, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if _, err := r.admin.DeleteACLs(t.Context(), deny()); err != nil {
			t.Fatal(err)
		}
		r.await(deny(), false)
	}
	if err := prove(t, c); err != nil {
		t.Errorf("with all rights again: %v", err)
	}
	testCreateAsksForNothing(t, c, r)
}

// If the topics exist, no right to create them is needed.
func testCreateAsksForNothing(t *testing.T, c Config, r rights) {
	create := func() *kadm.ACLBuilder {
		return kadm.NewACLs().Deny("User:" + farmwireUser).DenyHosts().Topics(prefix + ".").ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpCreate)
	}
	if _, err := r.admin.CreateACLs(t.Context(), create()); err != nil {
		t.Fatal(err)
	}
	r.await(create(), true)
	if _, err := CreateTopics(t.Context(), c, testTopics()); err != nil {
		t.Error(err)
	}
}

// Only the topics that are missing are created.
func TestOnlyMissingTopicsAreCreated(t *testing.T) {
	started := fakeCluster(t, 1)
	c := testConfig(t, started.Addrs())
	var asked []string
	const createTopics, denied = 19, 31
	started.Fake().ControlKey(createTopics, func(r kmsg.Request) (kmsg.Response, error, bool) {
		started.Fake().KeepControl()
		answer := r.ResponseKind().(*kmsg.CreateTopicsResponse)
		for _, topic := range r.(*kmsg.CreateTopicsRequest).Topics {
			asked = append(asked, topic.Topic)
			answer.Topics = append(answer.Topics, kmsg.CreateTopicsResponseTopic{Topic: topic.Topic, ErrorCode: denied})
		}
		return answer, nil, true
	})
	if _, err := CreateTopics(t.Context(), c, testTopics()); err != nil || len(asked) > 0 {
		t.Errorf("%v; %q were asked for", err, asked)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(started.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).DeleteTopic(t.Context(), c.EndedTopic()); err != nil {
		t.Fatal(err)
	}
	_, err = CreateTopics(t.Context(), c, testTopics())
	if !slices.Equal(asked, []string{c.EndedTopic()}) || cluster.Code(err) != denied || errors.Is(err, ErrRefused) {
		t.Errorf("%v; %q were asked for", err, asked)
	}
}
