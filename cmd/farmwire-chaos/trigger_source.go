package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/cmd/farmwire-chaos/receipts"
	"farmwire/cmd/farmwire-chaos/receiver"
	"farmwire/diff"
	"farmwire/event"
)

const (
	eventsTopic = instance.TopicPrefix + event.EventsSuffix
	endedTopic  = instance.TopicPrefix + event.EndedSuffix
)

// source writes the ends of sessions to Kafka, and so knows what is to be delivered. Its transactions are like those of farmwire
// run, and some of them are aborted. Some sessions end several times, which real ones do not, so that the order of their events
// shows.
type source struct {
	client *kgo.Client
	rng    *rand.Rand

	writing sync.Mutex // held during a transaction, and while a broker is down: so the end of every transaction is known
	mu      sync.Mutex
	events  []receipts.Event
	open    []diff.Change // the last events of sessions that are to end once more
}

func openSource(brokers []string, seed uint64) (*source, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.TransactionalID("chaos-source"), kgo.DisableClientMetrics())
	if err != nil {
		return nil, err
	}
	return &source{client: client, rng: rand.New(rand.NewPCG(seed, 13))}, nil
}

// written returns all events so far, in the order in which they were written.
func (s *source) written() []receipts.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// run writes so many events a second, on average, until ctx ends.
func (s *source) run(ctx context.Context, rate float64) error {
	for begun, n := time.Now(), 0; ctx.Err() == nil; pause(ctx, 50*time.Millisecond) {
		for float64(n) < rate*time.Since(begun).Seconds() && ctx.Err() == nil {
			many := 1 + s.rng.IntN(6)
			n += many
			if err := s.transaction(context.WithoutCancel(ctx), many); err != nil {
				return fmt.Errorf("write events: %w", err)
			}
		}
	}
	return nil
}

// transaction writes events in one transaction, which may be aborted. The outcome is known if there is no error.
func (s *source) transaction(ctx context.Context, many int) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	commit := s.rng.IntN(10) > 0
	var toDeliver, noise []*kgo.Record
	sessions := map[*kgo.Record]string{}
	for range many {
		c := s.change(commit)
		topic := endedTopic
		if c.Kind == diff.Vanished {
			topic = eventsTopic
		} else {
			noise = append(noise, record(eventsTopic, c))
		}
		r := record(topic, c)
		sessions[r] = c.Session.SessionID
		toDeliver = append(toDeliver, r)
	}
	if err := s.client.BeginTransaction(); err != nil {
		return err
	}
	if err := s.client.ProduceSync(ctx, slices.Concat(noise, toDeliver)...).FirstErr(); err != nil {
		return err
	}
	if err := s.client.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range toDeliver {
		id, content, err := contentOf(r.Headers, r.Value)
		if err != nil {
			return err
		}
		s.events = append(s.events, receipts.Event{ID: id, Session: sessions[r], Partition: partitionOf(r.Topic, r.Partition),
			Offset: r.Offset, Content: content, Committed: commit})
	}
	return nil
}

// change makes up the end of a session. A session that has ended may end again, but not in a transaction that is aborted.
func (s *source) change(again bool) diff.Change {
	now := time.Now().UTC().Truncate(time.Millisecond)
	if n := len(s.open); again && n > 0 && s.rng.IntN(3) == 0 {
		i := s.rng.IntN(n)
		c := s.open[i]
		c.Sequence++
		c.Observed.Before = now
		if s.open[i] = c; c.Sequence >= 5 || s.rng.IntN(3) == 0 {
			s.open = slices.Delete(s.open, i, i+1)
		}
		return c
	}
	id := func(kind string) string { return fmt.Sprintf("%s-%016x%016x", kind, s.rng.Uint64(), s.rng.Uint64()) }
	before := diff.Session{
		WorkerKey: diff.WorkerKey{FarmID: id("farm"), FleetID: id("fleet"), WorkerID: id("worker")},
		QueueID:   id("queue"), JobID: id("job"), SessionID: id("session"),
		LifecycleStatus: diff.StatusStarted, StartedAt: now.Add(-10 * time.Minute),
	}
	c := diff.Change{Kind: diff.Vanished, Sequence: 2, Session: before, Previous: &before,
		Observed: diff.Bounds{After: now.Add(-time.Second), Before: now}}
	if s.rng.IntN(6) == 0 {
		return c
	}
	c.Kind, c.Observed.Exact = diff.Ended, true
	c.Session.LifecycleStatus, c.Session.EndedAt = diff.StatusEnded, now.Add(-500*time.Millisecond)
	if again && s.rng.IntN(4) == 0 {
		s.open = append(s.open, c)
	}
	return c
}

func record(topic string, c diff.Change) *kgo.Record {
	e := event.Encode(&c, event.Envelope{Region: instance.Region, Recorded: time.Now()})
	r := &kgo.Record{Topic: topic, Key: e.Key, Value: e.Value}
	for _, h := range e.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return r
}

// contentOf returns the id of an event in Kafka, and its content as the receiver writes it down.
func contentOf(headers []kgo.RecordHeader, value []byte) (id, content string, err error) {
	attributes := map[string]string{}
	for _, h := range headers {
		if name, ok := strings.CutPrefix(h.Key, "ce_"); ok {
			attributes[name] = string(h.Value)
		} else if h.Key == "content-type" {
			attributes["datacontenttype"] = string(h.Value)
		}
	}
	content, err = receiver.Write(maps.Clone(attributes), value)
	return attributes["id"], content, err
}

func partitionOf(topic string, number int32) string { return fmt.Sprintf("%s/%d", topic, number) }
