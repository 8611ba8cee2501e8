package publisher

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"farmwire/cluster"
	"farmwire/publisher/kafkatest"
)

const (
	shortestSession = 6 * time.Second // that a broker takes
	// Where no test waits for the end of a session, it is longer than a busy machine may keep a member from its heartbeats.
	groupSession = 30 * time.Second
)

// holdings records which member serves which shard, and how often a shard was served by two members at once.
type holdings struct {
	mu      sync.Mutex
	holders map[int]string
	changed chan struct{} // closed at the next change
}

func newHoldings() *holdings {
	return &holdings{holders: map[int]string{}, changed: make(chan struct{})}
}

func (h *holdings) set(shard int, member string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holders[shard] = member
	close(h.changed)
	h.changed = make(chan struct{})
}

// await waits until the members hold so many shards each.
func (h *holdings) await(t *testing.T, want map[string]int) time.Duration {
	t.Helper()
	began := time.Now()
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	for {
		h.mu.Lock()
		got := map[string]int{}
		for _, member := range h.holders {
			got[member]++
		}
		changed := h.changed
		h.mu.Unlock()
		if fmt.Sprint(got) == fmt.Sprint(want) {
			return time.Since(began)
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("shards are held by %v, want %v", got, want)
		}
	}
}

// hold returns a serve function that acquires its shard and keeps it until it is revoked.
func (h *holdings) hold(p *Publisher, name string) func(context.Context, int) error {
	return func(ctx context.Context, shard int) error {
		if _, err := p.Acquire(ctx, shard); err != nil {
			return err
		}
		h.set(shard, name)
		<-ctx.Done()
		return ctx.Err()
	}
}

// join runs a member until stop is called. stop waits for its end and returns how long that took.
func join(t *testing.T, p *Publisher, serve func(context.Context, int) error) (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Join(ctx, serve) }()
	var once sync.Once
	var took time.Duration
	stop = func() time.Duration {
		once.Do(func() {
			began := time.Now()
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Join: %v", err)
			}
			took = time.Since(began)
		})
		return took
	}
	t.Cleanup(func() { stop() })
	return stop
}

const groupShards = 6

func groupConfig(t *testing.T, addrs []string) Config {
	c := ungivenConfig(t, addrs)
	c.Initial, c.Group.SessionTimeout = "open", groupSession
	createTopics(t, c, groupTopics())
	return c
}

func groupTopics() TopicSpec { return TopicSpec{Partitions: groupShards, ReplicationFactor: 1} }

func groupMember(t testing.TB, c Config) *Publisher {
	p, err := Open(t.Context(), c, groupTopics(), zap.NewNop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return initialized(t, p)
}

// A second member takes half, and after it has left the first has all again within a second.
func TestShardsMoveWithTheMembers(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := groupConfig(t, addrs)
		h := newHoldings()
		one, two := groupMember(t, c), groupMember(t, c)
		join(t, one, h.hold(one, "one"))
		t.Logf("one member has all after %v", h.await(t, map[string]int{"one": groupShards}))
		two.leaveTimeout = 20 * time.Second // room for a busy machine
		stop := join(t, two, h.hold(two, "two"))
		t.Logf("two members have half each after %v", h.await(t, map[string]int{"one": groupShards / 2, "two": groupShards / 2}))
		left := stop()
		took := h.await(t, map[string]int{"one": groupShards})
		t.Logf("leaving took %v, and the other had all after %v more", left, took)
		// It takes a second, or more on a busy machine. Without the leaving, the session would have to end first.
		if left+took > groupSession-time.Second {
			t.Errorf("a graceful takeover took %v", left+took)
		}
	})
}

// A member that is killed loses its shards within the session timeout and a second.
func TestTakeoverAfterKill(t *testing.T) {
	c := groupConfig(t, apache.Cluster(t).Addrs())
	c.Group.SessionTimeout = shortestSession
	h := newHoldings()
	p := groupMember(t, c)
	join(t, p, h.hold(p, "one"))
	h.await(t, map[string]int{"one": groupShards})
	child := startMember(t, c, h)
	h.await(t, map[string]int{"one": groupShards / 2, "child": groupShards / 2})
	if err := child.Kill(); err != nil {
		t.Fatal(err)
	}
	took := h.await(t, map[string]int{"one": groupShards})
	t.Logf("all shards acquired %v after SIGKILL, with a session timeout of %v", took, shortestSession)
	if took >= shortestSession+joinTimeout { // with room for a busy machine, but the dead member is not waited for in a rebalance
		t.Errorf("the takeover took %v", took)
	}
}

const memberVariable = "FARMWIRE_TEST_MEMBER"

// startMember runs TestMember in a process of its own.
func startMember(t *testing.T, c Config, h *holdings) *os.Process {
	cmd := exec.Command(os.Args[0], "-test.run=^TestMember$")
	cmd.Env = append(os.Environ(), memberVariable+"="+c.TopicPrefix+" "+strings.Join(c.Cluster.Brokers, ","))
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	input, err := cmd.StdinPipe() // the member ends with it
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			if number, ok := strings.CutPrefix(lines.Text(), "holds "); ok {
				if shard, err := strconv.Atoi(number); err == nil {
					h.set(shard, "child")
				}
			}
		}
	}()
	t.Cleanup(func() {
		input.Close()
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	return cmd.Process
}

// TestMember is the process that TestTakeoverAfterKill kills; by itself it does nothing.
func TestMember(t *testing.T) {
	prefix, addrs, ok := strings.Cut(os.Getenv(memberVariable), " ")
	if !ok {
		return
	}
	c := Config{Cluster: clusterAt(strings.Split(addrs, ",")), TopicPrefix: prefix, Region: "eu-west-1", Initial: "open", Group: Group{SessionTimeout: shortestSession}}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	p := groupMember(t, c)
	err := p.Join(ctx, func(ctx context.Context, shard int) error {
		if _, err := p.Acquire(ctx, shard); err != nil {
			return err
		}
		fmt.Println("holds", shard)
		<-ctx.Done()
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Law 6: a shard that was fenced while the group still assigns it is acquired again, after a pause.
func TestFencedShardIsAcquiredAgain(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := groupConfig(t, addrs)
		p := groupMember(t, c)
		var calls atomic.Int32
		again := make(chan time.Duration, 1)
		var fencedAt time.Time
		join(t, p, func(ctx context.Context, shard int) error {
			if shard != 0 {
				<-ctx.Done()
				return nil
			}
			if calls.Add(1) == 1 {
				fencedAt = time.Now()
				return fmt.Errorf("publish: %w", ErrFenced)
			}
			select {
			case again <- time.Since(fencedAt):
			default:
			}
			<-ctx.Done()
			return nil
		})
		select {
		case pause := <-again:
			if pause < firstPause {
				t.Errorf("called again after %v, before a heartbeat", pause)
			}
		case <-time.After(time.Minute):
			t.Error("the fenced shard was dropped for good")
		}
	})
}

// loggedError is the error of a log entry.
func loggedError(entry observer.LoggedEntry) error {
	for _, field := range entry.Context {
		if err, ok := field.Interface.(error); ok {
			return err
		}
	}
	return nil
}

// A shard that is fenced again and again while the group assigns it is written by another group: the log says so.
func TestQuarrelOfTwoGroupsIsNamed(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	calls := 0
	ctx, stop := context.WithCancel(t.Context())
	m := &member{log: zap.New(core), explain: Config{}.explain, serve: func(context.Context, int) error {
		if calls++; calls == 3 {
			stop()
		}
		return fmt.Errorf("publish: %w", ErrFenced)
	}}
	m.serveAssigned(ctx, 0)
	said := logs.All()
	if len(said) != 2 || kindOf(loggedError(said[0])) == SharedTopics || kindOf(loggedError(said[1])) != SharedTopics {
		t.Errorf("the log says %v", said)
	}
}

// An error that trying again does not help ends the membership.
func TestRefusedShardEndsTheMembership(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		p := groupMember(t, groupConfig(t, addrs))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var running atomic.Int32
		err := p.Join(ctx, func(ctx context.Context, shard int) error {
			running.Add(1)
			defer running.Add(-1)
			if shard == 1 {
				return refuse(VersionTooOld, "a newer schema")
			}
			<-ctx.Done()
			return nil
		})
		if !errors.Is(err, ErrRefused) || running.Load() != 0 {
			t.Errorf("Join: %v; %d calls of serve run on", err, running.Load())
		}
	})
}

// The client of the group never fetches a record. Restores do.
func TestNothingIsFetched(t *testing.T) {
	cluster := fakeCluster(t, 1)
	c := groupConfig(t, cluster.Addrs())
	p := groupMember(t, c)
	var fetches atomic.Int32
	const fetch = 1
	cluster.Fake().ControlKey(fetch, func(kmsg.Request) (kmsg.Response, error, bool) {
		fetches.Add(1)
		cluster.Fake().KeepControl()
		return nil, nil, false
	})
	h := newHoldings()
	stop := join(t, p, func(ctx context.Context, shard int) error {
		h.set(shard, "one")
		<-ctx.Done()
		return nil
	})
	h.await(t, map[string]int{"one": groupShards})
	time.Sleep(500 * time.Millisecond) // a client fetches within milliseconds of an assignment
	stop()
	if n := fetches.Load(); n > 0 {
		t.Errorf("%d fetch requests", n)
	}
}

// A shard that moves to another member is given up when serve has returned, which may publish until then. Meanwhile the
// member sends heartbeats, and its other shards are served.
func TestRevokedShardIsDrained(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := groupConfig(t, addrs)
		one, two := groupMember(t, c), groupMember(t, c)
		one.leaveTimeout = 10 * time.Second // room for a busy machine
		const drain = 1500 * time.Millisecond
		h := newHoldings()
		var mu sync.Mutex
		draining, most := 0, 0 // shards that drain now, and at most at once
		drained := map[int]time.Time{}
		var early []int // shards that the second member served before the first had drained them
		stopOne := join(t, one, func(ctx context.Context, shard int) error {
			h.set(shard, "one")
			<-ctx.Done()
			if cause := context.Cause(ctx); errors.Is(cause, ErrLost) {
				t.Errorf("shard %d is lost", shard)
			}
			mu.Lock()
			draining++
			most = max(most, draining)
			mu.Unlock()
			time.Sleep(drain)
			mu.Lock()
			defer mu.Unlock()
			draining--
			drained[shard] = time.Now()
			return nil
		})
		h.await(t, map[string]int{"one": groupShards})
		join(t, two, func(ctx context.Context, shard int) error {
			mu.Lock()
			if drained[shard].IsZero() {
				early = append(early, shard)
			}
			mu.Unlock()
			h.set(shard, "two")
			<-ctx.Done()
			return nil
		})
		h.await(t, map[string]int{"one": groupShards / 2, "two": groupShards / 2})
		mu.Lock()
		moved := len(drained)
		most = 0
		mu.Unlock()
		if moved != groupShards/2 || !one.GroupState().Joined || !two.GroupState().Joined {
			t.Errorf("%d shards are drained; the members are %+v and %+v", moved, one.GroupState(), two.GroupState())
		}
		took := stopOne()
		mu.Lock()
		if took < drain || took > drain+20*time.Second || most != groupShards/2 { // with room for a busy machine
			t.Errorf("the stop took %v, and %d of the shards drained at once, each for %v", took, most, drain)
		}
		mu.Unlock()
		h.await(t, map[string]int{"two": groupShards})
		if len(early) > 0 {
			t.Errorf("shards %v were served by the second member before the first had drained them", early)
		}
		if s := one.GroupState(); s.Joined {
			t.Errorf("after the stop the state is %+v", s)
		}
	})
}

// A serve that does not return delays neither the stop nor a hand-over for long.
func TestDrainIsBounded(t *testing.T) {
	c := groupConfig(t, fake(t))
	one, two := groupMember(t, c), groupMember(t, c)
	h := newHoldings()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	stop := join(t, one, func(_ context.Context, shard int) error {
		h.set(shard, "one")
		<-release
		return nil
	})
	h.await(t, map[string]int{"one": groupShards})
	join(t, two, h.hold(two, "two"))
	h.await(t, map[string]int{"one": groupShards / 2, "two": groupShards / 2})
	// Join promises 4.2 seconds, see TestStopWaitsForNobody. The rest is room for a busy machine.
	const most = 30 * time.Second
	if took := stop(); took > most {
		t.Errorf("the stop took %v", took)
	}
	h.await(t, map[string]int{"two": groupShards})
}

// When Kafka goes away, an owner and a standby without shards cease to be members, with the reason, and are members again
// when it is back. A shard that was lost in this way has that cause.
func TestGroupStateFollowsKafka(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(*kafkatest.Gate){"frozen": (*kafkatest.Gate).Freeze, "gone": (*kafkatest.Gate).Close} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := kafkatest.NewGate()
			brokers, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(gate.Listen))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(brokers.Close)
			followKafka(t, brokers.ListenAddrs(), func() { take(gate) }, gate.Open)
		})
	}
	t.Run("apache", func(t *testing.T) {
		cluster := apacheCluster(t, kafkatest.Options{})
		followKafka(t, cluster.Addrs(), func() { must(t, cluster.Kill(0)) }, func() { must(t, cluster.Restart(t.Context(), 0)) })
	})
}

// The client of the group sends all its requests to a broker on one connection, so a heartbeat would wait for the answer to a
// request for offsets. If the broker is gone, that is much longer than the session.
func TestHeartbeatsWaitForNoOffsets(t *testing.T) {
	t.Parallel()
	brokers, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(brokers.Close)
	p := groupMember(t, groupConfig(t, brokers.ListenAddrs()))
	var asked, heartbeats atomic.Int32
	count := func(key kmsg.Key, n *atomic.Int32) {
		brokers.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
			brokers.KeepControl()
			n.Add(1)
			return nil, nil, false
		})
	}
	count(kmsg.ListOffsets, &asked)
	count(kmsg.Heartbeat, &heartbeats)
	h := newHoldings()
	join(t, p, func(ctx context.Context, shard int) error {
		h.set(shard, "one")
		<-ctx.Done()
		return nil
	})
	h.await(t, map[string]int{"one": groupShards})
	now := heartbeats.Load()
	until(t, 30*time.Second, "heartbeats are sent after the assignment", func() bool { return heartbeats.Load() > now+2 })
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests for offsets", n)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func followKafka(t *testing.T, addrs []string, take, giveBack func()) {
	c := groupConfig(t, addrs)
	c.Group.SessionTimeout = 0 // the default
	var members []*Publisher
	var served, causes sync.Map // by shard: the member that serves it, and why the service ended
	for member := range groupShards + 1 {
		p := groupMember(t, c)
		members = append(members, p)
		join(t, p, func(ctx context.Context, shard int) error {
			served.Store(shard, member)
			<-ctx.Done()
			causes.Store(shard, context.Cause(ctx))
			return nil
		})
	}
	all := func(holds func(cluster.GroupState) bool) func() bool {
		return func() bool {
			for _, p := range members {
				if !holds(p.GroupState()) {
					return false
				}
			}
			return true
		}
	}
	// Until each shard has a member of its own, the group still moves shards, and those are given up and not lost.
	settled := func() bool {
		serving := map[any]bool{}
		served.Range(func(_, member any) bool { serving[member] = true; return true })
		return len(serving) == groupShards
	}
	until(t, 2*time.Minute, "each shard has a member of its own", settled)
	until(t, time.Minute, "all are members", all(func(s cluster.GroupState) bool { return s.Joined && s.Err == nil }))
	causes.Clear()
	take()
	until(t, time.Minute, "none is a member, and each knows why", all(func(s cluster.GroupState) bool { return !s.Joined && s.Err != nil }))
	t.Logf("the reason is %v", members[0].GroupState().Err)
	// The group's client tells of the error first, and then of the shards.
	until(t, time.Minute, "the shards are lost", func() bool {
		lost := 0
		causes.Range(func(shard, cause any) bool {
			if lost++; !errors.Is(cause.(error), ErrLost) {
				t.Errorf("shard %d ended because of %v", shard, cause)
			}
			return true
		})
		return lost > 0
	})
	giveBack()
	until(t, 2*time.Minute, "all are members again", all(func(s cluster.GroupState) bool { return s.Joined && s.Err == nil }))
}

// A member that stops while the group moves shards leaves the group all the same: the others need not wait for its session. Its
// client leaves when its request to join was answered, which takes until the next heartbeat of the others.
func TestStopDuringARebalance(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := groupConfig(t, addrs)
		two := groupMember(t, c)
		core, logs := observer.New(zap.InfoLevel)
		two.log = zap.New(core)
		one, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumerGroup(c.GroupID()), kgo.ConsumeTopics(c.StateTopic()),
			kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.HeartbeatInterval(maxHeartbeat))
		if err != nil {
			t.Fatal(err)
		}
		defer one.CloseAllowingRebalance()
		group := admin(t, c)
		members := func() int {
			described, err := group.DescribeGroups(t.Context(), c.GroupID())
			if err != nil || described.Error() != nil {
				return -1
			}
			return len(described[c.GroupID()].Members)
		}
		until(t, 20*time.Second, "one is a member", func() bool { return members() == 1 })
		two.leaveTimeout = 20 * time.Second // room for a busy machine
		stop := join(t, two, func(ctx context.Context, _ int) error { <-ctx.Done(); return nil })
		until(t, 20*time.Second, "two joins", func() bool { return members() == 2 })
		stop()
		n := -1
		until(t, 20*time.Second, "the broker says who is a member", func() bool { n = members(); return n >= 0 })
		if n != 1 {
			t.Errorf("%d members after the stop", n)
		}
		for _, e := range logs.FilterLevelExact(zap.WarnLevel).All() {
			t.Error(e.Message, e.ContextMap())
		}
	})
}

// A call of serve that does not return delays the stop for exactly as long as the member is patient.
func TestStopWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ctx, stop := context.WithCancelCause(t.Context())
		m := &member{log: zap.NewNop(), explain: func(err error) error { return err }, patience: 3300 * time.Millisecond, ctx: ctx, stop: stop, assignments: map[int32]*assignment{}}
		m.serve = func(context.Context, int) error { <-release; return nil }
		m.assign([]int32{1, 2, 3})
		synctest.Wait()
		began := time.Now()
		stop(nil)
		m.close()
		if took := time.Since(began); took != m.patience {
			t.Errorf("the stop took %v", took)
		}
		close(release)
	})
}

// A shard that is revoked and assigned again at once, also twice in a row or after it was lost, is served by one call at a time,
// and the last assignment counts. A stop in between waits for the calls that drain.
func TestAssignedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var serving, most, calls atomic.Int32
		ctx, stop := context.WithCancelCause(t.Context())
		m := &member{log: zap.NewNop(), explain: func(err error) error { return err }, patience: 3300 * time.Millisecond, ctx: ctx, stop: stop, assignments: map[int32]*assignment{}}
		m.serve = func(ctx context.Context, _ int) error {
			calls.Add(1)
			most.Store(max(most.Load(), serving.Add(1)))
			defer serving.Add(-1)
			<-ctx.Done()
			time.Sleep(DrainTime)
			return ctx.Err()
		}
		shard := []int32{3}
		m.assign(shard)
		synctest.Wait()
		go m.handOver(shard)
		go m.handOver(shard)
		synctest.Wait()
		m.assign(shard) // waits for the first call
		synctest.Wait()
		m.end(shard, ErrLost) // before its call has begun
		m.assign(shard)
		time.Sleep(DrainTime + time.Second)
		if calls.Load() != 2 || serving.Load() != 1 || most.Load() != 1 {
			t.Errorf("%d calls, %d now, at most %d at once", calls.Load(), serving.Load(), most.Load())
		}
		m.end(shard, nil)
		m.assign(shard)
		began := time.Now()
		stop(nil)
		m.close()
		if took := time.Since(began); took != DrainTime || serving.Load() != 0 || calls.Load() != 2 {
			t.Errorf("the stop took %v, with %d calls left of %d", took, serving.Load(), calls.Load())
		}
	})
}
