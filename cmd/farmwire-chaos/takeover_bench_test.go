package main

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/poller/farmtest"
	"farmwire/publisher"
)

// takeoverSession is the shortest session timeout that brokers allow by default.
const takeoverSession = 6 * time.Second

// BenchmarkTakeover lets two instances share a farm and ends one of them in each round. It measures the time until the farm
// has received calls of the other for workers of all shards of the first. After a SIGKILL that should take the session
// timeout and a second at most, and after a SIGTERM a second.
//
//	FARMWIRE_TEST_KAFKA=apache go test ./cmd/farmwire-chaos -run '^$' -bench Takeover -benchtime 5x
func BenchmarkTakeover(b *testing.B) {
	b.Run("SIGKILL", func(b *testing.B) {
		took := takeovers(b, (*instance.Instance).End)
		b.ReportMetric(median(took).Seconds(), "s/median")
		b.ReportMetric(slices.Max(took).Seconds(), "s/slowest")
		b.ReportMetric((slices.Max(took) - takeoverSession).Seconds(), "s-beyond-session-timeout/slowest")
	})
	b.Run("SIGTERM", func(b *testing.B) {
		took := takeovers(b, (*instance.Instance).Stop)
		b.ReportMetric(median(took).Seconds(), "s/median")
		b.ReportMetric(slices.Max(took).Seconds(), "s/slowest")
	})
}

// takeovers returns how long the other instance took in each round.
func takeovers(b *testing.B, stop func(*instance.Instance)) []time.Duration {
	asked := &askedShards{}
	r := openRig(b, farmtest.Config{Seed: 1, Workers: 240, Speed: 10, Observer: asked.note})
	flags := []string{"--api-rate", "200", "--staleness", "2s", "--session-timeout", takeoverSession.String()}
	first := r.start(b, 0, flags...)
	second := r.start(b, 1, flags...)
	var took []time.Duration
	for b.Loop() {
		mustBecome(b, time.Minute, "two instances share the shards, and have done so for two seconds", func() bool {
			return len(r.shards.Of(first.Number)) >= instance.ShardCount/2 && len(r.shards.Of(second.Number)) >= instance.ShardCount/2 &&
				!r.shards.AcquiredSince(first.Number, time.Now().Add(-2*time.Second)) &&
				!r.shards.AcquiredSince(second.Number, time.Now().Add(-2*time.Second))
		})
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		all := asked.expect(r, first)
		began := time.Now()
		stop(first)
		select {
		case <-all:
		case <-ctx.Done():
			b.Fatalf("after a minute nobody asks for workers of shards %v", asked.left())
		}
		took = append(took, time.Since(began))
		cancel()
		first, second = second, r.start(b, second.Number+1, flags...)
	}
	return took
}

// askedShards watches for calls for workers of certain shards, which count once another instance has logged that it follows
// the shard.
type askedShards struct {
	mu     sync.Mutex
	owners *instance.Shards
	from   int          // the instance that had them
	want   map[int]bool // shards without a call of another instance so far
	done   chan struct{}
}

// expect returns a channel that is closed when each shard of the instance has had a call of the one that took it over.
func (a *askedShards) expect(r *rig, from *instance.Instance) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.owners, a.from, a.want, a.done = r.shards, from.Number, map[int]bool{}, make(chan struct{})
	for _, shard := range r.shards.Of(from.Number) {
		a.want[shard] = true
	}
	return a.done
}

func (a *askedShards) note(call farmtest.Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	shard := publisher.ShardOf(call.WorkerID, instance.ShardCount)
	if call.Operation != farmtest.ListSessionsForWorker || call.Outcome != farmtest.OutcomeOK || !a.want[shard] || !a.owners.TakenOver([]int{shard}, a.from, time.Time{}) {
		return
	}
	if delete(a.want, shard); len(a.want) == 0 {
		close(a.done)
	}
}

func (a *askedShards) left() []int {
	a.mu.Lock()
	defer a.mu.Unlock()
	var left []int
	for shard := range a.want {
		left = append(left, shard)
	}
	return left
}
