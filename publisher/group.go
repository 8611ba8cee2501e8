package publisher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"farmwire/cluster"
)

const (
	defaultSessionTimeout = 10 * time.Second
	leaveTimeout          = time.Second            // if it passes, the group notices after the session timeout
	maxHeartbeat          = 300 * time.Millisecond // only from a heartbeat's answer does a member learn that another has left
	joinTimeout           = 30 * time.Second

	// When serve returns it is called again after the next heartbeat at the earliest, because only a heartbeat shows
	// whether the group still assigns the shard.
	firstPause  = time.Second
	maxPause    = 30 * time.Second
	longService = time.Minute // if serve has run for this long, the pauses begin with firstPause again

	// If a shard is fenced twice within this time while the group assigns it, a process outside the group writes to it. A
	// single fence may come from a previous owner that does not know yet that it has lost the shard.
	repeatedFence = 10 * time.Minute
)

// Join becomes a member of the consumer group that assigns the shards, and runs serve for each assigned shard, all of them
// concurrently. The context of serve ends when the shard is revoked. If serve returns while the shard is still assigned,
// it is called again after a pause, and the pauses grow. During the pause a heartbeat shows whether the group still assigns
// the shard. A fence alone does not show that, because a shard may be fenced without having another owner.
//
// The group only assigns. The fence of Acquire is what keeps two instances from writing to one shard.
//
// Join returns when ctx ends, after all calls of serve have returned and the group was left. It returns an error if trying
// again does not help: serve returned ErrRefused, or the group may not be joined.
func (p *Publisher) Join(ctx context.Context, serve func(ctx context.Context, shard int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	m := &member{
		serve:       serve,
		log:         p.log,
		explain:     p.config.explain,
		topic:       p.config.StateTopic(),
		ctx:         ctx,
		stop:        stop,
		assignments: map[int32]*assignment{},
	}
	client, err := m.client(p.config)
	if err != nil {
		return p.config.explain(err)
	}
	defer client.Close()
	m.watchGroup(client)
	m.close()
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if err := client.LeaveGroupContext(leave); err != nil {
		p.log.Warn("the group could not be left, and assigns the shards to others after the session timeout", zap.Error(p.config.explain(err)))
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// member is this instance as a member of the group.
type member struct {
	serve   func(context.Context, int) error
	log     *zap.Logger
	explain func(error) error
	topic   string
	ctx     context.Context // ends with the membership
	stop    context.CancelCauseFunc
	serving sync.WaitGroup // one for each assignment

	mu          sync.Mutex
	closed      bool
	assignments map[int32]*assignment // by shard
}

// assignment is a shard while it is assigned to this member.
type assignment struct {
	end  context.CancelFunc
	done chan struct{} // closed when serve has returned for the last time
}

// client makes the client that joins the group.
func (m *member) client(c Config) (*kgo.Client, error) {
	opts, err := c.Cluster.ClientOptions()
	if err != nil {
		return nil, err
	}
	timeout := c.Group.SessionTimeout
	if timeout == 0 {
		timeout = defaultSessionTimeout
	}
	lost := func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { m.revoke(gone[m.topic]) }
	opts = append(opts,
		kgo.ConsumerGroup(c.GroupID()),
		kgo.ConsumeTopics(m.topic),
		kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(timeout),
		kgo.HeartbeatInterval(min(timeout/6, maxHeartbeat)),
		kgo.RebalanceTimeout(joinTimeout),
		kgo.OnPartitionsAssigned(func(_ context.Context, client *kgo.Client, assigned map[string][]int32) {
			// The shards are restored by other means. This client must never fetch their records.
			client.PauseFetchPartitions(assigned)
			m.assign(assigned[m.topic])
		}),
		kgo.OnPartitionsRevoked(lost),
		kgo.OnPartitionsLost(lost),
	)
	if c.Group.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(c.Group.InstanceID))
	}
	return kgo.NewClient(opts...)
}

// watchGroup returns when the membership ends. The client sends the heartbeats by itself, but reports the group's errors only
// to a caller that polls.
func (m *member) watchGroup(client *kgo.Client) {
	for m.ctx.Err() == nil {
		for _, e := range client.PollFetches(m.ctx).Errors() {
			switch {
			case m.ctx.Err() != nil:
			case errors.Is(e.Err, kerr.GroupAuthorizationFailed), errors.Is(e.Err, kerr.FencedInstanceID), errors.Is(e.Err, kerr.InvalidSessionTimeout):
				m.stop(m.explain(fmt.Errorf("join the group: %w", e.Err)))
			default:
				m.log.Warn("the group cannot be reached; trying again", zap.Error(m.explain(e.Err)))
			}
		}
	}
}

// assign begins to serve each shard. It does not wait, because the callbacks of the group must not.
func (m *member) assign(shards []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	for _, shard := range shards {
		ctx, end := context.WithCancel(m.ctx)
		before := m.assignments[shard]
		t := &assignment{end: end, done: make(chan struct{})}
		m.assignments[shard] = t
		m.serving.Go(func() {
			defer close(t.done)
			defer end()
			if before != nil {
				<-before.done
			}
			m.serveAssigned(ctx, int(shard))
		})
	}
}

// close prevents that any further shard is served, and waits until none is.
func (m *member) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.serving.Wait()
}

// revoke ends the assignment of each shard. It does not wait until serve has returned.
func (m *member) revoke(shards []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, shard := range shards {
		if t := m.assignments[shard]; t != nil {
			t.end()
		}
	}
}

// serveAssigned calls serve again and again until the assignment of the shard ends.
func (m *member) serveAssigned(ctx context.Context, shard int) {
	pause := firstPause
	var fenced time.Time // when the shard was last fenced
	for ctx.Err() == nil {
		began := time.Now()
		err := m.serve(ctx, shard)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, ErrRefused) {
			m.stop(err)
			return
		}
		if time.Since(began) > longService {
			pause = firstPause
		}
		if errors.Is(err, ErrFenced) {
			if time.Since(fenced) < repeatedFence {
				err = &cluster.Error{Kind: SharedTopics, Err: err, Text: "the shard is fenced again and again while the group assigns it, " +
					"so another deployment in another group probably writes to the same topics: all of them must be in one group"}
			}
			fenced = time.Now()
		}
		m.log.Warn("shard will be acquired again", zap.Int("shard", shard), zap.Duration("pause", pause), zap.Error(m.explain(err)))
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
		pause = min(2*pause, maxPause)
	}
}
