package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/poller/farmtest"
)

// canaries are workers apart from the life of the farm. Each has one open session, so that at any moment a start and an end
// can be made whose events are then waited for.
type canaries struct {
	workers []*farmtest.Worker
	open    []*farmtest.Session // by worker
}

// addCanaries adds workers that are in several shards, in a farm of their own.
func addCanaries(cloud *farmtest.Cloud) *canaries {
	const workers = 6
	fleet := cloud.AddFarm("canary").AddFleet("canary")
	c := &canaries{}
	for range workers {
		w := fleet.AddWorker()
		c.workers, c.open = append(c.workers, w), append(c.open, w.StartSession(nil))
	}
	return c
}

// published is a change of a session in Kafka.
type published struct {
	session string
	ended   bool // else it is the session's first event
}

// begun are the starts of the open sessions.
func (c *canaries) begun() []published {
	var due []published
	for _, s := range c.open {
		due = append(due, published{s.ID(), false})
	}
	return due
}

// change ends the open session of each worker and starts another one. It returns what must then be published.
func (c *canaries) change() []published {
	var due []published
	for i, w := range c.workers {
		c.open[i].End()
		due = append(due, published{c.open[i].ID(), true})
		c.open[i] = w.StartSession(nil)
		due = append(due, published{c.open[i].ID(), false})
	}
	return due
}

// follower reads the events that are committed, and knows those of the last minutes. It reaches the brokers without the
// proxies, and goes on when they return.
type follower struct {
	client *kgo.Client
	done   chan struct{}

	mu     sync.Mutex
	seen   map[published]time.Time
	events int
}

func openFollower(brokers []string) (*follower, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(instance.TopicPrefix+".events"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(time.Second), kgo.RetryBackoffFn(func(int) time.Duration { return 500 * time.Millisecond }))
	if err != nil {
		return nil, fmt.Errorf("follow the events: %w", err)
	}
	f := &follower{client: client, done: make(chan struct{}), seen: map[published]time.Time{}}
	go f.follow()
	return f, nil
}

func (f *follower) follow() {
	defer close(f.done)
	for {
		fetches := f.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachRecord(f.note)
	}
}

// note remembers a first event or an end, and forgets what is old.
func (f *follower) note(r *kgo.Record) {
	const most = 50_000
	kind := ""
	for _, h := range r.Headers {
		if h.Key == "ce_type" {
			kind = string(h.Value)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events++
	if len(f.seen) > most {
		for p, at := range f.seen {
			if time.Since(at) > 10*time.Minute {
				delete(f.seen, p)
			}
		}
	}
	switch {
	case strings.Contains(kind, ".ended."):
		f.seen[published{string(r.Key), true}] = time.Now()
	case strings.Contains(kind, ".started."), strings.Contains(kind, ".discovered."):
		f.seen[published{string(r.Key), false}] = time.Now()
	}
}

// missing returns how many of the changes are not published yet.
func (f *follower) missing(due []published) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, p := range due {
		if _, there := f.seen[p]; !there {
			n++
		}
	}
	return n
}

// count is the number of events read so far.
func (f *follower) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.events
}

func (f *follower) close() {
	f.client.Close()
	<-f.done
}
