//go:build unix

package trigger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"farmwire/cluster"
	"farmwire/consumer"
	"farmwire/diff"
	"farmwire/event"
	"farmwire/publisher"
	"farmwire/publisher/kafkatest"
)

// source publishes events as Farmwire does.
type source struct {
	config consumer.Config
	client *kgo.Client
	admin  *kadm.Client
	n      int
}

const partitions = 3

func newSource(t *testing.T, addrs []string, dial dialFunc) *source {
	t.Helper()
	c := consumer.Config{Cluster: cluster.Config{Brokers: addrs, Dial: dial}, TopicPrefix: fmt.Sprintf("test-%d", rand.Uint64())}
	options, err := c.Cluster.ClientOptions()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(append(options, kgo.TransactionalID(c.TopicPrefix))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s := &source{config: c, client: client, admin: kadm.NewClient(client)}
	s.createTopics(t)
	return s
}

func (s *source) createTopics(t *testing.T) {
	t.Helper()
	c := publisher.Config{Cluster: s.config.Cluster, TopicPrefix: s.config.TopicPrefix, Region: "eu-west-1", Initial: "open"}
	if _, err := publisher.CreateTopics(t.Context(), c, publisher.TopicSpec{Partitions: partitions, ReplicationFactor: 1}); err != nil {
		t.Fatal(err)
	}
}

// change returns the end of a new session, or another change of it.
func (s *source) change(kind diff.Kind) *diff.Change {
	s.n++
	at := time.Now().Truncate(time.Millisecond)
	c := &diff.Change{Kind: kind, Sequence: 3, Session: diff.Session{
		WorkerKey: diff.WorkerKey{FarmID: "farm-1", FleetID: fmt.Sprintf("fleet-%d", s.n%2), WorkerID: "worker-1"},
		QueueID:   "queue-1", JobID: "job-1", SessionID: fmt.Sprintf("session-%d", s.n),
		LifecycleStatus: "STARTED", StartedAt: at.Add(-time.Hour),
	}, Observed: diff.Bounds{After: at.Add(-time.Second), Before: at}}
	if kind == diff.Ended {
		c.Session.LifecycleStatus, c.Session.EndedAt, c.Observed.Exact = "ENDED", at.Add(-500*time.Millisecond), true
	}
	return c
}

// record returns the record of a change.
func record(topic string, c *diff.Change) *kgo.Record {
	r := event.Encode(c, event.Envelope{Region: "eu-west-1", Recorded: time.Now()})
	k := &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return k
}

// write writes records in one transaction.
func (s *source) write(t *testing.T, end kgo.TransactionEndTry, records ...*kgo.Record) {
	t.Helper()
	if err := s.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		s.client.Produce(t.Context(), r, func(_ *kgo.Record, err error) {
			if err != nil && end == kgo.TryCommit {
				t.Error(err)
			}
		})
	}
	if err := s.client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.client.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := kafkatest.AwaitEnd(ctx, s.admin, s.config.TopicPrefix); err != nil { // only then are the records there for readers
		t.Fatal(err)
	}
}

// publish publishes changes in one transaction, and returns the ids of the events.
func (s *source) publish(t *testing.T, end kgo.TransactionEndTry, changes ...*diff.Change) (ids []string) {
	t.Helper()
	var records []*kgo.Record
	for _, c := range changes {
		records = append(records, record(s.config.EventsTopic(), c))
		if c.Kind == diff.Ended {
			records = append(records, record(s.config.EndedTopic(), c))
		}
		ids = append(ids, fmt.Sprintf("%s.%06d", c.Session.SessionID, c.Sequence))
	}
	s.write(t, end, records...)
	return ids
}

// ends publishes the ends of n sessions in one transaction, and returns the ids of the events.
func (s *source) ends(t *testing.T, n int) (ids []string) {
	t.Helper()
	var changes []*diff.Change
	for range n {
		changes = append(changes, s.change(diff.Ended))
	}
	return s.publish(t, kgo.TryCommit, changes...)
}

// stands returns where a group stands in the ended topic, and the topic's ends, by partition.
func (s *source) stands(t *testing.T, group string) (offsets, ends map[int32]int64) {
	t.Helper()
	committed, err := s.admin.FetchOffsets(t.Context(), group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) && !kerr.IsRetriable(err) {
		t.Fatal(err)
	}
	listed, err := s.admin.ListEndOffsets(t.Context(), s.config.EndedTopic())
	if err != nil {
		t.Fatal(err)
	}
	offsets, ends = map[int32]int64{}, map[int32]int64{}
	for p, o := range committed[s.config.EndedTopic()] {
		offsets[p] = o.At
	}
	for p, o := range listed[s.config.EndedTopic()] {
		ends[p] = o.Offset
	}
	return offsets, ends
}

// untilDone waits until a group stands at the end.
func (s *source) untilDone(t *testing.T, group string) {
	t.Helper()
	until(t, "the group stands at the end", func() bool {
		offsets, ends := s.stands(t, group)
		return maps.Equal(offsets, ends)
	})
}

// letters returns the dead letters of a group.
func (s *source) letters(t *testing.T, group string) []DeadLetter {
	t.Helper()
	d, err := OpenDeadLetters(Config{Consumer: s.config, Group: group})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	letters, err := d.List(t.Context())
	if problem, ok := errors.AsType[*cluster.Error](err); err != nil && (!ok || problem.Kind != consumer.TopicMissing) {
		t.Fatal(err)
	}
	return letters
}

// receiver is a target that remembers what it was given. Its answer decides what comes of a try. It is delivered if there is none.
type receiver struct {
	mu     sync.Mutex
	answer func(ctx context.Context, d Delivery) Result
	tried  []attempt
	taken  []string // ids that were delivered
}

// attempt is a try that has begun.
type attempt struct {
	id string
	n  int
	at time.Time
}

func (r *receiver) String() string { return "the receiver of a test" }

func (r *receiver) Deliver(ctx context.Context, d Delivery) (result Result) {
	r.mu.Lock()
	r.tried = append(r.tried, attempt{d.Event.ID, d.Attempt, time.Now()})
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		result = answer(ctx, d)
	}
	if result.Outcome == Delivered {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.taken = append(r.taken, d.Event.ID)
	}
	return result
}

// ids returns the ids that were delivered, sorted.
func (r *receiver) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(slices.Values(r.taken))
}

// tries returns the tries of an event that have begun, or of all events if the id is "".
func (r *receiver) tries(id string) (all []attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.tried {
		if id == "" || a.id == id {
			all = append(all, a)
		}
	}
	return all
}

// turn changes what comes of the tries from now on.
func (r *receiver) turn(answer func(ctx context.Context, d Delivery) Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// always answers every try with a result.
func always(r Result) func(context.Context, Delivery) Result {
	return func(context.Context, Delivery) Result { return r }
}

// only answers the tries of some events with a result, and takes the others.
func only(r Result, ids ...string) func(context.Context, Delivery) Result {
	return func(_ context.Context, d Delivery) Result {
		if slices.Contains(ids, d.Event.ID) {
			return r
		}
		return Result{}
	}
}

// running is a trigger that runs.
type running struct {
	*Trigger
	link  *link
	stop  context.CancelFunc
	ended chan struct{}
	err   error // of Run, when it has ended
}

// start runs a trigger that begins at the beginning, changed by change.
func (s *source) start(t *testing.T, target Target, change func(*Config)) *running {
	t.Helper()
	beginning := consumer.Beginning()
	l := &link{dial: s.config.Cluster.Dial}
	c := Config{Consumer: s.config, From: &beginning, Target: target, Concurrency: 4, Attempts: 3, DeadLetterLimit: 20, Drain: 5 * time.Second}
	c.Consumer.Cluster.Dial = l.Dial
	if change != nil {
		change(&c)
	}
	tr, err := New(c, zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Trigger: tr, link: l, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = tr.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		l.mend()
		l.thaw()
		<-r.ended
		l.sever()
	})
	return r
}

// end stops the trigger and returns its error.
func (r *running) end(t *testing.T) error {
	t.Helper()
	r.stop()
	return r.wait(t)
}

// wait waits for the end of the trigger and returns its error.
func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-r.ended:
		return r.err
	case <-time.After(2 * time.Minute):
		t.Fatal("the trigger does not end")
		return nil
	}
}

// fails waits for the end of the trigger and checks the kind of its error.
func (r *running) fails(t *testing.T, kind cluster.Kind) error {
	t.Helper()
	err := r.wait(t)
	if problem, ok := errors.AsType[*cluster.Error](err); !ok || problem.Kind != kind {
		t.Fatalf("the trigger ended with %v, want the kind %q", err, kind)
	}
	return err
}

// until waits until a condition holds, for two minutes. The pauses between tries are longer the longer a busy machine has taken
// to come so far.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 2400 {
		if holds() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("not within two minutes: %s", what)
}

// same checks that two lists of ids hold the same.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if got, want := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
		t.Errorf("%s: %v\nwant %v", what, got, want)
	}
}

// saysTimes checks that an error says so many times, all of them between two others.
func saysTimes(t *testing.T, err error, n int, from, to time.Time) {
	t.Helper()
	said := regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:]+Z`).FindAllString(err.Error(), -1)
	for _, text := range said {
		if at, parseErr := time.Parse(time.RFC3339, text); parseErr != nil || at.Before(from.Truncate(time.Second)) || at.After(to) {
			t.Errorf("%s is not from %s to %s", text, from.UTC(), to.UTC())
		}
	}
	if len(said) != n {
		t.Errorf("%d times are said and not %d: %v", len(said), n, err)
	}
}

// deleteRecords deletes all records of the ended topic, as retention does.
func (s *source) deleteRecords(t *testing.T) {
	t.Helper()
	_, ends := s.stands(t, "farmwire.trigger."+s.config.EndedTopic())
	offsets := kadm.Offsets{}
	for p, end := range ends {
		offsets.AddOffset(s.config.EndedTopic(), p, end, -1)
	}
	answers, err := s.admin.DeleteRecords(t.Context(), offsets)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}
