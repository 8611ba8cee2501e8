package trigger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

const (
	sessionTimeout   = 10 * time.Second       // without a heartbeat for so long, the group gives the partitions to others
	heartbeat        = 500 * time.Millisecond // only from a heartbeat's answer does a member learn that another has come or left
	fetchWait        = 500 * time.Millisecond // for news; only the next request asks for the partitions that were assigned meanwhile
	rebalanceTimeout = time.Minute
	handOverTime     = 30 * time.Second // how long tries that are under way hold a partition up that is to move
	leaveTimeout     = 3 * time.Second
)

// client makes the client that joins the group. It reads what is committed, and nothing where the group stands nowhere.
func (l *loop) client() (*kgo.Client, error) {
	options, err := l.config.Consumer.Cluster.ClientOptions()
	if err != nil {
		return nil, err
	}
	return kgo.NewClient(append(append(options, letterOptions()...),
		kgo.ConsumerGroup(l.config.GroupID()),
		kgo.ConsumeTopics(l.config.topics()...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtCommitted()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(fetchWait),
		kgo.KeepControlRecords(), // so that the offset moves past the markers of transactions
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(sessionTimeout),
		kgo.HeartbeatInterval(heartbeat),
		kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.DisableClientMetrics(),
		kgo.WithHooks(&l.membership),
		kgo.OnPartitionsAssigned(func(_ context.Context, client *kgo.Client, _ map[string][]int32) {
			member, _ := client.GroupMetadata()
			l.do(func() { l.joined(member) })
		}),
		kgo.OnOffsetsFetched(func(_ context.Context, _ *kgo.Client, answer *kmsg.OffsetFetchResponse) error {
			l.do(func() { l.assign(answer) })
			return nil
		}),
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, gone map[string][]int32) { l.handOver(ctx, gone) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
			l.do(func() { l.drop(l.leave(gone)) })
		}),
	)...)
}

// joined takes in that the group has an assignment for this member.
//
// A member that the group has thrown out because nothing was heard of it joins again under a new name. The client may do so
// without a word, and go on with the partitions that it had if it is assigned them again. But others may have had them meanwhile,
// so what is known of them is out of date. A new session asks where the group stands.
func (l *loop) joined(member string) {
	l.membership.Began()
	l.member = member
	for _, p := range l.partitions {
		if p.member != member {
			l.stop(errRejoined)
			return
		}
	}
}

var errRejoined = errors.New("the group had thrown this instance out, and others may have had its partitions since")

// assign begins where the group stands in the partitions that it has assigned. Where it stands nowhere, the client reads nothing
// and reports an error.
func (l *loop) assign(answer *kmsg.OffsetFetchResponse) {
	for _, g := range answer.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				at := place{t.Topic, p.Partition}
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					l.stop(l.explain(fmt.Errorf("offset of %s: %w", at, err))) // the client does not ask for it again
				} else if p.Offset >= 0 {
					l.begin(at, p.Offset, p.Metadata)
				}
			}
		}
	}
	l.log.Info("partitions were assigned", zap.Int("all", len(l.partitions)))
}

// begin begins where the group stands in a partition.
func (l *loop) begin(at place, offset int64, metadata *string) {
	l.drop(l.leave(map[string][]int32{at.topic: {at.number}})) // if the topic is another one now
	text := ""
	if metadata != nil {
		text = *metadata
	}
	p := newPartition(at, l.member, offset, text)
	l.partitions[at] = p
	if l.delivered.IsZero() {
		l.deadInRow = max(l.deadInRow, p.inRow) // an earlier process has given up so many in a row
	}
}

// owns reports whether the partition is still this instance's, and has not been assigned anew since.
func (l *loop) owns(p *partition) bool { return l.partitions[p.place] == p }

// leave marks partitions that the group takes away, so that no further try of their events begins, and returns them.
func (l *loop) leave(gone map[string][]int32) (all []*partition) {
	for topic, numbers := range gone {
		for _, n := range numbers {
			if p := l.partitions[place{topic, n}]; p != nil {
				p.leaving = true
				l.queue.drop(p)
				all = append(all, p)
			}
		}
	}
	return all
}

// drop forgets partitions.
func (l *loop) drop(all []*partition) {
	for _, p := range all {
		if p.gone = true; l.owns(p) {
			delete(l.partitions, p.place)
		}
	}
}

// handOver gives partitions away. It waits for the tries of their events that are under way, so that no other instance makes them
// too, but not for longer than handOverTime. Then it commits what is done.
func (l *loop) handOver(ctx context.Context, gone map[string][]int32) {
	var leaving []*partition
	var busy []chan struct{}
	l.do(func() {
		leaving = l.leave(gone)
		for _, p := range leaving {
			if p.running > 0 {
				p.idle = make(chan struct{})
				busy = append(busy, p.idle)
			}
		}
	})
	if len(leaving) == 0 {
		return
	}
	late := time.NewTimer(handOverTime)
	defer late.Stop()
	for _, idle := range busy {
		select {
		case <-idle:
			continue
		case <-l.ended:
		case <-late.C:
		}
		break
	}
	if err := l.commit(ctx, leaving); err != nil {
		l.log.Warn("partitions are handed over without a commit, so events come again", zap.Error(l.explain(err)))
	}
	l.do(func() { l.drop(leaving) })
}

// leaveGroup leaves the group, so that it goes on without this member at once, and closes the client. It does not wait for brokers
// that do not answer: without them the group notices after the session timeout. polled is closed when nothing is read any more.
func (l *loop) leaveGroup(polled <-chan struct{}) {
	left := make(chan struct{})
	go func() {
		defer close(left)
		<-polled
		l.kafka.CloseAllowingRebalance()
	}()
	select {
	case <-left:
	case <-time.After(leaveTimeout):
	}
}
