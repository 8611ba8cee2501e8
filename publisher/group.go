package publisher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"farmwire/cluster"
)

// DrainTime is how long a call of serve may go on publishing after its context has ended. See Join.
const DrainTime = 2 * time.Second

const (
	defaultSessionTimeout = 10 * time.Second
	leaveTimeout          = 700 * time.Millisecond // if it passes, the group notices after the session timeout
	closeTimeout          = 200 * time.Millisecond // of the group's client, after which it goes on closing in the background
	returnTimeout         = 300 * time.Millisecond // for serve to return, after it has published and ended its transaction
	maxHeartbeat          = 300 * time.Millisecond // only from a heartbeat's answer does a member learn that another has left
	joinTimeout           = 15 * time.Second       // of all members, to join again when the shards are assigned anew

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
// concurrently. If serve returns while the shard is still assigned, it is called again after a pause, and the pauses grow.
// During the pause a heartbeat shows whether the group still assigns the shard. A fence alone does not show that, because a
// shard may be fenced without having another owner.
//
// The context of serve ends when the group takes the shard away, and when ctx ends. Then serve may go on publishing what it
// has received for DrainTime. The group gives the shard to another instance only after serve has returned, or after DrainTime
// and what it takes to end a transaction. If the cause of the context's end is ErrLost, another instance may have the shard
// already, and serve should return at once.
//
// The group only assigns. The fence of Acquire is what keeps two instances from writing to one shard.
//
// Join returns when ctx ends, after the calls of serve have returned and the group was left. It limits both, so that it
// returns within 4.2 seconds even if no broker answers. It returns an error if trying again does not help: serve returned
// ErrRefused twice in a row, or the group may not be joined.
func (p *Publisher) Join(ctx context.Context, serve func(ctx context.Context, shard int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	m := &member{
		serve:       serve,
		log:         p.log,
		explain:     p.config.explain,
		topic:       p.config.StateTopic(),
		membership:  &p.group,
		patience:    DrainTime + p.brokers.timeouts.grace + returnTimeout,
		leaving:     p.leaveTimeout,
		ctx:         ctx,
		stop:        stop,
		assignments: map[int32]*assignment{},
	}
	client, err := m.client(p.config)
	if err != nil {
		return p.config.explain(err)
	}
	m.watchGroup(client)
	m.close()
	m.leave(client)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// member is this instance as a member of the group.
type member struct {
	serve      func(context.Context, int) error
	log        *zap.Logger
	explain    func(error) error
	topic      string
	membership *cluster.Membership
	patience   time.Duration   // how long serve may take to return after its context has ended
	leaving    time.Duration   // how long it may take to leave the group
	ctx        context.Context // ends with the membership
	stop       context.CancelCauseFunc

	mu          sync.Mutex
	closed      bool
	assignments map[int32]*assignment // by shard
}

// assignment is a shard while it is assigned to this member.
type assignment struct {
	end  context.CancelCauseFunc
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
	opts = append(opts,
		kgo.ConsumerGroup(c.GroupID()),
		kgo.ConsumeTopics(m.topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().At(0)), // so that no heartbeat waits behind a request for offsets
		kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(timeout),
		kgo.HeartbeatInterval(min(timeout/6, maxHeartbeat)),
		kgo.RebalanceTimeout(joinTimeout),
		kgo.RequestTimeoutOverhead(timeout/2), // so that a heartbeat that is not answered is repeated within the session
		kgo.DisableClientMetrics(),            // the last of them would delay the end of the client
		kgo.WithHooks(m.membership),
		kgo.OnPartitionsAssigned(func(_ context.Context, client *kgo.Client, assigned map[string][]int32) {
			// The shards are restored by other means. This client must never fetch their records.
			client.PauseFetchPartitions(assigned)
			m.membership.Began()
			m.assign(assigned[m.topic])
		}),
		// The client sends heartbeats while this function runs, and lets the group move the shards when it returns.
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
			m.handOver(gone[m.topic])
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
			m.end(gone[m.topic], ErrLost)
		}),
	)
	if c.Group.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(c.Group.InstanceID))
	}
	return kgo.NewClient(opts...)
}

// watchGroup returns when the membership ends. The client sends the heartbeats by itself, but reports the group's errors only
// to a caller that polls.
func (m *member) watchGroup(client *kgo.Client) {
	var trials Trials
	began := time.Now()
	for m.ctx.Err() == nil {
		for _, e := range client.PollFetches(m.ctx).Errors() {
			if m.ctx.Err() != nil {
				return
			}
			if m.membership.HasJoinedSince(began) {
				trials, began = Trials{}, time.Now()
			}
			err := m.explain(fmt.Errorf("join the group: %w", e.Err))
			if trials.IsFinal(err) {
				m.stop(err)
				return
			}
			if trials.IsNews(err) {
				m.log.Warn("the group cannot be reached; trying again", zap.Error(err))
			}
		}
	}
}

// assign begins to serve each shard. It does not wait for anything.
func (m *member) assign(shards []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	for _, shard := range shards {
		ctx, end := context.WithCancelCause(m.ctx)
		before := m.assignments[shard]
		t := &assignment{end: end, done: make(chan struct{})}
		m.assignments[shard] = t
		go func() {
			defer close(t.done)
			defer end(nil)
			if before != nil {
				<-before.done
			}
			m.serveAssigned(ctx, int(shard))
		}()
	}
}

// end ends the assignment of each shard, for a cause that may be nil, and returns the assignments.
func (m *member) end(shards []int32, cause error) []*assignment {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ending []*assignment
	for _, shard := range shards {
		if t := m.assignments[shard]; t != nil {
			t.end(cause)
			ending = append(ending, t)
		}
	}
	return ending
}

// handOver ends the assignment of shards that the group moves to other members, and waits until they are not served any more.
// When the member leaves, close has done that already.
func (m *member) handOver(shards []int32) {
	m.mu.Lock()
	closed := m.closed
	m.mu.Unlock()
	if closed || len(shards) == 0 {
		return
	}
	m.log.Info("the group moves shards to another instance", zap.Int32s("shards", shards))
	m.await(m.end(shards, nil))
}

// await waits until the assignments, which are ending, are not served any more. It does not wait longer than the patience.
func (m *member) await(ending []*assignment) {
	timeout := time.NewTimer(m.patience)
	defer timeout.Stop()
	for _, t := range ending {
		select {
		case <-t.done:
		case <-timeout.C:
			m.log.Warn("a shard takes too long to stop; the fence of its next owner ends what is still open")
			return
		}
	}
}

// close ends all assignments and waits for them. No further shard is served.
func (m *member) close() {
	m.mu.Lock()
	m.closed = true
	all := slices.Collect(maps.Keys(m.assignments))
	m.mu.Unlock()
	m.await(m.end(all, nil))
}

// leave leaves the group and closes the client.
func (m *member) leave(client *kgo.Client) {
	defer m.membership.Ended()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), m.leaving)
	defer cancel()
	if err := client.LeaveGroupContext(ctx); err != nil {
		m.log.Warn("the group could not be left, and assigns the shards to others after the session timeout", zap.Error(m.explain(err)))
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		client.Close() // It has no deadline of its own.
	}()
	select {
	case <-closed:
	case <-time.After(closeTimeout):
	}
}

// serveAssigned calls serve again and again until the assignment of the shard ends.
func (m *member) serveAssigned(ctx context.Context, shard int) {
	pause := firstPause
	var fenced time.Time // when the shard was last fenced
	refused := false     // the last error was a refusal
	var limit cluster.LogLimit
	for ctx.Err() == nil {
		began := time.Now()
		err := m.serve(ctx, shard)
		if ctx.Err() != nil {
			return
		}
		// What was read from a partition ends the program only when it was read twice.
		if errors.Is(err, ErrRefused) && refused {
			m.stop(err)
			return
		}
		refused = errors.Is(err, ErrRefused)
		if time.Since(began) > longService {
			pause, limit = firstPause, cluster.LogLimit{}
		}
		if errors.Is(err, ErrFenced) {
			err = blameSharing(err, fenced)
			fenced = time.Now()
		}
		if err := m.explain(err); limit.Allows(err) {
			m.log.Warn("shard will be acquired again", zap.Int("shard", shard), zap.Duration("pause", pause), zap.Error(err))
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
		pause = min(2*pause, maxPause)
	}
}

// blameSharing says that another deployment fences the shard, if the last fence was not long ago.
func blameSharing(err error, last time.Time) error {
	if time.Since(last) >= repeatedFence {
		return err
	}
	return &cluster.Error{Kind: SharedTopics, Err: err, Text: "the shard is fenced again and again while the group assigns it, " +
		"so another deployment in another group probably writes to the same topics: all of them must be in one group"}
}
