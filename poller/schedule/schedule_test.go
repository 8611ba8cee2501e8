package schedule

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"farmwire/diff"
)

// The listing of a worker whose status has changed is one of the next, however many others are due: if it has become RUNNING, or
// if open sessions cannot be swept, in any way.
func TestChangedWorkersGoFirst(t *testing.T) {
	t.Run("announced", func(t *testing.T) {
		p := newPlay(10*time.Second, 1, 1).add(0, 100).allIdle().own()
		p.run(400 * time.Second)
		changedGoesFirst(t, p, "RUNNING")
	})
	t.Run("not swept", func(t *testing.T) {
		p := newPlay(10*time.Second, 1, 1).add(0, 100).allIdle()
		p.setStatus(7, "RUNNING")
		p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, one(number(w) == 7))} }
		p.answer = func(c Call) Answer {
			if c.Kind == BatchGetSession || c.Kind == BatchGetWorker {
				return refused(Denied)
			}
			a := lookedUp(c)
			a.Sample = openSession(c.Worker, 1)
			return a
		}
		p.own()
		p.run(400 * time.Second)
		changedGoesFirst(t, p, "STOPPING")
	})
}

func changedGoesFirst(t *testing.T, p *play, status string) {
	p.setStatus(7, status)
	before := len(p.calls)
	p.run(60 * time.Second)
	p.check(t)
	shown := -1
	for i, c := range p.calls[before:] {
		switch {
		case (c.Kind == ListWorkers || slices.Contains(c.Workers, key(7))) && shown < 0:
			shown = i
		case c.Kind == ListSessionsForWorker && c.Worker == key(7) && shown >= 0:
			if i > shown+2 {
				t.Errorf("a worker whose status changed came as number %d", i-shown)
			}
			return
		}
	}
	t.Error("a worker whose status changed was not listed")
}

// While very many workers are new, the others are still listed.
func TestFloodOfNewWorkers(t *testing.T) {
	p := newPlay(10*time.Second, 10, 1)
	p.known = func(w diff.WorkerKey) Known {
		if number(w) < 20 {
			return Known{Open: openSessions(w, 1)}
		}
		return Known{}
	}
	p.add(0, 20).own()
	p.run(time.Minute)
	p.add(20, 2000)
	from := p.now
	p.run(time.Minute)
	p.check(t)
	for n := range 20 {
		if got := len(p.gaps(from)[key(n)]); got < 3 {
			t.Errorf("worker %d was listed %d times while others were new", n, got)
		}
	}
}

// A listing that fails is tried again after a pause that doubles, up to a minute.
func TestBackoff(t *testing.T) {
	p := newPlay(10*time.Second, 100, 1)
	p.answer = func(Call) Answer { return refused(NoList) }
	p.add(0, 1).own()
	p.run(10 * time.Minute)
	p.check(t)
	var at []time.Time
	for _, c := range p.calls {
		if c.Kind == ListSessionsForWorker {
			at = append(at, c.at)
		}
	}
	if n := len(at); n < 14 || n > 18 {
		t.Fatalf("%d calls in ten minutes", n)
	}
	if last := at[len(at)-1].Sub(at[len(at)-2]); last > maxBackoff+50*time.Millisecond || last < maxBackoff*8/10 {
		t.Errorf("the last back-off was %v", last)
	}
}

// Restored open sessions are looked up before everything else, as many with one call as it takes.
func TestRestoredSessionsGoFirst(t *testing.T) {
	p := newPlay(10*time.Second, 100, 1)
	p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, 2)} }
	var all []diff.WorkerKey
	for n := range 70 {
		all = append(all, key(n))
	}
	p.own(all...)
	p.run(500 * time.Millisecond)
	p.check(t)
	for i, want := range []int{batchSize, 40} {
		if c := p.calls[i]; c.Kind != BatchGetSession || len(c.Sessions) != want {
			t.Errorf("call %d is %s of %d sessions, want %d", i+1, c.Kind.Operation(), len(c.Sessions), want)
		}
	}
}

// If several shards are owned at the same time, workers of each are listed long before all workers of the first.
func TestShardsTakeTurns(t *testing.T) {
	const shards, workers = 6, 100
	for _, open := range []int{0, 1} {
		p := newPlayOf(Config{Farms: []string{"farm-1"}, Fleets: []string{"fleet-1"}, Staleness: 15 * time.Second, Rate: 100, Shards: shards, Shard: func(id string) int {
			return number(diff.WorkerKey{WorkerID: id}) / workers
		}}, 1)
		p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, open)} }
		p.add(0, shards*workers)
		for shard := range shards {
			p.now = p.now.Add(time.Millisecond)
			var all []diff.WorkerKey
			for n := range workers {
				all = append(all, key(shard*workers+n))
			}
			p.schedule.Own(shard, p.knownOf(all), p.now)
		}
		p.run(2 * time.Second)
		p.check(t)
		listed, n := make(map[int]int), 0
		for _, c := range p.calls {
			if c.Kind == ListSessionsForWorker {
				listed[c.Shards[0]]++
				n++
			}
		}
		for shard := range shards {
			if n < workers || listed[shard] < n/shards/3 {
				t.Errorf("%d open sessions: of the first %d listings %d were for shard %d: %v", open, n, listed[shard], shard, listed)
			}
		}
	}
}

// An instance that is restarted again and again never has the time to list all workers, and ListWorkers always shows
// them in the same order. Nevertheless each worker is listed in one of its lives.
func TestShortLivesReachAllWorkers(t *testing.T) {
	const lives, workers = 100, 150
	listed := map[diff.WorkerKey]int{}
	for life := range uint64(lives) {
		p := newPlay(15*time.Second, 20, life).add(0, workers).own()
		p.run(2 * time.Second)
		p.check(t)
		for _, c := range p.calls {
			listed[c.Worker]++
		}
	}
	for n := range workers {
		if listed[key(n)] == 0 {
			t.Errorf("worker %d was never listed in %d lives", n, lives)
		}
	}
}

// The time to choose a call must hardly grow with the number of workers.
func BenchmarkNext(b *testing.B) {
	for _, n := range []int{75, 750, 7500, 75000} {
		b.Run(key(n).WorkerID, func(b *testing.B) {
			p := newPlay(15*time.Second, 1e6, 1).add(0, n).own()
			p.run(2 * time.Second)
			random := rand.New(rand.NewPCG(1, 1))
			b.ResetTimer()
			for range b.N {
				c, wake := p.schedule.Next(p.now)
				if c.Number == 0 {
					p.now = latest(wake, p.now.Add(time.Duration(random.IntN(1000))))
					continue
				}
				p.schedule.Done(c, p.answerOf(c), p.now)
				p.schedule.Committed(Known{Worker: c.Worker}, p.now)
			}
		})
	}
}
