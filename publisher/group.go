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
	leaveTimeout          = time.Second            // the group notices by itself after the session timeout
	mostHeartbeat         = 300 * time.Millisecond // only its answer tells the others that one has left
	joinTimeout           = 30 * time.Second

	// A shard whose life has ended is begun anew after the next heartbeat at the earliest: only that shows
	// whether the group still assigns it.
	firstPause = time.Second
	mostPause  = 30 * time.Second
	goodLife   = time.Minute // after a life as long as this the pauses begin anew

	// A shard that is fenced twice within this time, while the group assigns it, is written by somebody who is not in
	// the group. A single fence may come from a zombie.
	quarrel = 10 * time.Minute
)

// Join becomes a member of the consumer group that assigns the shards, and runs serve for each shard that it is
// assigned, side by side. The context of serve ends when the shard is taken away. If serve returns while the shard is
// still assigned it is called again, after a pause that grows: that a shard was fenced does not prove that somebody
// else has it, so the group is asked, which is to wait for its next word.
//
// The group only assigns. What keeps two instances from writing to one shard is the fence of Acquire.
//
// Join returns when ctx ends, after all calls of serve have returned and the group was left; or with an error that
// trying again does not help: a serve that returned ErrRefused, or a group that may not be joined.
func (p *Publisher) Join(ctx context.Context, serve func(ctx context.Context, shard int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	m := &member{
		serve:   serve,
		log:     p.log,
		explain: p.config.explain,
		topic:   p.config.StateTopic(),
		ctx:     ctx,
		stop:    stop,
		tenures: map[int32]*tenure{},
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
		p.log.Warn("the group was not left; it will notice after the session timeout", zap.Error(p.config.explain(err)))
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// member is this instance in the group.
type member struct {
	serve   func(context.Context, int) error
	log     *zap.Logger
	explain func(error) error
	topic   string
	ctx     context.Context // of the membership
	stop    context.CancelCauseFunc
	lives   sync.WaitGroup // of the tenures

	mu      sync.Mutex
	closed  bool
	tenures map[int32]*tenure // by shard
}

// tenure is the time for which a shard is assigned.
type tenure struct {
	end  context.CancelFunc
	done chan struct{} // closed when serve has returned for the last time
}

func (m *member) client(c Config) (*kgo.Client, error) {
	opts, err := c.Cluster.ClientOptions()
	if err != nil {
		return nil, err
	}
	timeout := c.Group.SessionTimeout
	if timeout == 0 {
		timeout = defaultSessionTimeout
	}
	lost := func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { m.taken(gone[m.topic]) }
	opts = append(opts,
		kgo.ConsumerGroup(c.GroupID()),
		kgo.ConsumeTopics(m.topic),
		kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(timeout),
		kgo.HeartbeatInterval(min(timeout/6, mostHeartbeat)),
		kgo.RebalanceTimeout(joinTimeout),
		kgo.OnPartitionsAssigned(func(_ context.Context, client *kgo.Client, assigned map[string][]int32) {
			// The records are read by the restore; here nothing must ever be fetched.
			client.PauseFetchPartitions(assigned)
			m.given(assigned[m.topic])
		}),
		kgo.OnPartitionsRevoked(lost),
		kgo.OnPartitionsLost(lost),
	)
	if c.Group.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(c.Group.InstanceID))
	}
	return kgo.NewClient(opts...)
}

// watchGroup returns when the membership ends. The client heartbeats by itself; polling is the only place where it
// tells of the group's errors.
func (m *member) watchGroup(client *kgo.Client) {
	for m.ctx.Err() == nil {
		for _, e := range client.PollFetches(m.ctx).Errors() {
			switch {
			case m.ctx.Err() != nil:
			case errors.Is(e.Err, kerr.GroupAuthorizationFailed), errors.Is(e.Err, kerr.FencedInstanceID), errors.Is(e.Err, kerr.InvalidSessionTimeout):
				m.stop(m.explain(fmt.Errorf("join the group: %w", e.Err)))
			default:
				m.log.Warn("the group is out of reach; trying again", zap.Error(m.explain(e.Err)))
			}
		}
	}
}

// given begins the tenure of each shard. It does not wait: the group's callbacks must not.
func (m *member) given(shards []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	for _, shard := range shards {
		ctx, end := context.WithCancel(m.ctx)
		before := m.tenures[shard]
		t := &tenure{end: end, done: make(chan struct{})}
		m.tenures[shard] = t
		m.lives.Go(func() {
			defer close(t.done)
			defer end()
			if before != nil {
				<-before.done
			}
			m.live(ctx, int(shard))
		})
	}
}

// close waits for the last tenures and begins none any more.
func (m *member) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.lives.Wait()
}

// taken ends the tenure of each shard.
func (m *member) taken(shards []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, shard := range shards {
		if t := m.tenures[shard]; t != nil {
			t.end()
		}
	}
}

// live serves a shard again and again until its tenure ends.
func (m *member) live(ctx context.Context, shard int) {
	pause := firstPause
	var fenced time.Time // when it last was
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
		if time.Since(began) > goodLife {
			pause = firstPause
		}
		if errors.Is(err, ErrFenced) {
			if time.Since(fenced) < quarrel {
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
		pause = min(2*pause, mostPause)
	}
}
