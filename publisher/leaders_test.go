package publisher

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/diff"
)

// Only the first task waits for a leader: since when a partition has none is known to all, until it has one again.
func TestLeaderlessIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l leaderless
		at := topicPartition{"topic", 1}
		expect := func(want bool) {
			t.Helper()
			if got := l.longer(at, 10*time.Second); got != want {
				t.Errorf("without a leader for longer: %t", got)
			}
		}
		expect(false)
		l.note("topic", []int32{3, noLeader})
		time.Sleep(6 * time.Second)
		l.note("topic", []int32{3, noLeader})
		expect(false)
		time.Sleep(6 * time.Second)
		expect(true)
		l.note("topic", []int32{3, 4})
		expect(false)
		l.note("topic", []int32{3, noLeader})
		expect(false)
	})
}

// A transaction that would write to a partition without a leader does not begin: it could not be ended either, and would hold
// up every other transaction of its shard. The error names the partition. Other transactions go on.
func TestNoTransactionWithoutALeader(t *testing.T) {
	cluster := fakeCluster(t, 1)
	c := testConfig(t, cluster.Addrs())
	p, faults := openFaulty(t, c)
	p.brokers.timeouts = defaultTimeouts() // no answer is lost
	p.brokers.timeouts.leaderless = 300 * time.Millisecond
	s := acquire(t, p, 0)
	offline := newPartitioner(testPartitions).of(session(0, 0).SessionID)
	cluster.Fake().ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.Fake().KeepControl()
		m := strange(r, 0, testPartitions).(*kmsg.MetadataResponse)
		m.Brokers = []kmsg.MetadataResponseBroker{fakeBroker(t, cluster)}
		for _, topic := range m.Topics {
			for i := range topic.Partitions {
				if *topic.Topic != c.EventsTopic() || i != int(offline) {
					topic.Partitions[i].Leader, topic.Partitions[i].ErrorCode = 0, 0
				}
			}
		}
		return m, nil, true
	})
	without := topicPartition{c.EventsTopic(), int32(offline)}
	until(t, 20*time.Second, "the partition has no leader", func() bool {
		_, err := p.brokers.leader(t.Context(), without)
		return errors.Is(err, errNoLeader)
	})
	n := 1
	for newPartitioner(testPartitions).of(session(0, n).SessionID) == offline {
		n++
	}
	led, waits := changesOf(started(session(0, n))), changesOf(started(session(0, n)), started(session(0, 0)))
	if names, err := s.WithoutLeader(t.Context(), []diff.Changes{led, waits, {}}); err != nil || !slices.Equal(names, []string{"", without.String(), ""}) {
		t.Errorf("changes wait for %q, %v", names, err)
	}
	if err := s.Publish(t.Context(), []diff.Changes{led}); err != nil {
		t.Errorf("a transaction without that partition: %v", err)
	}
	begun := faults.count(kmsg.AddPartitionsToTxn)
	err := s.Publish(t.Context(), []diff.Changes{changesOf(started(session(0, 0)))})
	if !errors.Is(err, errNoLeader) || !strings.Contains(err.Error(), without.String()) {
		t.Errorf("published to a partition without a leader: %v", err)
	}
	if faults.count(kmsg.AddPartitionsToTxn) != begun {
		t.Error("the transaction has begun")
	}
}
