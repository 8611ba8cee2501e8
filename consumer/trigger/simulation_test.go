//go:build unix && synctests

package trigger

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/diff"
)

// simulation is a group of up to three instances for which everything goes wrong that can, in virtual time.
type simulation struct {
	t      *testing.T
	random *rand.Rand // of the test's goroutine
	source *source
	began  time.Time

	mu        sync.Mutex
	events    map[string]fate // by id
	places    map[place]map[int64]string
	delivered map[string]int // how often, by id
	refused   map[string]int // how often in a row by one instance, at most
	sessions  map[string][]string
	away      time.Time // until when the target is not there
	luck      *rand.Rand

	instances []*simulated
	alive     int // instances that have not ended
}

// fate says what the target answers.
type fate int

const (
	taken          fate = iota
	refusedOnce         // by each instance, and then taken
	refusedForEver      // and so to be a dead letter
)

const simulatedAttempts = 3

// simulated is an instance.
type simulated struct {
	*running
	*simulation
	name string

	mu   sync.Mutex
	dead bool
	said map[string]int // how often each event was refused
}

func (i *simulated) String() string { return i.name }

// Deliver answers as the fate of the event says, some time later.
func (i *simulated) Deliver(ctx context.Context, d Delivery) Result {
	s := i.simulation
	s.mu.Lock()
	took := time.Duration(s.luck.IntN(1500)) * time.Millisecond
	if s.luck.IntN(50) == 0 {
		took = 45 * time.Second
	}
	lucky := s.luck.IntN(5) > 0
	fate := s.events[d.Event.ID]
	s.mu.Unlock()
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return Result{Outcome: Refused, Reason: "broken off"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.dead, !lucky, time.Now().Before(s.away):
		return Result{Outcome: Unavailable, Reason: "nobody is there"}
	case fate == refusedForEver, fate == refusedOnce && i.said[d.Event.ID] == 0:
		i.said[d.Event.ID]++
		s.refused[d.Event.ID] = max(s.refused[d.Event.ID], i.said[d.Event.ID])
		return Result{Outcome: Refused, Reason: "told no"}
	}
	line := s.sessions[d.Event.Subject]
	for _, earlier := range line[:slices.Index(line, d.Event.ID)] {
		if s.delivered[earlier] == 0 && s.refused[earlier] < simulatedAttempts {
			s.t.Errorf("%s is delivered before %s", d.Event.ID, earlier)
		}
	}
	s.delivered[d.Event.ID]++
	return Result{}
}

// publish publishes some events of new and of earlier sessions.
func (s *simulation) publish() {
	end := kgo.TransactionEndTry(s.random.IntN(8) > 0)
	var records []*kgo.Record
	var changes []*diff.Change
	for range 1 + s.random.IntN(6) {
		c := s.source.change(diff.Ended)
		if s.random.IntN(3) == 0 && s.source.n > 1 {
			c.Session.SessionID = fmt.Sprintf("session-%d", 1+s.random.IntN(s.source.n-1))
		}
		c.Sequence = uint64(s.source.n)
		changes, records = append(changes, c), append(records, record(s.source.config.EndedTopic(), c))
	}
	s.mu.Lock()
	if end == kgo.TryCommit {
		for _, c := range changes {
			id := fmt.Sprintf("%s.%06d", c.Session.SessionID, c.Sequence)
			s.events[id] = []fate{taken, taken, taken, taken, taken, taken, refusedOnce, refusedForEver}[s.random.IntN(8)]
			s.sessions[c.Session.SessionID] = append(s.sessions[c.Session.SessionID], id)
		}
	}
	s.mu.Unlock()
	s.source.write(s.t, end, records...)
	if end == kgo.TryCommit {
		s.mu.Lock()
		defer s.mu.Unlock()
		for n, r := range records {
			at := place{r.Topic, r.Partition}
			if s.places[at] == nil {
				s.places[at] = map[int64]string{}
			}
			s.places[at][r.Offset] = fmt.Sprintf("%s.%06d", changes[n].Session.SessionID, changes[n].Sequence)
		}
	}
}

// watch checks each commit that a broker receives: nothing that it calls done is not.
func (s *simulation) watch(request kmsg.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range request.(*kmsg.OffsetCommitRequest).Topics {
		for _, p := range t.Partitions {
			var c checkpoint
			if p.Metadata != nil {
				_ = json.Unmarshal([]byte(*p.Metadata), &c)
			}
			for offset, id := range s.places[place{t.Topic, p.Partition}] {
				saysDone := offset < p.Offset || offset < c.Done && !slices.Contains(c.Held, offset-p.Offset)
				if saysDone && s.delivered[id] == 0 && s.refused[id] < simulatedAttempts {
					s.t.Errorf("a commit of %d %s calls %s at %d done", p.Offset, *p.Metadata, id, offset)
				}
			}
		}
	}
	return false
}

func (s *simulation) startOne() {
	i := &simulated{simulation: s, said: map[string]int{}, name: fmt.Sprint("instance-", time.Since(s.began))}
	i.running = s.source.start(s.t, i, func(c *Config) {
		c.Attempts, c.DeadLetterLimit, c.Concurrency = simulatedAttempts, 1<<30, 1+s.random.IntN(8)
	})
	s.instances = append(s.instances, i)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alive = len(s.instances)
}

// kill ends an instance as SIGKILL does: nothing of it reaches anybody any more.
func (i *simulated) kill() {
	i.mu.Lock()
	i.dead = true
	i.mu.Unlock()
	i.link.sever()
	i.running.stop()
}

// step does something.
func (s *simulation) step() {
	var any *simulated
	if len(s.instances) > 0 {
		any = s.instances[s.random.IntN(len(s.instances))]
	}
	remove := func() {
		s.instances = slices.DeleteFunc(s.instances, func(i *simulated) bool { return i == any })
		s.mu.Lock()
		defer s.mu.Unlock()
		s.alive = len(s.instances)
	}
	what := []string{"publish", "publish", "publish", "publish", "start", "start", "start", "stop", "kill", "freeze", "sever", "away"}[s.random.IntN(12)]
	if os.Getenv("SIMULATION_LOG") != "" {
		s.t.Log(time.Since(s.began), what, len(s.instances))
	}
	switch {
	case what == "publish":
		s.publish()
	case what == "start" && len(s.instances) < 3:
		s.startOne()
	case what == "away":
		s.mu.Lock()
		s.away = time.Now().Add(time.Duration(s.random.IntN(60)) * time.Second)
		s.mu.Unlock()
	case any == nil:
	case what == "stop":
		any.running.stop()
		remove()
	case what == "kill":
		any.kill()
		remove()
	case what == "freeze":
		any.link.freeze()
		time.AfterFunc(time.Duration(s.random.IntN(25000))*time.Millisecond, any.link.thaw)
	case what == "sever":
		any.link.sever()
		time.AfterFunc(time.Duration(s.random.IntN(15000))*time.Millisecond, any.link.mend)
	}
}

// unstick throws all members out of a group that has been in a state for minutes in which Kafka's cannot be for so long. kfake
// does not notice the end of a member that has died while it joined, and begins to count a rebalance's timeout anew with each
// request to join.
func (s *simulation) unstick(ctx context.Context, group string) {
	var since time.Time
	stood := map[int32]int64{}
	for ctx.Err() == nil {
		time.Sleep(time.Second)
		stands, _ := s.source.stands(s.t, group)
		for p, offset := range stands {
			if offset < stood[p] {
				s.t.Errorf("%s: the offset of partition %d went back from %d to %d", time.Since(s.began), p, stood[p], offset)
			}
		}
		stood = stands
		groups, err := s.source.admin.DescribeGroups(ctx, group)
		s.mu.Lock()
		alive := s.alive
		s.mu.Unlock()
		if err != nil || groups[group].State == "Stable" && len(groups[group].Members) <= alive {
			since = time.Time{}
			continue
		}
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) > 2*rebalanceTimeout {
			leave := kmsg.NewPtrLeaveGroupRequest()
			leave.Group = group
			for _, m := range groups[group].Members {
				member := kmsg.NewLeaveGroupRequestMember()
				member.MemberID = m.MemberID
				leave.Members = append(leave.Members, member)
			}
			_, _ = leave.RequestWith(ctx, s.source.client)
			s.t.Log(time.Since(s.began), "all members were thrown out of the group")
			since = time.Time{}
		}
	}
}

// finish lets everything go well, and checks what came of it.
func (s *simulation) finish() {
	for _, i := range s.instances {
		i.link.mend()
		i.link.thaw()
	}
	s.startOne()
	group := s.instances[len(s.instances)-1].config.GroupID()
	began := time.Now()
	for {
		offsets, ends := s.source.stands(s.t, group)
		if fmt.Sprint(offsets) == fmt.Sprint(ends) {
			break
		}
		if time.Since(began) > time.Hour {
			for _, i := range s.instances {
				s.t.Logf("%s: %+v", i.name, i.Report())
			}
			groups, err := s.source.admin.DescribeGroups(s.t.Context(), group)
			s.t.Logf("%+v %v", groups, err)
			s.t.Fatalf("the group stands at %v an hour later, and the ends are %v", offsets, ends)
		}
		time.Sleep(time.Second)
	}
	for _, i := range s.instances {
		i.running.stop()
	}
	for _, i := range s.instances {
		if err := i.running.wait(s.t); err != nil {
			s.t.Error(err)
		}
	}
	var dead, gone []string
	for _, l := range s.source.letters(s.t, group) {
		dead = append(dead, l.ID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	again := 0
	for id, fate := range s.events {
		switch {
		case fate == refusedForEver:
			gone = append(gone, id)
		case s.delivered[id] == 0:
			s.t.Errorf("%s is not delivered", id)
		}
		again += max(0, s.delivered[id]-1)
	}
	// A dead letter with the key of an earlier one replaces it, so only the last of a session is there.
	last := map[string]string{}
	for _, line := range s.sessions {
		for _, id := range line {
			if s.events[id] == refusedForEver {
				last[line[0]] = id
			}
		}
	}
	var want []string
	for _, id := range last {
		want = append(want, id)
	}
	same(s.t, "dead letters", dead, want)
	s.t.Logf("%d events, %d delivered again, %d dead, in %s", len(s.events), again, len(gone), time.Since(s.began))
}

// Whatever goes wrong, every event is delivered or a dead letter, in the order of its session, and no commit calls anything done
// that is not.
func TestSimulation(t *testing.T) {
	first, runs := uint64(1), 10
	if text := os.Getenv("SIMULATION_SEED"); text != "" {
		first, _ = strconv.ParseUint(text, 10, 64)
		runs, _ = strconv.Atoi(os.Getenv("SIMULATION_RUNS"))
	}
	for seed := first; seed < first+uint64(runs); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			onFake(t, func(t *testing.T, source *source, c fake) {
				s := &simulation{
					t: t, source: source, random: rand.New(rand.NewPCG(seed, 0)), luck: rand.New(rand.NewPCG(seed, 1)), began: time.Now(),
					events: map[string]fate{}, places: map[place]map[int64]string{}, delivered: map[string]int{}, refused: map[string]int{},
					sessions: map[string][]string{},
				}
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, When: s.watch, Observe: true, Count: -1})
				s.startOne()
				watching, stop := context.WithCancel(t.Context())
				var watched sync.WaitGroup
				group := s.instances[0].config.GroupID()
				watched.Go(func() { s.unstick(watching, group) })
				defer watched.Wait()
				defer stop()
				for range 100 {
					s.step()
					time.Sleep(time.Duration(s.random.IntN(4000)) * time.Millisecond)
				}
				s.finish()
			})
		})
	}
}
